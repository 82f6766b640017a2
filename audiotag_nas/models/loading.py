"""Networks from `.keras` files."""

import os

import keras

from audiotag_nas.models import layers  # noqa: F401  registers the layers


def load_model(path: str | os.PathLike) -> keras.Model:
    """The network in a `.keras` file of this package, not compiled.

    `keras.models.load_model` alone does not know the layers that Keras has not.

    Raises:
        ValueError: there is no such file, or no network in it (Keras's own).
    """
    return keras.models.load_model(path, compile=False)
