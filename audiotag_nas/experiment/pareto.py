"""The Pareto front of a search: validation EER against costs.

The front contains each candidate that no other candidate dominates. A candidate
dominates another if it is at least as good in all objectives and better in one.
The objectives are the validation EER and one or more costs; all are minimized.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from audiotag_nas.architecture import Architecture
from audiotag_nas.errors import ConfigError, StoreError
from audiotag_nas.report.tables import format_table
from audiotag_nas.search.journal import JournalEntry

COSTS = {
    "num_parameters": "parameters",
    "multiply_adds": "multiply-adds",
    "latency_seconds": "latency (ms)",
}
"""Metric of a trial -> column heading."""


@dataclasses.dataclass(frozen=True)
class Candidate:
    """An architecture that was trained at least once without early stopping.

    Attributes:
        trial_id: id of the first trial of the architecture.
        architecture: the description of the network.
        validation_eer: mean validation EER of the architecture's trials.
        costs: cost -> mean over the trials, if every trial has this metric.
        num_trials: number of completed trials that were not stopped early.
    """

    trial_id: str
    architecture: Architecture
    validation_eer: float
    costs: dict[str, float]
    num_trials: int


def candidates(entries: Sequence[JournalEntry]) -> list[Candidate]:
    """Returns the architectures of one stage, in the order of their trials.

    Failed trials and trials stopped early are ignored. The metrics of repeated
    trials are averaged, because a minimum would be biased.
    """
    trials: dict[str, list[JournalEntry]] = {}
    for entry in sorted(entries, key=lambda entry: entry.order):
        if entry.result.is_whole:
            key = entry.trial.architecture.architecture_id
            trials.setdefault(key, []).append(entry)
    return [_candidate(repeats) for repeats in trials.values()]


def common_costs(tried: Sequence[Candidate]) -> tuple[str, ...]:
    """Returns the costs that all candidates have, in the order of `COSTS`."""
    return tuple(
        cost
        for cost in COSTS
        if tried and all(cost in candidate.costs for candidate in tried)
    )


def pareto_front(
    tried: Sequence[Candidate], costs: Sequence[str] | None = None
) -> list[Candidate]:
    """Returns the candidates that no other candidate dominates.

    Args:
        tried: all candidates.
        costs: keys of `COSTS`; None means `common_costs`.

    Returns:
        The front, sorted by the first cost, then by the EER. If candidates are
        equal in all objectives, the front contains all of them or none.

    Raises:
        ConfigError: `costs` is empty, or a candidate lacks one of the costs.
    """
    costs = common_costs(tried) if costs is None else tuple(costs)
    if not tried:
        return []
    for cost in costs:
        if cost not in COSTS:
            raise ConfigError(
                f"a cost must be one of {list(COSTS)}. Received: {cost!r}"
            )
        for candidate in tried:
            if cost not in candidate.costs:
                raise ConfigError(
                    f"{candidate.trial_id} has no {cost}. A cost must be one "
                    f"of {list(common_costs(tried))}, which all trials have."
                )
    if not costs:
        raise ConfigError(
            "a Pareto front must have at least one cost. Received: no cost"
        )
    objectives = np.array(
        [[c.validation_eer, *(c.costs[cost] for cost in costs)] for c in tried]
    )
    front = [tried[index] for index in non_dominated(objectives)]
    return sorted(front, key=lambda c: (c.costs[costs[0]], c.validation_eer))


def non_dominated(objectives: npt.ArrayLike) -> list[int]:
    """Returns the indices of the rows that no other row dominates.

    Args:
        objectives: (points, objectives), finite, to be minimized.
    """
    values = np.asarray(objectives, np.float64)
    return [
        index
        for index, point in enumerate(values)
        if not np.any(
            np.all(values <= point, axis=1) & np.any(values < point, axis=1)
        )
    ]


def front_table(front: Sequence[Candidate], *, markdown: bool = False) -> str:
    """Returns a table with one candidate per row."""
    costs = common_costs(front)
    rows = [
        [
            candidate.trial_id,
            f"{candidate.validation_eer:.4f}",
            *(_cost_text(cost, candidate.costs[cost]) for cost in costs),
            candidate.architecture.describe(),
        ]
        for candidate in front
    ]
    headers = ["trial", "EER", *(COSTS[cost] for cost in costs), "architecture"]
    return format_table(
        rows,
        headers=headers,
        align="l" + "r" * (1 + len(costs)) + "l",
        markdown=markdown,
    )


def front_lines(
    entries: Sequence[JournalEntry], costs: Sequence[str] | None = None
) -> list[str]:
    """Returns the lines that `results --pareto` prints.

    Raises:
        ConfigError: see `pareto_front`.
        StoreError: no trial has completed yet.
    """
    tried = candidates(entries)
    if not tried:
        raise StoreError(
            "there is no Pareto front yet: no trial has completed."
        )
    costs = common_costs(tried) if costs is None else costs
    front = pareto_front(tried, costs)
    names = ", ".join(COSTS[cost].partition(" (")[0] for cost in costs)
    return [
        f"Pareto front over validation EER, {names}: {len(front)} of "
        f"{len(tried)} architectures",
        front_table(front),
    ]


def _candidate(repeats: Sequence[JournalEntry]) -> Candidate:
    results = [entry.result for entry in repeats]

    def mean(name: str) -> float:
        # Divide each term first, because a sum of large numbers can overflow.
        return math.fsum(each.metric(name) / len(results) for each in results)

    return Candidate(
        trial_id=repeats[0].trial.trial_id,
        architecture=repeats[0].trial.architecture,
        validation_eer=mean("validation_eer"),
        costs={
            cost: mean(cost)
            for cost in COSTS
            if all(cost in each.metrics for each in results)
        },
        num_trials=len(repeats),
    )


def _cost_text(cost: str, value: float) -> str:
    if cost == "latency_seconds":
        return f"{1000 * value:.2f}"
    return f"{value:,.0f}"
