"""Builds, writes and reads Keras networks.

TensorFlow is imported when a name below is first used, not with this package.
"""

import importlib
from typing import Any

_LAZY = {
    "NAMES": "audiotag_nas.models.named",
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
