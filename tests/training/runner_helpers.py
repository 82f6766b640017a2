"""What the runners' tests do alike."""

import time
from collections.abc import Callable
from pathlib import Path

from audiotag_nas.trial import Trial, TrialResult, TrialRunner


def run_trials(runner: TrialRunner, *trials: Trial) -> dict[str, TrialResult]:
    """The results by the trials' ids."""
    for trial in trials:
        runner.submit(trial)
    results = [runner.next_result() for _ in trials]
    return {result.trial_id: result for result in results}


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
