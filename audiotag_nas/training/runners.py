"""Runners: where trials are trained. Here, in this process, one at a time."""

import collections
from collections.abc import Callable
from pathlib import Path

from audiotag_nas.config import ExperimentConfig
from audiotag_nas.trial import Trial, TrialResult

OnTrialEpoch = Callable[[Trial, int, dict[str, float]], None]


class InProcessRunner:
    """Trains the submitted trials in order, each when its turn is asked for.

    Args:
        config: the experiment.
        features_dir: the prepared features, `<size>/development`.
        trials_dir: gets a directory a trial.
        on_epoch: called with the trial, the epoch from 1 and its numbers.
    """

    def __init__(
        self,
        config: ExperimentConfig,
        *,
        features_dir: Path,
        trials_dir: Path,
        on_epoch: OnTrialEpoch | None = None,
    ) -> None:
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
        # TensorFlow starts with the first training, not with the import.
        from audiotag_nas.training.child import run_trial

        trial = self._waiting.popleft()

        def on_epoch(epoch: int, numbers: dict[str, float]) -> None:
            if self._on_epoch is not None:
                self._on_epoch(trial, epoch, numbers)

        return run_trial(
            trial,
            config=self._config,
            features_dir=self._features_dir,
            trial_dir=self._trials_dir / trial.trial_id,
            on_epoch=on_epoch,
        )

    def close(self) -> None:
        self._waiting.clear()
