"""Tables and a picture of the contest's regrets."""

import os
import statistics
from collections.abc import Sequence

from audiotag_nas.report.tables import format_table
from benchmarks.contest.regret_plot import plot_regrets
from benchmarks.contest.regrets import OURS, Estimate, Regrets
from benchmarks.contest.results import TaskResult

_NO_RIVAL = "Left out: no other searcher took part."


def contest_report(
    results: Sequence[TaskResult], *, markdown: bool = False
) -> str:
    """Returns all tables of a contest, without a final newline.

    Args:
        results: results of one or more searches with equal numbers of trials.
        markdown: whether to write Markdown instead of plain text.
    """
    parts = []
    for common, title in (
        (False, "Each searcher's own recommendation"),
        (True, "Common recommendation rule"),
    ):
        regrets = Regrets(results, common=common)
        average = _average_name(regrets)
        parts.append(_heading(title, markdown, level=2))
        for problem in regrets.problems:
            parts.append(_heading(f"{problem}: true regret", markdown, level=3))
            parts.append(_regret_table(regrets, problem, markdown))
        title = f"{average}, random search = 1"
        parts.append(_heading(title, markdown, level=3))
        parts += _average_parts(regrets, markdown)
        if OURS in regrets.searchers:
            title = f"{OURS} against the best rival, paired by seed"
            parts.append(_heading(title, markdown, level=3))
            parts.append(_paired_table(regrets, markdown) or _NO_RIVAL)
            title = f"{OURS} against each other searcher, {average}"
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
    """Draws one panel per problem, and one for the average if it is defined."""
    regrets = Regrets(results)
    panels = {
        problem: _estimates(regrets, problem) for problem in regrets.problems
    }
    if regrets.has_average():
        panels[f"{_average_name(regrets)}, random search = 1"] = _estimates(
            regrets, None
        )
    curves = {
        title: {
            searcher: [(e.mean, e.error) for e in estimates]
            for searcher, estimates in panel.items()
        }
        for title, panel in panels.items()
    }
    plot_regrets(path, regrets.checkpoints, curves)


def _heading(text: str, markdown: bool, *, level: int) -> str:
    return f"{'#' * level} {text}" if markdown else text


def _average_name(regrets: Regrets) -> str:
    excluded = [p for p in regrets.problems if p not in regrets.averaged]
    suffix = f" without {', '.join(excluded)}" if excluded else ""
    return f"average of problems{suffix}"


def _average_parts(regrets: Regrets, markdown: bool) -> list[str]:
    """Returns the table of averages, and the reasons for missing values."""
    parts = []
    if regrets.has_average():
        parts.append(_regret_table(regrets, None, markdown))
    reasons = regrets.why_no_average()
    if reasons:
        mark = " (-)" if parts else ""
        parts.append(f"Left out{mark}: {'; '.join(reasons)}.")
    elif not parts:
        parts.append("Left out: no searcher has been run on every problem.")
    return parts


def _estimates(
    regrets: Regrets, problem: str | None
) -> dict[str, list[Estimate]]:
    """Returns each searcher's mean regrets, one per checkpoint.

    If `problem` is None, they are averages over problems.
    """
    return {
        searcher: [
            regrets.average(searcher, checkpoint)
            if problem is None
            else regrets.estimate(problem, searcher, checkpoint)
            for checkpoint in regrets.checkpoints
        ]
        for searcher in regrets.searchers
    }


def _regret_table(regrets: Regrets, problem: str | None, markdown: bool) -> str:
    rows = [
        [searcher, estimates[0].num_seeds, *estimates]
        for searcher, estimates in _estimates(regrets, problem).items()
    ]
    return format_table(
        rows,
        headers=["searcher", "seeds", *map(str, regrets.checkpoints)],
        markdown=markdown,
    )


def _paired_table(regrets: Regrets, markdown: bool) -> str:
    """Returns a table by problem and checkpoint; empty without rivals."""
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
            *("problem", "trials", "best rival"),
            *("ratio", "difference", "seeds"),
        ],
        align="lrlrrr",
        markdown=markdown,
    )


def _ratios_table(regrets: Regrets, markdown: bool) -> str:
    """Returns a table of ratios and paired differences, a row per searcher.

    Both compare averages over problems. Without averages, the text is empty.
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
        headers=["searcher", "seeds", *map(str, regrets.checkpoints)],
        markdown=markdown,
    )


def _cpu_table(results: Sequence[TaskResult], markdown: bool) -> str:
    """Returns a table of CPU times: per trial, and for the construction."""
    by_searcher: dict[str, list[TaskResult]] = {}
    for result in results:
        by_searcher.setdefault(result.task.searcher, []).append(result)
    rows = []
    for searcher, own in by_searcher.items():
        milliseconds = [1e3 * r.cpu_seconds / r.task.num_trials for r in own]
        rows.append(
            [
                searcher,
                own[0].library,
                f"{statistics.mean(milliseconds):.1f}",
                f"{max(milliseconds):.1f}",
                f"{max(r.start_cpu_seconds for r in own):.1f}",
            ]
        )
    return format_table(
        rows,
        headers=["searcher", "library", "ms/trial", "max", "start (s)"],
        align="llrrr",
        markdown=markdown,
    )
