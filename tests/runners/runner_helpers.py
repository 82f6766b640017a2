"""Helpers of the runners' tests."""

import time
from collections.abc import Callable
from pathlib import Path

from audiotag_nas.trial import Trial, TrialResult, TrialRunner


def run_trials(runner: TrialRunner, *trials: Trial) -> dict[str, TrialResult]:
    """Returns a dictionary: trial id -> result."""
    for trial in trials:
        runner.submit(trial)
    results = [runner.next_result() for _ in trials]
    return {result.trial_id: result for result in results}


class BusyDriver:
    """An `on_epoch` whose first call takes long.

    Attributes:
        heard: pair (trial id, epoch) of each call.
    """

    def __init__(self, seconds: float) -> None:
        self.heard: list[tuple[str, int]] = []
        self._seconds = seconds

    def __call__(
        self, trial: Trial, epoch: int, numbers: dict[str, float]
    ) -> None:
        if not self.heard:
            time.sleep(self._seconds)
        self.heard.append((trial.trial_id, epoch))


def is_running(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def wait_until(holds: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)
