"""Compares the true regrets of searchers after 25, 50, 100 and 200 trials.

The program runs every searcher on the recorded table and on analytic search
spaces, with many seeds. It reports the mean true regret of the recommended
points with its standard error, and compares `reinforce` with the best rival
seed by seed. It reports the same numbers for points that one common rule
recommends, and draws the regrets over the number of trials. Each finished
search is a line of `<output_dir>/contest.jsonl`. The same command continues an
interrupted contest. The searchers of other libraries need the extra `contest`.

  python -m benchmarks.searchers --output_dir=runs/contest

`--searchers=reinforce,random,evolution` selects searchers.
`--table_csv=FILE --problems=` runs searchers only on a table of your own.

On one core, a search of 200 trials takes a few seconds with the searchers of
this package and with Optuna's TPE. Such a search takes 30 s with Optuna's
Gaussian process, and 20 to 110 s with keras-tuner. 50 seeds on six problems
take 4 to 5 hours with keras-tuner.
"""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from audiotag_nas.command_line import command

if TYPE_CHECKING:
    from benchmarks.contest.results import TaskResult

_OUTPUT_DIR = flags.DEFINE_string(
    "output_dir",
    None,
    "Directory of the results and the report.",
    required=True,
)
_SEARCHERS = flags.DEFINE_list(
    "searchers", None, "Names of searchers, comma-separated (default: all)."
)
_PROBLEMS = flags.DEFINE_list(
    "problems", None, "Names of problems, comma-separated (default: all)."
)
_TABLE_CSV = flags.DEFINE_multi_string(
    "table_csv",
    [],
    "A CSV file that is an additional problem. It has one column per decision, "
    "the columns reward_1, reward_2, ... with the rewards of trials, and the "
    "column value with the true value. May be repeated.",
)
_SEEDS = flags.DEFINE_integer(
    "seeds", 50, "Number of searches per searcher and problem.", lower_bound=1
)
_TRIALS = flags.DEFINE_integer(
    "trials", 200, "Number of trials per search.", lower_bound=1
)
_WORKERS = flags.DEFINE_integer(
    "workers", os.cpu_count(), "Number of searches in parallel.", lower_bound=1
)
_REPORT_ONLY = flags.DEFINE_bool(
    "report_only",
    False,
    "Report the finished searches without running further searches.",
)


def main(argv: Sequence[str]) -> None:
    from audiotag_nas.errors import SearchError
    from audiotag_nas.experiment.progress import Progress, format_seconds
    from audiotag_nas.files import atomic_write_text
    from audiotag_nas.search.lock import driver_lock
    from benchmarks.contest import contest
    from benchmarks.contest.report import contest_report, plot_contest
    from benchmarks.contest.results import (
        ResultsFile,
        csv_digests,
        read_results,
    )

    output_dir = Path(_OUTPUT_DIR.value)
    results_path = output_dir / "contest.jsonl"
    searchers = _SEARCHERS.value or contest.SEARCHER_NAMES
    problems = contest.problem_names(_PROBLEMS.value, _TABLE_CSV.value)
    tasks = contest.make_tasks(
        problems,
        searchers,
        num_seeds=_SEEDS.value,
        num_trials=_TRIALS.value,
        digests=csv_digests(
            problems, read_results(results_path), report_only=_REPORT_ONLY.value
        ),
    )
    progress = Progress()

    def print_result(
        result: "TaskResult", num_done: int, num_total: int
    ) -> None:
        task = result.task
        progress.line(
            f"{num_done}/{num_total}  {task.problem} {task.searcher} "
            f"seed {task.seed}: regret {result.regrets[-1]:.4f}  "
            f"{format_seconds(progress.elapsed_seconds)}"
        )

    if not _REPORT_ONLY.value:
        # Wrong names and files are reported before any search runs.
        for problem in problems:
            note = contest.missing_points_note(contest.make_problem(problem, 0))
            if note:
                progress.line(note)
        for searcher in searchers:
            contest.check_searcher(searcher)
        with driver_lock(output_dir):
            contest.run_contest(
                tasks,
                ResultsFile(results_path),
                num_workers=_WORKERS.value or 1,
                on_result=print_result,
            )
    done = read_results(results_path)
    # The report names CSV files by the paths in the flags of this command.
    results = [
        dataclasses.replace(done[task], task=task)
        for task in tasks
        if task in done
    ]
    if not results:
        raise SearchError(
            f"{results_path}: none of the requested searches is finished."
        )
    progress.line(contest_report(results))
    report = contest_report(results, markdown=True) + "\n"
    atomic_write_text(output_dir / "contest.md", report)
    plot_contest(output_dir / "contest.png", results)
    progress.line(f"written: {output_dir}/contest.md and contest.png")


if __name__ == "__main__":
    command.run(main, interrupted=command.RESUMABLE)
