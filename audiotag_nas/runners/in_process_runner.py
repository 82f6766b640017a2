"""The runner that trains trials in this process, one after another."""

import collections
from pathlib import Path

from audiotag_nas.config import ExperimentConfig
from audiotag_nas.data.storage import AnyPath
from audiotag_nas.runners.target import (
    TARGET,
    OnTrialEpoch,
    find_function,
    run_target,
)
from audiotag_nas.trial import Trial, TrialResult


class InProcessRunner:
    """Trains submitted trials in order. `next_result` trains the next trial.

    Args:
        config: the experiment.
        features_dir: directory with the prepared features, in
            `<size>/development`.
        trials_dir: directory that gets one subdirectory per trial.
        on_epoch: called with (trial, epoch from 1, numbers of the epoch).
        target: name of the function that trains a trial (`runners.target`).
    """

    def __init__(
        self,
        config: ExperimentConfig,
        *,
        features_dir: AnyPath,
        trials_dir: Path,
        on_epoch: OnTrialEpoch | None = None,
        target: str = TARGET,
    ) -> None:
        self._target = target
        self._config = config
        self._features_dir = features_dir
        self._trials_dir = trials_dir
        self._on_epoch = on_epoch
        self._waiting: collections.deque[Trial] = collections.deque()

    @property
    def num_slots(self) -> int:
        return 1

    def submit(self, trial: Trial) -> None:
        self._waiting.append(trial)

    def next_result(self) -> TrialResult:
        trial = self._waiting.popleft()

        def on_epoch(epoch: int, numbers: dict[str, float]) -> None:
            if self._on_epoch is not None:
                self._on_epoch(trial, epoch, numbers)

        return run_target(
            # This import is late, because it starts TensorFlow.
            find_function(self._target),
            trial,
            config=self._config,
            features_dir=self._features_dir,
            trials_dir=self._trials_dir,
            on_epoch=on_epoch,
        )

    def close(self) -> None:
        self._waiting.clear()
