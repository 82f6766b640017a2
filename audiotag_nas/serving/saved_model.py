"""Loads TensorFlow's SavedModels from directories of any name."""

import os
from typing import Any

import tensorflow as tf

from audiotag_nas.files import plain_path


def load_saved_model(directory: str | os.PathLike) -> Any:
    """The SavedModel in a local directory.

    Raises:
        OSError: there is none, or it can't be read (TensorFlow's own).
    """
    with plain_path(directory) as path:
        return tf.saved_model.load(path)
