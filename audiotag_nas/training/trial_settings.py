"""The training settings of one trial: the config's, or the trial's own."""

import dataclasses
from typing import Any

from audiotag_nas.config import ExperimentConfig, TrainingConfig
from audiotag_nas.trial import Trial


def training_settings(trial: Trial, config: ExperimentConfig) -> TrainingConfig:
    """Returns the config's training section, changed by a trial's overrides."""
    overrides: dict[str, Any] = trial.overrides.to_json()
    overrides.pop("spectrogram_size", None)
    return dataclasses.replace(config.training, **overrides)


def spectrogram_size(trial: Trial, config: ExperimentConfig) -> str:
    """Returns the spectrogram size on which the trial trains."""
    size = trial.overrides.spectrogram_size
    default = config.features.spectrogram_size(config.data.clip_seconds)
    return default if size is None else size
