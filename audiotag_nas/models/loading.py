"""Reads and writes `.keras` files."""

import os

import keras

from audiotag_nas.files import atomic_file
from audiotag_nas.models import layers  # noqa: F401  registers the layers


def load_model(path: str | os.PathLike) -> keras.Model:
    """Returns the network of a `.keras` file, not compiled.

    Unlike `keras.models.load_model`, this function knows this package's layers.

    Raises:
        ValueError: the file is missing, or has no Keras network.
    """
    return keras.models.load_model(path, compile=False)


def save_model(model: keras.Model, path: str | os.PathLike) -> None:
    """Writes a `.keras` file completely or not at all, and makes its directory.

    Raises:
        StoreError: the file can't be written.
    """
    with atomic_file(path) as temporary:
        model.save(temporary)
