"""Exports a trained network of an experiment as a model for `Tagger`."""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from audiotag_nas import metrics
from audiotag_nas.architecture import Architecture
from audiotag_nas.config import ExperimentConfig
from audiotag_nas.data.storage import RemotePath
from audiotag_nas.data.stored_features import PreparedSet, open_prepared
from audiotag_nas.experiment import evaluation, trained_networks
from audiotag_nas.experiment.results import completed_entry
from audiotag_nas.experiment.workspace import Workspace
from audiotag_nas.training.trial_settings import spectrogram_size
from audiotag_nas.trial import TrialResult

if TYPE_CHECKING:
    import keras


def export_trial(
    config: ExperimentConfig,
    workspace: Workspace,
    trial_id: str,
    export_dir: str | os.PathLike | RemotePath,
) -> TrialResult:
    """Exports the network of a completed trial.

    The thresholds are chosen on the validation folds, as in `run`. The
    evaluation split is not used.

    Returns:
        The result of the trial.

    Raises:
        ConfigError: see `completed_entry`.
        StoreError: the network was removed, the log-mels are missing or
            damaged, or `export_dir` can't be written.
    """
    entry = completed_entry(workspace, trial_id)
    trial, result = entry.trial, entry.result
    model = trained_networks.load_network(workspace, trial.trial_id)
    size = spectrogram_size(trial, config)
    export_network(
        model,
        export_dir,
        config,
        size=size,
        architecture=trial.architecture,
        thresholds=choose_thresholds(
            model,
            open_prepared(workspace.split_dir(size, "development")),
            config,
        ),
        reported={"validation_mean_eer": result.metric("validation_eer")},
    )
    return result


def choose_thresholds(
    model: "keras.Model", development: PreparedSet, config: ExperimentConfig
) -> np.ndarray:
    """Returns the best threshold per tag on the validation folds."""
    validation = evaluation.score_split(
        model,
        development,
        tags=config.data.tags,
        folds=config.data.validation_folds,
    )
    return metrics.best_thresholds(validation.labels, validation.scores)


def export_network(
    model: "keras.Model",
    export_dir: str | os.PathLike | RemotePath,
    config: ExperimentConfig,
    *,
    size: str,
    architecture: Architecture,
    thresholds: np.ndarray,
    reported: Mapping[str, float],
) -> None:
    """Exports a network together with a layer that computes its log-mels.

    Args:
        model: the network.
        export_dir: the directory to write.
        config: the experiment.
        size: the spectrogram size of the network's input, e.g. `124x128`.
        architecture, thresholds: see `serving.export_model`.
        reported: metrics to store in the model's manifest, by name.
    """
    from audiotag_nas.serving.export import export_model

    data = config.data
    export_model(
        model,
        export_dir,
        features=config.features.resized(size, data.clip_seconds),
        tags=data.tags,
        thresholds=thresholds,
        metrics=reported,
        clip_seconds=data.clip_seconds,
        pads_short_clips=data.min_clip_seconds < data.clip_seconds,
        architecture=architecture,
    )
