"""The contest as tables and a picture, of the numbers of `contest_regrets`."""

import os
import statistics
from collections.abc import Sequence

from audiotag_nas.report.tables import format_table
from benchmarks.contest.regret_plot import plot_regrets
from benchmarks.contest.regrets import OURS, Regrets
from benchmarks.contest.results import TaskResult

AVERAGE_OF = "average of problems"
AVERAGE = f"{AVERAGE_OF}, random search = 1"
_NO_RIVAL = "Left out: no other searcher took part."


def contest_report(
    results: Sequence[TaskResult], *, markdown: bool = False
) -> str:
    """All tables of a contest, without a newline at the end.

    Args:
        results: of one number of children, at least one.
        markdown: Markdown rather than plain text.
    """
    parts = []
    for alike, title in (
        (False, "Each searcher's own recommendation"),
        (True, "All recommending alike"),
    ):
        regrets = Regrets(results, alike=alike)
        parts.append(_heading(title, markdown, level=2))
        for problem in regrets.problems:
            parts.append(_heading(f"{problem}: true regret", markdown, level=3))
            parts.append(_regret_table(regrets, problem, markdown))
        parts.append(_heading(AVERAGE, markdown, level=3))
        parts += _average_parts(regrets, markdown)
        if OURS in regrets.searchers:
            title = f"{OURS} and the best rival, seed by seed"
            parts.append(_heading(title, markdown, level=3))
            parts.append(_paired_table(regrets, markdown) or _NO_RIVAL)
            title = f"{OURS} over each other one, {AVERAGE_OF}"
            ratios = _ratios_table(regrets, markdown)
            if ratios:
                parts.append(_heading(title, markdown, level=3))
                parts.append(ratios)
    parts.append(_heading("CPU time", markdown, level=2))
    parts.append(_cpu_table(results, markdown))
    return "\n\n".join(parts)


def plot_contest(
    path: str | os.PathLike, results: Sequence[TaskResult]
) -> None:
    """One panel a problem and one of the average if there is one, as PNG."""
    regrets = Regrets(results)
    panels = {
        problem: {
            searcher: [
                (e.mean, e.error)
                for e in (
                    regrets.estimate(problem, searcher, checkpoint)
                    for checkpoint in regrets.checkpoints
                )
            ]
            for searcher in regrets.searchers
        }
        for problem in regrets.problems
    }
    if regrets.has_average():
        panels[AVERAGE] = {
            searcher: [
                (e.mean, e.error)
                for e in (
                    regrets.scaled(searcher, checkpoint)
                    for checkpoint in regrets.checkpoints
                )
            ]
            for searcher in regrets.searchers
        }
    plot_regrets(path, regrets.checkpoints, panels)


def _heading(text: str, markdown: bool, *, level: int) -> str:
    return f"{'#' * level} {text}" if markdown else text


def _average_parts(regrets: Regrets, markdown: bool) -> list[str]:
    """The table over problems as far as there is one, and why not beyond."""
    parts = []
    if regrets.has_average():
        parts.append(_regret_table(regrets, None, markdown))
    lacks = regrets.lacks()
    if lacks:
        parts.append(f"Left out{' (-)' if parts else ''}: {'; '.join(lacks)}.")
    elif not parts:
        parts.append("Left out: no searcher has been run on every problem.")
    return parts


def _regret_table(regrets: Regrets, problem: str | None, markdown: bool) -> str:
    rows = []
    for searcher in regrets.searchers:
        estimates = [
            regrets.scaled(searcher, checkpoint)
            if problem is None
            else regrets.estimate(problem, searcher, checkpoint)
            for checkpoint in regrets.checkpoints
        ]
        rows.append([searcher, estimates[0].num_seeds, *estimates])
    return format_table(
        rows,
        headers=["searcher", "seeds", *map(str, regrets.checkpoints)],
        markdown=markdown,
    )


def _paired_table(regrets: Regrets, markdown: bool) -> str:
    """A row a problem and checkpoint; empty without rivals."""
    rows = []
    for problem in (*regrets.problems, None):
        for checkpoint in regrets.checkpoints:
            rival = regrets.best_rival(problem, checkpoint)
            if rival is None:
                continue
            pair = regrets.paired(problem, rival, checkpoint)
            rows.append(
                [
                    "average" if problem is None else problem,
                    checkpoint,
                    rival,
                    pair.ratio_text,
                    pair.difference,
                    pair.difference.num_seeds,
                ]
            )
    if not rows:
        return ""
    return format_table(
        rows,
        headers=[
            *("problem", "children", "best rival"),
            *("ratio", "difference", "seeds"),
        ],
        align="lrlrrr",
        markdown=markdown,
    )


def _ratios_table(regrets: Regrets, markdown: bool) -> str:
    """Ratio and paired difference of the average, one row a searcher.

    Empty where there is none.
    """
    rows = []
    for searcher in regrets.searchers:
        if searcher == OURS:
            continue
        pairs = [
            regrets.paired(None, searcher, checkpoint)
            for checkpoint in regrets.checkpoints
        ]
        num_seeds = max(pair.difference.num_seeds for pair in pairs)
        if num_seeds:
            cells = [
                f"{pair.ratio_text} ({pair.difference})"
                if pair.difference.num_seeds
                else "-"
                for pair in pairs
            ]
            rows.append([searcher, num_seeds, *cells])
    if not rows:
        return ""
    return format_table(
        rows,
        headers=["over", "seeds", *map(str, regrets.checkpoints)],
        markdown=markdown,
    )


def _cpu_table(results: Sequence[TaskResult], markdown: bool) -> str:
    """Seconds of ask and tell a child, and of the start, mean and greatest."""
    by_searcher: dict[str, list[TaskResult]] = {}
    for result in results:
        by_searcher.setdefault(result.task.searcher, []).append(result)
    rows = []
    for searcher, of_one in by_searcher.items():
        millis = [1e3 * r.cpu_seconds / r.task.num_children for r in of_one]
        rows.append(
            [
                searcher,
                of_one[0].library,
                f"{statistics.mean(millis):.1f}",
                f"{max(millis):.1f}",
                f"{max(r.start_cpu_seconds for r in of_one):.1f}",
            ]
        )
    return format_table(
        rows,
        headers=["searcher", "library", "ms/child", "most", "start (s)"],
        align="llrrr",
        markdown=markdown,
    )
