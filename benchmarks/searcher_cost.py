"""Measures the CPU time of the searchers alone, without trainings.

The program runs searchers on the paper's search space (21 decisions), with
synthetic rewards in batches of 4. For each searcher, it prints the CPU seconds
until the end of the first batch. It also prints the CPU milliseconds of `ask`
and `tell` per trial at 52, 100 and 200 trials (medians of ten batches).

  python -m benchmarks.searcher_cost

The program takes one minute.
"""

import statistics
import time
from collections.abc import Sequence

from absl import flags

from audiotag_nas.command_line import command

_SEARCHERS = flags.DEFINE_list(
    "searchers",
    ["reinforce", "reinforce_plain", "gaussian_process"],
    "Names of searchers, comma-separated.",
)
_CHECKPOINTS = (52, 100, 200)
_BATCH = 4


def main(argv: Sequence[str]) -> None:
    import numpy as np

    from audiotag_nas.architecture import conv_space
    from audiotag_nas.search import make_searcher
    from benchmarks.contest.problems import sum_of_effects

    print(f"{'searcher':<18}{'start s':>9}", end="")
    print("".join(f"{f'at {n}, ms':>12}" for n in _CHECKPOINTS))
    for name in _SEARCHERS.value:
        space = conv_space()
        generator = np.random.default_rng(0)
        effects = [generator.normal(size=n) for n in space.num_choices]
        started = time.process_time()
        searcher = make_searcher(name, space, seed=0)
        seconds: list[float] = []
        for _ in range(max(_CHECKPOINTS) // _BATCH):
            before = time.process_time()
            asked = searcher.ask(_BATCH)
            rewards = [
                sum_of_effects(effects, tokens) + generator.normal()
                for tokens in asked
            ]
            searcher.tell(asked, rewards)
            if not seconds:
                print(
                    f"{name:<18}{time.process_time() - started:>9.2f}", end=""
                )
            seconds.append((time.process_time() - before) / _BATCH)
        for checkpoint in _CHECKPOINTS:
            last = seconds[: checkpoint // _BATCH][-10:]
            print(f"{1e3 * statistics.median(last):>12.1f}", end="")
        print(flush=True)


if __name__ == "__main__":
    command.run(main)
