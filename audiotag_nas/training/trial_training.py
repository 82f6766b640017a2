"""Runs one trial. Every runner calls `run_trial` (see `runners.target`).

A trial reads prepared log-mels (`PreparedSet`) and trains on all development
folds except the validation folds. The reward is the network's quality on the
validation folds (`rewards`), less a penalty for the network's costs (`costs`).
A trial never reads the evaluation split.
"""

import time
from collections.abc import Mapping
from pathlib import Path

import keras

from audiotag_nas.config import ExperimentConfig
from audiotag_nas.data import pipeline
from audiotag_nas.data.storage import AnyPath
from audiotag_nas.data.stored_features import PreparedSet, open_prepared
from audiotag_nas.models import build_crnn, save_model
from audiotag_nas.training import strategy as strategies
from audiotag_nas.training import trainer
from audiotag_nas.training.costs import (
    Costs,
    SizedNetwork,
    cost_penalty,
    measure_costs,
)
from audiotag_nas.training.folds import split_folds
from audiotag_nas.training.rewards import make_quality
from audiotag_nas.training.trial_settings import (
    spectrogram_size,
    training_settings,
)
from audiotag_nas.trial import MODEL_FILE, Trial, TrialResult, TrialStatus


def run_trial(
    trial: Trial,
    *,
    config: ExperimentConfig,
    features_dir: AnyPath,
    trial_dir: Path,
    on_epoch: trainer.OnEpoch | None = None,
) -> TrialResult:
    """Trains the trial's network and saves it.

    Args:
        trial: the trial to run.
        config: the experiment.
        features_dir: directory with the prepared features, in
            `<spectrogram size>/development`.
        trial_dir: directory for `model.keras`, the best epoch's network.
        on_epoch: called with the epoch, from 1, and the numbers of the epoch.

    Raises:
        UserError: prepared data are missing, damaged or too few, or the disk
            is full. Every other trial would raise the error too. Any other
            exception means that only this training failed.
    """
    started = time.monotonic()
    # This call must precede the first use of TensorFlow. If a latency is
    # measured, the measurement is this first use.
    strategies.share_gpu_memory()
    costs, baseline = measure_costs(
        SizedNetwork(trial.architecture, spectrogram_size(trial, config)),
        config,
    )
    cost_metrics = _cost_metrics(costs, baseline)
    if trial.reward.weighs_costs:
        cost_metrics["cost_penalty"] = cost_penalty(
            costs, baseline, config.search
        )
    model, outcome = train_network(
        trial,
        config,
        features_dir,
        penalty=cost_metrics.get("cost_penalty", 0.0),
        on_epoch=on_epoch,
    )
    save_model(model, trial_dir / MODEL_FILE)
    metrics = {
        "validation_eer": outcome.best_eer,
        "validation_loss": outcome.best_loss,
        "best_epoch": outcome.best_epoch,
        "epochs": len(outcome.history["validation_eer"]),
        "num_parameters": model.count_params(),
        **cost_metrics,
    }
    if outcome.stopped_epoch:
        metrics["stopped_epoch"] = outcome.stopped_epoch
    result = TrialResult(
        trial_id=trial.trial_id,
        status=TrialStatus.COMPLETED,
        reward=outcome.history["quality"][-1],
        metrics=metrics,
        history=outcome.history,
        seconds=time.monotonic() - started,
    )
    del model
    forget_networks()
    return result


def _cost_metrics(costs: Costs, baseline: Costs) -> dict[str, float]:
    metrics: dict[str, float] = {"multiply_adds": costs.multiply_adds}
    if costs.latency_seconds is not None:
        metrics["latency_seconds"] = costs.latency_seconds
    if baseline.latency_seconds is not None:
        metrics["baseline_latency_seconds"] = baseline.latency_seconds
    return metrics


def train_network(
    trial: Trial,
    config: ExperimentConfig,
    features_dir: AnyPath,
    *,
    penalty: float = 0.0,
    on_epoch: trainer.OnEpoch | None = None,
    also_scored: Mapping[str, trainer.ScoredData] | None = None,
) -> tuple[keras.Model, trainer.TrainingResult]:
    """Trains the trial's network.

    Args:
        trial, config, features_dir, on_epoch: see `run_trial`.
        penalty: number that is subtracted from the quality.
        also_scored: see `trainer.train`.

    Raises:
        UserError: see `run_trial`. Any other exception means that only this
            training failed.
    """
    settings = training_settings(trial, config)
    size = spectrogram_size(trial, config)
    prepared = open_prepared(features_dir / size / "development")
    tags = config.data.tags
    training_folds, validation_folds = split_folds(prepared, config)
    strategy = strategies.make_strategy(batch_size=settings.batch_size)
    architecture = trial.architecture

    def build() -> keras.Model:
        return build_crnn(
            architecture,
            num_frames=prepared.num_frames if architecture.input_norm else None,
            num_mels=prepared.num_mels,
            num_tags=len(tags),
        )

    # Keras draws the initial weights and dropout from this seed alone.
    keras.utils.set_random_seed(trial.seed)
    return trainer.train(
        build,
        training_data=pipeline.make_training_dataset(
            prepared,
            tags=tags,
            folds=training_folds,
            batch_size=settings.batch_size,
            seed=trial.seed,
            mixup_alpha=settings.mixup_alpha,
            time_mask_frames=settings.time_mask_frames,
            mel_mask_bins=settings.mel_mask_bins,
        ),
        validation=scored_data(
            prepared,
            tags=tags,
            folds=validation_folds,
            batch_size=settings.batch_size,
        ),
        settings=settings,
        strategy=strategy,
        on_epoch=on_epoch,
        also_scored=also_scored,
        quality=make_quality(trial.reward.measure, penalty=penalty),
        stop_rule=trial.stop_rule,
    )


def scored_data(
    prepared: PreparedSet,
    *,
    tags: tuple[str, ...],
    batch_size: int,
    folds: tuple[int, ...] | None = None,
) -> trainer.ScoredData:
    """Returns the clips of `folds` for `trainer.train`; None means all."""
    return trainer.ScoredData(
        pipeline.make_evaluation_dataset(
            prepared, tags=tags, folds=folds, batch_size=batch_size
        ),
        prepared.labels(tags, folds=folds),
    )


def forget_networks() -> None:
    """Frees the graphs of all networks in this process."""
    keras.utils.clear_session()  # also collects garbage
