"""One trial, from plain values to a result: what every runner calls.

A child reads log-mels that were prepared before (`PreparedSet`), trains on
all development folds but the validation folds, and is rewarded for how well
it does on those (`quality`), less what it costs (`goals`). It never sees the
evaluation split.
"""

import dataclasses
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

from audiotag_nas.config import ExperimentConfig, TrainingConfig
from audiotag_nas.data import clip, pipeline
from audiotag_nas.data.prepared import PreparedSet, open_prepared
from audiotag_nas.data.storage import Place
from audiotag_nas.errors import (
    UserError,
)
from audiotag_nas.models import build_crnn, save_model
from audiotag_nas.training import strategy as strategies
from audiotag_nas.training import trainer
from audiotag_nas.training.costs import (
    SizedNetwork,
    child_costs,
    cost_penalty,
)
from audiotag_nas.training.rewards import (
    QUALITIES,
    Quality,
    quality_of,
)
from audiotag_nas.trial import MODEL_FILE, Trial, TrialResult, TrialStatus


def run_trial(
    trial: Trial,
    *,
    config: ExperimentConfig,
    features_dir: Place,
    trial_dir: Path,
    on_epoch: trainer.OnEpoch | None = None,
) -> TrialResult:
    """Trains the network that `trial` describes and keeps it.

    Args:
        trial: its settings hold `architecture` (JSON) and may override
            `spectrogram_size` and the fields of `TrainingConfig`; a
            `stop_rule` in them may end it early.
        config: the experiment.
        features_dir: holds `<spectrogram size>/development`, prepared.
        trial_dir: gets `model.keras` with the best epoch's weights.
        on_epoch: called with the epoch, from 1, and its numbers.

    Returns:
        A completed result, its reward `config.search.reward` less what is
        weighed against it (of stages other than search and grid 1 - EER); or
        a failed one with the reason if the training itself went wrong.

    Raises:
        UserError: what was prepared is missing, damaged or too little, or
            there is no room for the network; no other trial could do better.
    """
    started = time.monotonic()
    # Before TensorFlow starts, which measuring a latency does.
    strategies.share_gpu_memory()
    try:
        cost_metrics, penalty = _cost_metrics(trial, config)
        model, outcome = train_network(
            trial,
            config,
            features_dir,
            on_epoch=on_epoch,
            quality=quality_of(trial.reward.measure, penalty=penalty),
        )
    except UserError:
        raise
    except Exception as error:
        # Whatever a training raises is a result: the search goes on.
        return TrialResult.of_error(
            trial.trial_id, error, seconds=time.monotonic() - started
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


def forget_networks() -> None:
    """A process that trains many children else keeps all their graphs."""
    keras.utils.clear_session()  # and collects garbage


def training_settings(trial: Trial, config: ExperimentConfig) -> TrainingConfig:
    """The config's training section with the trial's overrides."""
    overrides: dict[str, Any] = trial.overrides.to_json()
    overrides.pop("spectrogram_size", None)
    return dataclasses.replace(config.training, **overrides)


def spectrogram_size(trial: Trial, config: ExperimentConfig) -> str:
    """The size that the trial trains on."""
    default = config.features.spectrogram_size(config.data.clip_seconds)
    size = trial.overrides.spectrogram_size
    return default if size is None else size


def _cost_metrics(
    trial: Trial, config: ExperimentConfig
) -> tuple[dict[str, float], float]:
    """The metrics of what a trial's network costs, and the penalty for it.

    The penalty is of the children of search and grid; it is among the metrics
    where a cost is weighed.
    """
    costs, baseline = child_costs(
        SizedNetwork(
            trial.architecture,
            spectrogram_size(trial, config),
        ),
        config,
    )
    metrics: dict[str, float] = {"multiply_adds": costs.multiply_adds}
    if costs.latency_seconds is not None:
        metrics["latency_seconds"] = costs.latency_seconds
    if baseline.latency_seconds is not None:
        metrics["baseline_latency_seconds"] = baseline.latency_seconds
    if not trial.reward.weighs_costs:
        return metrics, 0.0
    penalty = cost_penalty(costs, baseline, config.search)
    metrics["cost_penalty"] = penalty
    return metrics, penalty


def train_network(
    trial: Trial,
    config: ExperimentConfig,
    features_dir: Place,
    *,
    on_epoch: trainer.OnEpoch | None = None,
    also_scored: Mapping[str, trainer.ScoredData] | None = None,
    quality: Quality = QUALITIES["eer"],
) -> tuple[keras.Model, trainer.TrainingResult]:
    """Trains the network that `trial` describes; arguments as `run_trial`.

    Args:
        trial: what to train.
        config: the experiment.
        features_dir: holds the prepared features.
        on_epoch: called with the epoch, from 1, and its numbers.
        also_scored, quality: see `trainer.train`.

    Raises:
        UserError: as `run_trial`. What else is raised went wrong in the
            training itself.
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

    # Keras draws initial weights and dropout from this seed alone.
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
        quality=quality,
        stop_rule=trial.stop_rule,
    )


def scored_data(
    prepared: PreparedSet,
    *,
    tags: tuple[str, ...],
    batch_size: int,
    folds: tuple[int, ...] | None = None,
) -> trainer.ScoredData:
    """The clips of some folds (None: all), as the trainer scores them."""
    return trainer.ScoredData(
        pipeline.make_evaluation_dataset(
            prepared, tags=tags, folds=folds, batch_size=batch_size
        ),
        prepared.labels(tags, folds=folds),
    )


def check_trainable(prepared: PreparedSet, config: ExperimentConfig) -> None:
    """Checks what some training of the experiment would raise at its start.

    One of the grid comes after the whole search, when nothing can be changed.

    Raises:
        ConfigError: a tag that no clip carries, a batch of more examples than
            there are clips to train on, or a mask longer than the
            spectrogram.
        DataError: as `split_folds`, or no tag has an EER in the validation
            folds.
    """
    tags = config.data.tags
    what = "development clips that were not rejected"
    clip.check_carried(prepared.clips, tags, what=what)
    training_folds, validation_folds = split_folds(prepared, config)
    trainer.check_scorable(
        prepared.labels(tags, folds=validation_folds),
        f" (data.validation_folds {list(validation_folds)}, data.tags "
        f"{list(tags)})",
    )
    training = config.training
    for section, batch_size in (
        ("training", training.batch_size),
        *(("grid", batch_size) for batch_size in config.grid.batch_size),
    ):
        pipeline.check_fits(
            prepared,
            training_folds,
            batch_size=batch_size,
            time_mask_frames=training.time_mask_frames,
            mel_mask_bins=training.mel_mask_bins,
            prefix=f"config.{section}.",
        )


def tag_notes(prepared: PreparedSet, config: ExperimentConfig) -> list[str]:
    """A line for each tag that the folds leave without an EER or positives.

    Nothing is wrong with the others, so this is no error.
    """
    training, validation = split_folds(prepared, config)
    no_eer = "it has no EER there and decides nothing"
    notes = []
    for which, folds, comes_of_none in (
        ("training", training, "it can't be learned"),
        ("validation", validation, no_eer),
    ):
        labels = prepared.labels(config.data.tags, folds=folds)
        for tag, count in zip(config.data.tags, labels.sum(0), strict=True):
            where = f"clip of the {which} folds {list(folds)} carries {tag!r}"
            if count == 0:
                notes.append(f"no {where}: {comes_of_none}")
            elif which == "validation" and count == len(labels):
                notes.append(f"every {where}: {no_eer}")
    return notes


def split_folds(
    prepared: PreparedSet, config: ExperimentConfig
) -> tuple[tuple[int | None, ...], tuple[int, ...]]:
    """The folds to train on, and those that reward.

    Raises:
        DataError: a validation fold has no clips, or none is left to train.
    """
    return clip.split_folds(
        prepared.folds,
        config.data.validation_folds,
        where=str(prepared.split_dir),
    )
