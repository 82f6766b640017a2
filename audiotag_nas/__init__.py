"""Searches, trains and exports small networks that tag everyday sounds.

The package implements architecture search by reinforcement learning, after Liu
and Zhang (IJCNN 2020). `__all__` lists the public names. TensorFlow is imported
at the first use of a name that needs it.
"""

import importlib
from typing import Any

from audiotag_nas.architecture import Architecture, ConvBlock
from audiotag_nas.config import ExperimentConfig, FeatureConfig
from audiotag_nas.space import Decision, SearchSpace

__version__ = "0.1.0"

_LAZY = {
    "ArchitectureTuner": "audiotag_nas.experiment.tuner",
    "Tagger": "audiotag_nas.serving.tagger",
    "load_config": "audiotag_nas.config.shipped",
    "load_model": "audiotag_nas.models",
    "make_searcher": "audiotag_nas.search",
}

__all__ = [
    "Architecture",
    "ArchitectureTuner",
    "ConvBlock",
    "Decision",
    "ExperimentConfig",
    "FeatureConfig",
    "SearchSpace",
    "Tagger",
    "load_config",
    "load_model",
    "make_searcher",
]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_LAZY[name]), name)
