"""Reads and writes networks as `.keras` files."""

import os

import keras

from audiotag_nas.files import atomic_file
from audiotag_nas.models import layers  # noqa: F401  registers the layers


def load_model(path: str | os.PathLike) -> keras.Model:
    """The network in a `.keras` file of this package, not compiled.

    `keras.models.load_model` alone does not know the layers that Keras has not.

    Raises:
        ValueError: there is no such file, or no network in it (Keras's own).
    """
    return keras.models.load_model(path, compile=False)


def save_model(model: keras.Model, path: str | os.PathLike) -> None:
    """Writes a `.keras` file, whole or not at all; makes its directory.

    Raises:
        StoreError: it can't be written, e.g. the disk is full.
    """
    with atomic_file(path) as temporary:
        model.save(temporary)
