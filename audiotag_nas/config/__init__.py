"""The configuration of an experiment."""

from audiotag_nas.config.experiment import (
    CHIME_HOME_TAGS,
    REWARDS,
    DataConfig,
    ExperimentConfig,
    FinalConfig,
    GridConfig,
    SearchConfig,
    SyntheticConfig,
    TrainingConfig,
)
from audiotag_nas.config.features import FeatureConfig, parse_spectrogram_size

__all__ = [
    "CHIME_HOME_TAGS",
    "REWARDS",
    "DataConfig",
    "ExperimentConfig",
    "FeatureConfig",
    "FinalConfig",
    "GridConfig",
    "SearchConfig",
    "SyntheticConfig",
    "TrainingConfig",
    "parse_spectrogram_size",
]
