"""Trials with learning curves, and a parallel driver with early stopping.

`python -m tests.search.early_stop_driver WORKDIR NUM_WORKERS` is a complete
driver with worker processes, for the kill test. It prints the outcome as JSON.
"""

import json
import random
import sys
import time
from pathlib import Path

from audiotag_nas.config import ExperimentConfig
from audiotag_nas.runners.process_runner import ProcessRunner
from audiotag_nas.search.early_stopping import CurveStopper, EarlyStopper
from audiotag_nas.search.events import SearchOutcome
from audiotag_nas.search.journal import Journal
from audiotag_nas.search.lock import driver_lock
from audiotag_nas.search.loop import run_search
from audiotag_nas.space import Decision, SearchSpace
from audiotag_nas.trial import Trial, TrialResult, TrialStatus, is_stopped
from tests.fakes import HashSearcher, fake_reward, make_fake_trials
from tests.search.parallel_driver import plain

NUM_EPOCHS = 8
ARGUMENTS = {
    "stage": "search",
    "num_trials": 60,
    "trials_per_round": 4,
    "failure_reward": 0.0,
    "max_open_rounds": 2,
}
SPACE = SearchSpace(
    tuple(Decision(f"block{number}", (8, 16, 32)) for number in range(6))
)


def make_stopper() -> EarlyStopper:
    return CurveStopper(num_epochs=NUM_EPOCHS, min_trials=6)


def num_begun(workdir: Path) -> int:
    """The number of trainings begun in `workdir` by all drivers so far."""
    paths = (workdir / "trials").glob("*/begun.txt")
    return sum(path.read_bytes().count(b"\n") for path in paths)


def curve_train(trial: Trial) -> TrialResult:
    """Returns a curve to `fake_reward`, with more noise at early epochs."""
    noise = random.Random(repr(trial.tokens))
    final, quality = fake_reward(trial.tokens), []
    metrics = {}
    for epoch in range(1, NUM_EPOCHS + 1):
        left = 1 - epoch / NUM_EPOCHS
        quality.append(final - 0.3 * left + noise.gauss(0, 0.1 * left))
        if epoch < NUM_EPOCHS and is_stopped(
            trial.stop_rule, epoch, quality[-1]
        ):
            metrics["stopped_epoch"] = epoch
            break
    return TrialResult(
        trial_id=trial.trial_id,
        status=TrialStatus.COMPLETED,
        reward=quality[-1],
        metrics=metrics,
        history={"quality": quality},
    )


def run_trial(
    trial: Trial, *, config, features_dir, trial_dir: Path, on_epoch
) -> TrialResult:
    """The training function of a runner, `curve_train` of random duration."""
    trial_dir.mkdir(parents=True, exist_ok=True)
    with open(trial_dir / "begun.txt", "a") as file:
        file.write("1\n")
    time.sleep(random.Random(trial.seed).uniform(0, 0.06))
    return curve_train(trial)


def search(workdir: Path, *, num_workers: int) -> SearchOutcome:
    """Runs the search of `workdir` to its end."""
    workdir.mkdir(exist_ok=True)
    runner = ProcessRunner(
        ExperimentConfig(),
        features_dir=workdir,
        trials_dir=workdir / "trials",
        num_workers=num_workers,
        target=f"{run_trial.__module__}:run_trial",
    )
    try:
        with driver_lock(workdir):
            return run_search(
                HashSearcher(SPACE),
                runner,
                Journal(workdir / "trials.jsonl"),
                make_trial=make_fake_trials(SPACE),
                early_stopper=make_stopper(),
                **ARGUMENTS,
            )
    finally:
        runner.close()


def main() -> None:
    workdir, num_workers = sys.argv[1:]
    outcome = search(Path(workdir), num_workers=int(num_workers))
    print(json.dumps(plain(outcome)))


if __name__ == "__main__":
    # Imported by name, so that workers can import it too.
    from tests.search import early_stop_driver

    early_stop_driver.main()
