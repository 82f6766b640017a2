"""A complete driver with worker processes, for the kill tests.

`python -m tests.search.parallel_driver WORKDIR NUM_WORKERS` searches with two
open rounds and trainings of very different durations. It prints the outcome as
JSON.
"""

import dataclasses
import json
import random
import sys
from pathlib import Path

from audiotag_nas.config import ExperimentConfig
from audiotag_nas.runners.process_runner import ProcessRunner
from audiotag_nas.search.events import SearchOutcome
from audiotag_nas.search.journal import Journal
from audiotag_nas.search.lock import driver_lock
from audiotag_nas.search.loop import run_search
from audiotag_nas.space import Decision, SearchSpace, Tokens
from audiotag_nas.trial import Trial
from tests.fake_trainings import TARGET
from tests.fakes import HashSearcher, make_fake_trials

SPACE = SearchSpace(
    tuple(Decision(f"block{number}", (8, 16, 32)) for number in range(6))
)
NUM_TRIALS = 240


def search(
    workdir: Path,
    *,
    num_workers: int,
    num_trials: int = NUM_TRIALS,
    max_open_rounds: int = 2,
    mean_seconds: float = 0.05,
    warm_up: bool = False,
) -> SearchOutcome:
    """Runs the search of `workdir` to its end."""
    make_plain = make_fake_trials(SPACE)

    def make_trial(number: int, round_number: int, tokens: Tokens) -> Trial:
        # 5 % of the trainings take more than three times the median.
        generator = random.Random(1000 + number)
        seconds = mean_seconds * generator.lognormvariate(-0.245, 0.7)
        return dataclasses.replace(
            make_plain(number, round_number, tokens),
            hparams={"do": "sleep", "seconds": seconds},
        )

    workdir.mkdir(exist_ok=True)
    runner = ProcessRunner(
        ExperimentConfig(),
        features_dir=workdir,
        trials_dir=workdir / "trials",
        num_workers=num_workers,
        target=TARGET,
    )
    try:
        if warm_up:
            for number in range(num_workers):
                trial = make_trial(0, 0, (0,) * 6)
                hparams = {"do": "meet", "num": num_workers}
                name = f"warm-up{number}"
                runner.submit(
                    dataclasses.replace(trial, trial_id=name, hparams=hparams)
                )
            for _ in range(num_workers):
                runner.next_result()
        with driver_lock(workdir):
            return run_search(
                HashSearcher(SPACE),
                runner,
                Journal(workdir / "trials.jsonl"),
                stage="search",
                num_trials=num_trials,
                trials_per_round=4,
                make_trial=make_trial,
                failure_reward=0.0,
                max_open_rounds=max_open_rounds,
            )
    finally:
        runner.close()


def plain(outcome: SearchOutcome) -> dict:
    """The parts of an outcome that are the same in every run."""
    value = {
        "trials": [trial.to_json() for trial in outcome.trials],
        "rewards": [result.reward for result in outcome.results],
        "best": outcome.best_trial.trial_id,
        "recommendation": outcome.recommendation,
    }
    return json.loads(json.dumps(value))


def main() -> None:
    workdir, num_workers = sys.argv[1:]
    outcome = search(Path(workdir), num_workers=int(num_workers))
    print(json.dumps(plain(outcome)))


if __name__ == "__main__":
    main()
