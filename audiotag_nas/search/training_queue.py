"""The queue of trials that wait for a runner, and the runner's utilization."""

import collections
import time
from collections.abc import Callable

from audiotag_nas.trial import Trial, TrialResult, TrialRunner


class TrainingQueue:
    """Submits trials in their order and keeps all slots of the runner busy.

    Each slot can run one trial at a time.

    Args:
        runner: the runner of the trials.
        on_start: a function that is called with each submitted trial.
    """

    def __init__(
        self, runner: TrialRunner, on_start: Callable[[Trial], None]
    ) -> None:
        self._runner = runner
        self._on_start = on_start
        self._waiting: collections.deque[Trial] = collections.deque()
        self._running: dict[str, Trial] = {}
        self._started: float | None = None
        self._ended = 0.0
        self._busy_seconds = 0.0

    def add(self, trial: Trial) -> None:
        self._waiting.append(trial)

    def next_result(self) -> tuple[Trial, TrialResult]:
        """Waits until a trial ends; at least one must wait or run."""
        self._fill()
        result = self._runner.next_result()
        if result.trial_id not in self._running:
            raise RuntimeError(
                f"the runner returned a result of {result.trial_id}, which "
                f"is not running. Running: {sorted(self._running)}"
            )
        trial = self._running.pop(result.trial_id)
        self._busy_seconds += result.seconds
        self._ended = time.monotonic()
        # The next trial is submitted before the caller writes this result, so
        # that no worker waits for the disk.
        self._fill()
        return trial, result

    @property
    def utilization(self) -> float | None:
        """The fraction of the slots' time spent training; None at first."""
        if self._started is None or self._ended <= self._started:
            return None
        slots = self._num_slots * (self._ended - self._started)
        return self._busy_seconds / slots

    @property
    def _num_slots(self) -> int:
        return max(1, self._runner.num_slots)

    def _fill(self) -> None:
        if self._waiting and self._started is None:
            self._started = time.monotonic()
        while self._waiting and len(self._running) < self._num_slots:
            trial = self._waiting.popleft()
            self._running[trial.trial_id] = trial
            self._runner.submit(trial)
            self._on_start(trial)
