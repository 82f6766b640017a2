"""A complete driver process for the kill tests: lock, journal, loop.

`python -m tests.search.driver WORKDIR SEARCHER MOMENT K BYTES` kills itself by
SIGKILL at the K-th training of this process, at a MOMENT: `training`, `writing`
(half of the line is in the file) or `learning` (the line is complete, the
searcher has not learned from it). BYTES limits the size of files, like a full
disk.
"""

import json
import os
import resource
import signal
import sys
import time
from pathlib import Path

from audiotag_nas.errors import UserError
from audiotag_nas.search import make_searcher
from audiotag_nas.search.events import TrialFinished
from audiotag_nas.search.journal import Journal
from audiotag_nas.search.lock import driver_lock
from audiotag_nas.search.loop import run_search
from audiotag_nas.space import Decision, SearchSpace
from audiotag_nas.trial import Trial, TrialResult
from tests.fakes import FakeRunner, fake_failure, fake_train, make_fake_trials

SPACE = SearchSpace(
    (
        Decision("filters", (8, 16, 32)),
        Decision("height", (1, 3, 5, 7)),
        Decision("units", (16, 64)),
    )
)
NUM_TRIALS = 15


def search(
    workdir: Path, name: str, *, moment: str = "", kill_at: int = 0
) -> dict:
    """Runs the search of `workdir` to its end and returns its outcome."""
    num_trained = 0

    def train(trial: Trial) -> TrialResult:
        nonlocal num_trained
        num_trained += 1
        with open(workdir / "trained.txt", "a") as file:
            file.write(f"{trial.trial_id}\n")
        if num_trained == kill_at:
            if moment == "training":
                os.kill(os.getpid(), signal.SIGKILL)
            if moment == "writing":
                _die_in_write()
        time.sleep(0.005)
        if sum(trial.tokens) == 4:
            return fake_failure(trial)
        return fake_train(trial)

    def on_event(event: object) -> None:
        if (
            moment == "learning"
            and isinstance(event, TrialFinished)
            and num_trained == kill_at
        ):
            os.kill(os.getpid(), signal.SIGKILL)

    workdir.mkdir(exist_ok=True)
    with driver_lock(workdir):
        outcome = run_search(
            make_searcher(name, SPACE, seed=3),
            FakeRunner(train),
            Journal(workdir / "trials.jsonl"),
            stage="search",
            num_trials=NUM_TRIALS,
            trials_per_round=4,
            make_trial=make_fake_trials(SPACE),
            failure_reward=0.0,
            on_event=on_event,
        )
    return {
        "trials": [trial.to_json() for trial in outcome.trials],
        "rewards": [result.reward for result in outcome.results],
        "best": outcome.best_trial.trial_id,
        "recommendation": outcome.recommendation,
    }


def _die_in_write() -> None:
    """Makes the next write kill the process halfway."""
    write = os.write

    def write_half(file: int, data: bytes) -> int:
        write(file, data[: len(data) // 2])
        os.kill(os.getpid(), signal.SIGKILL)
        return 0

    os.write = write_half


def main() -> None:
    workdir, name, moment, kill_at, num_bytes = sys.argv[1:]
    if int(num_bytes):
        resource.setrlimit(
            resource.RLIMIT_FSIZE, (int(num_bytes), int(num_bytes))
        )
    try:
        outcome = search(
            Path(workdir), name, moment=moment, kill_at=int(kill_at)
        )
    except UserError as error:
        sys.exit(f"error: {error}")
    print(json.dumps(outcome))


if __name__ == "__main__":
    main()
