"""Loads the SavedModel of an exported model with TensorFlow."""

import os
import re
from typing import Any

from audiotag_nas.data.storage import RemotePath
from audiotag_nas.errors import StoreError
from audiotag_nas.files import plain_path

_LINK = re.compile(r"/proc/self/fd/\d+/")
_ENDPOINTS = ("serve", "log_mel")
_OUTPUTS = ("clip_scores", "frame_scores")


def open_saved_model(directory: str | os.PathLike) -> Any:
    """Loads a SavedModel. The name of its directory may have any characters."""
    import tensorflow as tf

    with plain_path(directory) as path:
        return tf.saved_model.load(path)


def load_saved_model(
    directory: str | os.PathLike,
    *,
    shown: str | os.PathLike | RemotePath,
    num_tags: int,
) -> Any:
    """Loads the SavedModel in `directory` and checks its endpoints.

    Args:
        directory: the model's files, which were checked against the manifest.
        shown: path of the exported model, for messages.
        num_tags: the number of scores that the model must return.

    Raises:
        StoreError: TensorFlow can't load the model, an endpoint is missing, or
            the model returns another number of scores.
    """
    try:
        saved_model = open_saved_model(directory)
    except Exception as error:
        # TensorFlow does not document its errors for damaged files.
        raise StoreError(
            f"{shown}: can't be loaded by TensorFlow "
            f"({type(error).__name__}: {_first_line(error)}). Export the model "
            "again."
        ) from error
    for name in _ENDPOINTS:
        if not callable(getattr(saved_model, name, None)):
            raise StoreError(
                f"{shown}: the SavedModel must have the endpoint {name!r}."
            )
    signature = saved_model.signatures.get("serving_default")
    outputs = {} if signature is None else signature.structured_outputs
    for name in _OUTPUTS:
        shape = outputs[name].shape if name in outputs else None
        if shape is None or not shape.rank or shape[-1] != num_tags:
            raise StoreError(
                f"{shown}: the SavedModel's {name} must be {num_tags} scores, "
                f"one per tag of the manifest. Received: {shape}"
            )
    return saved_model


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    # Remove the temporary path of `plain_path`, which users do not know.
    return _LINK.sub("", lines[0]) if lines else ""
