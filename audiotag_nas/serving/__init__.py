"""Exports a trained network as a SavedModel, and tags sound files with it.

TensorFlow is loaded when a public name is first used, not with this package.
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
