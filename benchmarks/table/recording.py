"""Trains every network of the table's space and records its learning curves.

Each training is a trial that uses the package's trainer and worker processes.
Each finished trial becomes a line of a journal, so that an interrupted
recording can be continued. For one seed after the other, all points are trained
in random order. The points of a partial recording are thus a random sample.
"""

import dataclasses
import itertools
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from audiotag_nas.config import ExperimentConfig
from audiotag_nas.data.storage import AnyPath
from audiotag_nas.data.stored_features import PreparedSet, open_prepared
from audiotag_nas.experiment.stages import derive_seed
from audiotag_nas.search.journal import Journal
from audiotag_nas.training.trial_settings import spectrogram_size
from audiotag_nas.trial import Trial, TrialResult, TrialRunner, TrialStatus
from benchmarks.table.table_space import TABLE_SPACE, table_architecture

if TYPE_CHECKING:
    from audiotag_nas.training import trainer

TARGET = f"{__name__}:record_trial"
STAGE = "table"
_DIGITS = 5


def table_trials(config: ExperimentConfig, *, num_seeds: int) -> list[Trial]:
    """Returns all trials in the order in which they are recorded."""
    points = list(itertools.product(*map(range, TABLE_SPACE.num_choices)))
    order = np.random.default_rng(config.seed).permutation(len(points))
    trials = []
    for seed, index in itertools.product(range(num_seeds), order):
        tokens = points[index]
        name = f"table-{seed}-{''.join(map(str, tokens))}"
        trials.append(
            Trial(
                trial_id=name,
                stage=STAGE,
                round=seed,
                tokens=tokens,
                hparams=TABLE_SPACE.values(tokens),
                architecture=table_architecture(tokens),
                seed=derive_seed(config.seed, name),
            )
        )
    return trials


def record_trial(
    trial: Trial,
    *,
    config: ExperimentConfig,
    features_dir: AnyPath,
    trial_dir: Path,
    on_epoch: Callable[[int, dict[str, float]], None],
) -> TrialResult:
    """Trains one network and scores it on every set of clips.

    The runner calls this function instead of `run_trial`. The history has
    `training_loss` and the numbers of `trainer.score_numbers` for `validation`
    (both folds), `fold0`, `fold1` and `evaluation`. The network is not saved.
    """
    from audiotag_nas.training import trial_training

    started, cpu_started = time.monotonic(), time.process_time()
    size = spectrogram_size(trial, config)
    development, evaluation = (
        open_prepared(features_dir / size / split)
        for split in ("development", "evaluation")
    )

    def scored(
        prepared: PreparedSet, folds: tuple[int, ...] | None = None
    ) -> "trainer.ScoredData":
        return trial_training.scored_data(
            prepared, tags=config.data.tags, folds=folds, batch_size=100
        )

    model, outcome = trial_training.train_network(
        trial,
        config,
        features_dir,
        on_epoch=on_epoch,
        also_scored={
            **{
                f"fold{fold}": scored(development, (fold,))
                for fold in config.data.validation_folds
            },
            "evaluation": scored(evaluation),
        },
    )
    result = TrialResult(
        trial_id=trial.trial_id,
        status=TrialStatus.COMPLETED,
        reward=1.0 - outcome.best_eer,
        metrics={
            "num_parameters": model.count_params(),
            "best_epoch": outcome.best_epoch,
            "cpu_seconds": time.process_time() - cpu_started,
        },
        history={
            name: [round(value, _DIGITS) for value in curve]
            for name, curve in outcome.history.items()
        },
        seconds=time.monotonic() - started,
    )
    del model
    trial_training.forget_networks()
    return result


@dataclasses.dataclass(frozen=True)
class Recorded:
    """The progress of a recording."""

    num_done: int
    num_total: int
    last: TrialResult


def run_recording(
    trials: list[Trial],
    runner: TrialRunner,
    journal_path: str | os.PathLike,
    *,
    on_trial: Callable[[Recorded], None],
) -> None:
    """Runs the trials that are missing in the journal.

    Raises:
        StoreError: the journal is damaged or cannot be written.
    """
    journal = Journal(journal_path)
    waiting = [t for t in trials if journal.get(t.trial_id) is None][::-1]
    running: dict[str, Trial] = {}
    while waiting or running:
        while waiting and len(running) < runner.num_slots:
            trial = waiting.pop()
            running[trial.trial_id] = trial
            runner.submit(trial)
        result = runner.next_result()
        journal.append(running.pop(result.trial_id), result)
        on_trial(
            Recorded(
                num_done=len(trials) - len(waiting) - len(running),
                num_total=len(trials),
                last=result,
            )
        )
