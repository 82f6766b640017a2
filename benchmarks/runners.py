"""Compares the throughput of the runners.

Each runner first runs a few trials to warm up. Then the runners alternate for
several turns, so that other load on the machine affects all runners. In every
turn, a runner runs the same trials. The table has the medians over the turns.

  python -m benchmarks.runners --config=demo --workdir=/tmp/benchmark
"""

import dataclasses
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from audiotag_nas.command_line import command, experiment_flags

if TYPE_CHECKING:
    from audiotag_nas.trial import Trial, TrialRunner

_EXPERIMENT = experiment_flags.define_experiment_flags()
_RUNNERS = flags.DEFINE_list(
    "runners",
    ["in_process", "process", "ray"],
    "Names of runners, comma-separated. Ratios are relative to the first "
    "runner. Ray is started on this machine.",
)
_WORKERS = flags.DEFINE_integer(
    "workers",
    2,
    "Number of workers of each runner except in_process.",
    lower_bound=1,
)
_NUM_TRIALS = flags.DEFINE_integer(
    "num_trials", 6, "Number of trials per turn.", lower_bound=1
)
_NUM_TURNS = flags.DEFINE_integer(
    "turns", 3, "Number of turns per runner.", lower_bound=1
)


@dataclasses.dataclass(frozen=True)
class Turn:
    """A runner's throughput in one turn, and the busy share of its workers."""

    trials_per_minute: float
    utilization: float


def main(argv: Sequence[str]) -> None:
    config = _EXPERIMENT.config
    from audiotag_nas.experiment import stages
    from audiotag_nas.experiment.tuner import ArchitectureTuner
    from audiotag_nas.runners.factory import make_runner
    from audiotag_nas.runners.settings import RunnerSettings
    from audiotag_nas.search import make_searcher
    from audiotag_nas.training import strategy

    strategy.use_threads(config.threads_per_trial)
    tuner = ArchitectureTuner(config, workdir=_EXPERIMENT.workdir)
    tuner.prepare()
    space = config.search.space()
    asked = make_searcher("random", space, seed=config.seed)
    trials = [
        stages.search_trial(config, number, 0, tokens)
        for number, tokens in enumerate(asked.ask(_NUM_TRIALS.value))
    ]
    with tempfile.TemporaryDirectory() as trials_dir:
        runners: dict[str, TrialRunner] = {}
        try:
            for name in _RUNNERS.value:
                num_workers = 1 if name == "in_process" else _WORKERS.value
                runners[name] = make_runner(
                    RunnerSettings(
                        name,
                        num_workers=num_workers,
                        ray_address="local" if name == "ray" else None,
                    ),
                    config,
                    features_dir=tuner.workspace.features_dir,
                    trials_dir=Path(trials_dir) / name,
                )
                _run_turn(runners[name], trials[: runners[name].num_slots])
            turns: dict[str, list[Turn]] = {name: [] for name in runners}
            for _ in range(_NUM_TURNS.value):
                for name, runner in runners.items():
                    turns[name].append(_run_turn(runner, trials))
        finally:
            for runner in runners.values():
                runner.close()
    _print_table(turns, {name: r.num_slots for name, r in runners.items()})


def _run_turn(runner: "TrialRunner", trials: "Sequence[Trial]") -> Turn:
    """Runs all trials and measures the time.

    Raises:
        SearchError: a trial failed, so the time would be meaningless.
    """
    from audiotag_nas.errors import SearchError

    started = time.monotonic()
    for trial in trials:
        runner.submit(trial)
    results = [runner.next_result() for _ in trials]
    seconds = time.monotonic() - started
    for result in results:
        if result.reason:
            raise SearchError(f"{result.trial_id} failed: {result.reason}")
    busy = sum(result.seconds for result in results)
    return Turn(
        trials_per_minute=60 * len(trials) / seconds,
        utilization=busy / (seconds * runner.num_slots),
    )


def _print_table(
    turns: dict[str, list[Turn]], num_slots: dict[str, int]
) -> None:
    print("runner      workers  trials/min (min-max)     ratio   busy")
    first = None
    for name, own in turns.items():
        rates = [each.trials_per_minute for each in own]
        median = statistics.median(rates)
        first = median if first is None else first
        spread = f"({min(rates):.2f}-{max(rates):.2f})"
        busy = statistics.median(each.utilization for each in own)
        print(
            f"{name:<10}  {num_slots[name]:>7}  {median:>9.2f} {spread:<14}"
            f"  {median / first:>5.2f}  {busy:>5.0%}"
        )


if __name__ == "__main__":
    command.run(main)
