"""The searchers' contest: who recommends the best network after 25 to 200?

Runs every searcher on the recorded table and on analytic token spaces, each
with many seeds, and prints the mean true regret of the recommended point with
its standard error, a paired comparison of `reinforce` with the best rival,
and the same with one way of recommending for all; draws the curves. A
finished search is a line of `<output_dir>/contest.jsonl`; stopped at any
point, the same command goes on. Needs the extra `contest` for the searchers
of other libraries.

  python -m benchmarks.searchers --output_dir=runs/contest

Time: a search of 200 children costs at most some seconds of one core with the
light searchers and Optuna's TPE, 30 s with Optuna's Gaussian process and 20 to
110 s with keras-tuner; all 50 seeds of it on six problems 4 to 5 hours of one
core. `--searchers=reinforce,random,evolution` compares those alone, and
`--table_csv=FILE --problems=` on a table of your own.
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
    "output_dir", None, "Where results and report go.", required=True
)
_SEARCHERS = flags.DEFINE_list(
    "searchers", None, "Names, comma-separated; all if not given."
)
_PROBLEMS = flags.DEFINE_list(
    "problems", None, "Names, comma-separated; all if not given."
)
_TABLE_CSV = flags.DEFINE_multi_string(
    "table_csv",
    [],
    "A CSV file that is one more problem: one column a decision, reward_1, "
    "reward_2, ... of each training, and value, the truth. May be repeated.",
)
_SEEDS = flags.DEFINE_integer("seeds", 50, "Searches each.", lower_bound=1)
_CHILDREN = flags.DEFINE_integer(
    "children", 200, "Trainings of a search.", lower_bound=1
)
_WORKERS = flags.DEFINE_integer(
    "workers", os.cpu_count(), "Searches side by side.", lower_bound=1
)
_REPORT_ONLY = flags.DEFINE_bool(
    "report_only", False, "Report on what is done, and run nothing."
)


def main(argv: Sequence[str]) -> None:
    from audiotag_nas.errors import SearchError
    from audiotag_nas.experiment.progress import Progress, format_seconds
    from audiotag_nas.files import atomic_write_text
    from audiotag_nas.search.lock import driver_lock
    from benchmarks.contest import contest
    from benchmarks.contest.report import (
        contest_report,
        plot_contest,
    )
    from benchmarks.contest.results import (
        ResultsFile,
        csv_digests,
        read_results,
    )

    output_dir = Path(_OUTPUT_DIR.value)
    results_path = output_dir / "contest.jsonl"
    searchers = _SEARCHERS.value or contest.CONTESTANTS
    problems = contest.problem_names(_PROBLEMS.value, _TABLE_CSV.value)
    tasks = contest.make_tasks(
        problems,
        searchers,
        num_seeds=_SEEDS.value,
        num_children=_CHILDREN.value,
        digests=csv_digests(
            problems,
            read_results(results_path),
            report_only=_REPORT_ONLY.value,
        ),
    )
    progress = Progress()

    def tell(result: "TaskResult", num_done: int, num_total: int) -> None:
        task = result.task
        progress.line(
            f"{num_done}/{num_total}  {task.problem} {task.searcher} "
            f"seed {task.seed}: regret {result.regrets[-1]:.4f}  "
            f"{format_seconds(progress.elapsed_seconds)}"
        )

    if not _REPORT_ONLY.value:
        # What is wrong with a name or a file is told before anything runs.
        for problem in problems:
            holes = contest.holes_words(contest.make_problem(problem, 0))
            if holes:
                progress.line(holes)
        for searcher in searchers:
            contest.check_contestant(searcher)
        with driver_lock(output_dir):
            contest.run_contest(
                tasks,
                ResultsFile(results_path),
                num_workers=_WORKERS.value or 1,
                on_result=tell,
            )
    done = read_results(results_path)
    # A CSV file is called as it is now, whatever it was when it was run.
    results = [
        dataclasses.replace(done[task], task=task)
        for task in tasks
        if task in done
    ]
    if not results:
        raise SearchError(f"{results_path}: none of these searches is done.")
    progress.line(contest_report(results))
    report = contest_report(results, markdown=True) + "\n"
    atomic_write_text(output_dir / "contest.md", report)
    plot_contest(output_dir / "contest.png", results)
    progress.line(f"written: {output_dir}/contest.md and contest.png")


if __name__ == "__main__":
    command.run(main, interrupted=command.RESUMABLE)
