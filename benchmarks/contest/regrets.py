"""Statistics of the contest's regrets.

An average over problems is an average of scaled regrets. A scaled regret is a
regret divided by the mean regret of random search on the same problem at the
same number of trials. Errors are standard errors of the mean over seeds. They
do not include the error of the divisor.
"""

import dataclasses
import math
import statistics
from collections.abc import Iterable, Sequence

from benchmarks.contest.problems import NOT_AVERAGED
from benchmarks.contest.results import ABLATION, TaskResult

OURS = "reinforce"
REFERENCE = "random"


@dataclasses.dataclass(frozen=True)
class PairedComparison:
    """Compares `OURS` and a rival on the seeds that both have finished.

    Attributes:
        ratio: the mean regret of `OURS`, divided by the rival's mean regret;
            NaN if the divisor is 0.
        difference: the regret of `OURS` minus the rival's regret, averaged over
            the seeds.
    """

    ratio: float
    difference: "Estimate"

    @property
    def ratio_text(self) -> str:
        """The ratio as text, or `-` if the ratio is undefined."""
        return "-" if math.isnan(self.ratio) else f"{self.ratio:.2f}"


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A mean over seeds and its standard error.

    With one seed, the error is NaN. Without any seed, the mean is NaN too, and
    the estimate is printed as `-`.
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
        results: results of searches with the same number of trials.
        common: True for the recommendations of the common rule, False for the
            searchers' own recommendations.

    Attributes:
        problems, searchers: names of the problems and of the searchers.
        averaged: the problems that are not in `NOT_AVERAGED`.
        checkpoints: numbers of trials.
    """

    def __init__(
        self, results: Iterable[TaskResult], *, common: bool = False
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
            by_seed = self._values.setdefault((task.problem, task.searcher), {})
            by_seed[task.seed] = (
                result.common_regrets if common else result.regrets
            )
        self.averaged = [p for p in self.problems if p not in NOT_AVERAGED]

    def by_seed(
        self, problem: str, searcher: str, checkpoint: int
    ) -> dict[int, float]:
        """Returns a dictionary: seed of a finished search -> regret."""
        index = self.checkpoints.index(checkpoint)
        by_seed = self._values.get((problem, searcher), {})
        return {seed: values[index] for seed, values in by_seed.items()}

    def estimate(
        self, problem: str, searcher: str, checkpoint: int
    ) -> Estimate:
        values = self.by_seed(problem, searcher, checkpoint).values()
        return Estimate.of(list(values))

    def scale(self, problem: str, checkpoint: int) -> float:
        """Returns random search's mean regret; NaN if this is 0 or unknown."""
        scale = self.estimate(problem, REFERENCE, checkpoint).mean
        return scale if scale > 0 else math.nan

    def why_no_average(self) -> list[str]:
        """Returns reasons why the average is undefined at some checkpoint.

        Each problem on which random search has no regret above 0 is a reason.
        """
        if not self.averaged:
            return ["no problem enters the average"]
        if REFERENCE not in self.searchers:
            return ["random search took no part"]
        reasons = []
        for problem in self.averaged:
            at = [c for c in self.checkpoints if not self.scale(problem, c) > 0]
            if not at:
                continue
            if not self.by_seed(problem, REFERENCE, at[0]):
                reasons.append(f"random search has not been run on {problem}")
                continue
            where = (
                ""
                if len(at) == len(self.checkpoints)
                else (f" after {', '.join(map(str, at))} trials")
            )
            reasons.append(f"random search has no regret on {problem}{where}")
        return reasons

    def has_average(self) -> bool:
        """Returns True if any searcher has an average at any checkpoint."""
        return not all(
            math.isnan(self.average(searcher, checkpoint).mean)
            for searcher in self.searchers
            for checkpoint in self.checkpoints
        )

    def average(self, searcher: str, checkpoint: int) -> Estimate:
        """Returns the mean scaled regret; NaN if it is unknown on a problem."""
        parts = [
            (
                self.estimate(problem, searcher, checkpoint),
                self.scale(problem, checkpoint),
            )
            for problem in self.averaged
        ]
        num = len(parts)
        if not num:
            return Estimate.of([])
        return Estimate(
            mean=math.fsum(e.mean / scale for e, scale in parts) / num,
            error=math.hypot(*(e.error / scale for e, scale in parts)) / num,
            num_seeds=min(e.num_seeds for e, _ in parts),
        )

    def best_rival(self, problem: str | None, checkpoint: int) -> str | None:
        """Returns the rival with the lowest mean regret; None without rivals.

        If `problem` is None, the averages over problems are compared.
        """
        means = {}
        for searcher in self.searchers:
            if searcher in (OURS, ABLATION):
                continue
            mean = (
                self.average(searcher, checkpoint)
                if problem is None
                else self.estimate(problem, searcher, checkpoint)
            ).mean
            if not math.isnan(mean):
                means[searcher] = mean
        return min(means, key=means.__getitem__, default=None)

    def paired(
        self, problem: str | None, rival: str, checkpoint: int
    ) -> PairedComparison:
        """Compares `OURS` and a rival in searches with the same seeds.

        If `problem` is None, a seed's regret is the average of scaled regrets
        over problems. If this average is undefined, no seeds are compared.
        """
        problems = self.averaged if problem is None else [problem]
        units = {
            name: self.scale(name, checkpoint) if problem is None else 1.0
            for name in problems
        }
        sides = [
            {name: self.by_seed(name, side, checkpoint) for name in problems}
            for side in (OURS, rival)
        ]
        seeds: list[int] = []
        if units and not any(map(math.isnan, units.values())):
            finished = [set(r) for side in sides for r in side.values()]
            seeds = sorted(set.intersection(*finished))
        ours, theirs = (
            [
                math.fsum(side[name][seed] / units[name] for name in problems)
                / len(problems)
                for seed in seeds
            ]
            for side in sides
        )
        total = math.fsum(theirs)
        return PairedComparison(
            ratio=math.fsum(ours) / total if total else math.nan,
            difference=Estimate.of(
                [a - b for a, b in zip(ours, theirs, strict=True)]
            ),
        )
