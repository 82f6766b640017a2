"""The config's settings with the overrides of one trial."""

import dataclasses
from typing import Any

from audiotag_nas.config import ExperimentConfig, TrainingConfig
from audiotag_nas.trial import Trial


def training_settings(trial: Trial, config: ExperimentConfig) -> TrainingConfig:
    """Returns the config's training section with the trial's overrides."""
    overrides: dict[str, Any] = trial.overrides.to_json()
    overrides.pop("spectrogram_size", None)
    return dataclasses.replace(config.training, **overrides)


def spectrogram_size(trial: Trial, config: ExperimentConfig) -> str:
    """Returns the spectrogram size that the trial trains on."""
    size = trial.overrides.spectrogram_size
    default = config.features.spectrogram_size(config.data.clip_seconds)
    return default if size is None else size
