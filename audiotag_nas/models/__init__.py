"""Networks as functional Keras builders; knows nothing of audio or search.

TensorFlow starts with the first use of a builder, not with this import.
"""

import importlib
from typing import Any

NAMES = ("crnn_baseline", "wei2018", "xu2017")
"""What `build_named` can build."""

_LAZY = {
    "build_crnn": "audiotag_nas.models.crnn",
    "build_named": "audiotag_nas.models.named",
    "load_model": "audiotag_nas.models.loading",
    "save_model": "audiotag_nas.models.loading",
}

__all__ = ["NAMES", "build_crnn", "build_named", "load_model", "save_model"]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_LAZY[name]), name)
