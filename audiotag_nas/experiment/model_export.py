"""From a kept network of an experiment to a SavedModel that tags sounds."""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from audiotag_nas import metrics
from audiotag_nas.architecture import Architecture
from audiotag_nas.config import ExperimentConfig
from audiotag_nas.data.prepared import PreparedSet, open_prepared
from audiotag_nas.data.storage import RemotePath
from audiotag_nas.experiment import evaluation, networks
from audiotag_nas.experiment.workspace import Workspace
from audiotag_nas.inspection.results import architecture_of, completed_entry
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
    """Exports the network of any completed trial that is kept.

    Its thresholds are chosen on the validation folds, as `run` does. The
    evaluation split is not looked at.

    Returns:
        What the training came to.

    Raises:
        ConfigError: as `completed_entry`.
        StoreError: its network is not kept any more, the log-mels are missing
            or damaged, or `export_dir` can't be written.
    """
    entry = completed_entry(workspace, trial_id)
    trial, result = entry.trial, entry.result
    model = networks.load_network(workspace, trial.trial_id)
    size = spectrogram_size(trial, config)
    export_network(
        model,
        export_dir,
        config,
        size=size,
        architecture=architecture_of(trial),
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
    """(tags,), by the validation folds: see `metrics.best_thresholds`."""
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
    """Exports a network with the front end that it was trained with.

    Args:
        model: the network.
        export_dir: where to.
        config: the experiment.
        size: of its spectrograms.
        architecture, thresholds: see `serving.export_model`.
        reported: named metrics to keep with it.
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
