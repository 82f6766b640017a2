"""The contest in numbers: regrets, what random search makes of them, pairs.

A problem's regrets are compared as they are; over problems they are averaged
after division by random search's mean regret on that problem at the same
number of children. Errors are standard errors of the mean over seeds, those
of random search's scale left out.
"""

import dataclasses
import math
import statistics
from collections.abc import Iterable, Sequence

from benchmarks.contest.results import ABLATION, TaskResult

OURS = "reinforce"
YARDSTICK = "random"


@dataclasses.dataclass(frozen=True)
class Pair:
    """Ours against a rival, on the seeds that both have done.

    Attributes:
        ratio: our mean regret over the rival's; NaN where that is 0.
        difference: ours minus the rival's, seed by seed.
    """

    ratio: float
    difference: "Estimate"

    @property
    def ratio_text(self) -> str:
        """The ratio, or `-` where there is none."""
        return "-" if math.isnan(self.ratio) else f"{self.ratio:.2f}"


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A mean over seeds and its standard error (NaN for one seed).

    The mean of no seeds is NaN, and `-` as text.
    """

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
        if math.isnan(self.mean):
            return "-"
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

    def lacks(self) -> list[str]:
        """Why there is no average over problems at some checkpoint.

        One reason a problem that random search has no regret on; none where
        there is an average at all checkpoints.
        """
        if YARDSTICK not in self.searchers:
            return ["random search took no part"]
        reasons = []
        for problem in self.problems:
            at = [c for c in self.checkpoints if not self.scale(problem, c) > 0]
            if not at:
                continue
            if not self.by_seed(problem, YARDSTICK, at[0]):
                reasons.append(f"random search has not been run on {problem}")
                continue
            where = (
                ""
                if len(at) == len(self.checkpoints)
                else (f" after {', '.join(map(str, at))} children")
            )
            reasons.append(f"random search has no regret on {problem}{where}")
        return reasons

    def has_average(self) -> bool:
        """Whether some searcher has one over problems at some checkpoint."""
        return not all(
            math.isnan(self.scaled(searcher, checkpoint).mean)
            for searcher in self.searchers
            for checkpoint in self.checkpoints
        )

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
