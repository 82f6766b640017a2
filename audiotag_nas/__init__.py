"""Finds, trains and ships small networks that tag everyday sounds.

Reinforcement-learning architecture search after Liu and Zhang (IJCNN 2020).
The names below are the front door; TensorFlow starts only with the first use
of one that needs it.
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
