"""The contest in numbers: regrets, what random search makes of them, pairs.

A problem's regrets are compared as they are; over problems they are averaged
after division by random search's mean regret on that problem at the same
number of children. Errors are standard errors of the mean over seeds, those
of random search's scale left out.
"""

import dataclasses
import math
import os
import statistics
from collections.abc import Iterable, Sequence

from audiotag_nas.benchmarks.contest_results import ABLATION, TaskResult
from audiotag_nas.report.plots import plot_regrets
from audiotag_nas.report.tables import format_table

OURS = "reinforce"
YARDSTICK = "random"
AVERAGE_OF = "average of problems"
AVERAGE = f"{AVERAGE_OF}, random search = 1"


@dataclasses.dataclass(frozen=True)
class Pair:
    """Ours against a rival, on the seeds that both have done.

    Attributes:
        ratio: our mean regret over the rival's; NaN where that is 0.
        difference: ours minus the rival's, seed by seed.
    """

    ratio: float
    difference: "Estimate"


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A mean over seeds and its standard error (NaN for one seed)."""

    mean: float
    error: float
    num_seeds: int

    @classmethod
    def of(cls, values: Sequence[float]) -> "Estimate":
        num = len(values)
        error = math.nan
        if num > 1:
            error = statistics.stdev(values) / math.sqrt(num)
        mean = math.fsum(values) / num if num else math.nan
        return cls(mean, error, num)

    def __str__(self) -> str:
        error = "" if math.isnan(self.error) else f" ± {self.error:.4f}"
        return f"{self.mean:.4f}{error}"


class Regrets:
    """The regrets of a contest, by problem, searcher and seed.

    Args:
        results: of one number of children.
        alike: those of the common rule of recommending, not each one's own.

    Attributes:
        problems, searchers: in the order of their first result.
        checkpoints: numbers of children.
    """

    def __init__(
        self, results: Iterable[TaskResult], *, alike: bool = False
    ) -> None:
        self.problems: list[str] = []
        self.searchers: list[str] = []
        self.checkpoints: tuple[int, ...] = ()
        self._values: dict[tuple[str, str], dict[int, tuple[float, ...]]] = {}
        for result in results:
            task = result.task
            if task.problem not in self.problems:
                self.problems.append(task.problem)
            if task.searcher not in self.searchers:
                self.searchers.append(task.searcher)
            self.checkpoints = task.checkpoints
            of_pair = self._values.setdefault((task.problem, task.searcher), {})
            of_pair[task.seed] = result.alike if alike else result.regrets

    def by_seed(
        self, problem: str, searcher: str, checkpoint: int
    ) -> dict[int, float]:
        """The regret of each seed that is done."""
        index = self.checkpoints.index(checkpoint)
        of_pair = self._values.get((problem, searcher), {})
        return {seed: values[index] for seed, values in of_pair.items()}

    def estimate(
        self, problem: str, searcher: str, checkpoint: int
    ) -> Estimate:
        values = self.by_seed(problem, searcher, checkpoint).values()
        return Estimate.of(list(values))

    def scale(self, problem: str, checkpoint: int) -> float:
        """Random search's mean regret; NaN where it has none."""
        scale = self.estimate(problem, YARDSTICK, checkpoint).mean
        return scale if scale > 0 else math.nan

    def scaled(self, searcher: str, checkpoint: int) -> Estimate:
        """The average over problems; NaN if one is missing."""
        parts = [
            (
                self.estimate(problem, searcher, checkpoint),
                self.scale(problem, checkpoint),
            )
            for problem in self.problems
        ]
        num = len(parts)
        return Estimate(
            mean=math.fsum(e.mean / scale for e, scale in parts) / num,
            error=math.hypot(*(e.error / scale for e, scale in parts)) / num,
            num_seeds=min(e.num_seeds for e, _ in parts),
        )

    def best_rival(self, problem: str | None, checkpoint: int) -> str | None:
        """Of the others' searchers the best, on one problem or over all."""
        means = {}
        for searcher in self.searchers:
            if searcher in (OURS, ABLATION):
                continue
            mean = (
                self.scaled(searcher, checkpoint)
                if problem is None
                else self.estimate(problem, searcher, checkpoint)
            ).mean
            if not math.isnan(mean):
                means[searcher] = mean
        return min(means, key=means.__getitem__, default=None)

    def paired(self, problem: str | None, rival: str, checkpoint: int) -> Pair:
        """Ours against a rival's, seed by seed.

        Over all problems (None), a seed's regret is the average of those of
        its problems, each in units of random search's regret; without that
        there are no pairs.
        """
        problems = self.problems if problem is None else [problem]
        units = {
            name: self.scale(name, checkpoint) if problem is None else 1.0
            for name in problems
        }
        sides = [
            {name: self.by_seed(name, side, checkpoint) for name in problems}
            for side in (OURS, rival)
        ]
        seeds = sorted(
            set.intersection(
                *(set(regrets) for side in sides for regrets in side.values())
            )
        )
        if any(math.isnan(unit) for unit in units.values()):
            seeds = []
        ours, theirs = (
            [
                math.fsum(side[name][seed] / units[name] for name in problems)
                / len(problems)
                for seed in seeds
            ]
            for side in sides
        )
        total = math.fsum(theirs)
        return Pair(
            ratio=math.fsum(ours) / total if total else math.nan,
            difference=Estimate.of(
                [a - b for a, b in zip(ours, theirs, strict=True)]
            ),
        )


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
        parts.append(_regret_table(regrets, None, markdown))
        if OURS in regrets.searchers:
            title = f"{OURS} and the best rival, seed by seed"
            parts.append(_heading(title, markdown, level=3))
            parts.append(_paired_table(regrets, markdown))
            title = f"{OURS} over each other one, {AVERAGE_OF}"
            parts.append(_heading(title, markdown, level=3))
            parts.append(_ratios_table(regrets, markdown))
    parts.append(_heading("CPU time", markdown, level=2))
    parts.append(_cpu_table(results, markdown))
    return "\n\n".join(parts)


def plot_contest(
    path: str | os.PathLike, results: Sequence[TaskResult]
) -> None:
    """One panel a problem and one of the average, as PNG."""
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
                    "-" if math.isnan(pair.ratio) else f"{pair.ratio:.2f}",
                    pair.difference,
                    pair.difference.num_seeds,
                ]
            )
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
    """Ratio and paired difference of the average, one row a searcher."""
    rows = []
    for searcher in regrets.searchers:
        if searcher == OURS:
            continue
        pairs = [
            regrets.paired(None, searcher, checkpoint)
            for checkpoint in regrets.checkpoints
        ]
        num_seeds = pairs[0].difference.num_seeds
        if num_seeds:
            cells = [f"{p.ratio:.2f} ({p.difference})" for p in pairs]
            rows.append([searcher, num_seeds, *cells])
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
