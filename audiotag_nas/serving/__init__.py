"""A trained network becomes a SavedModel, and a SavedModel tags sound files.

TensorFlow starts with the first use of a name below, not with this import.
"""

import importlib
from typing import Any

_LAZY = {
    "Tagger": "audiotag_nas.serving.tagger",
    "export_model": "audiotag_nas.serving.export",
}

__all__ = ["Tagger", "export_model"]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_LAZY[name]), name)
