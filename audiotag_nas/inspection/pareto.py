"""The Pareto front of a search: what is best at its cost.

A network is on the front of some goals if no other that was tried is at least
as good in all of them and better in one. All goals are minimized: the
validation EER and one cost or several.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from audiotag_nas.architecture import Architecture
from audiotag_nas.errors import ConfigError, StoreError
from audiotag_nas.inspection.results import architecture_of
from audiotag_nas.report.tables import format_table
from audiotag_nas.search.journal import JournalEntry

COSTS = {
    "num_parameters": "parameters",
    "multiply_adds": "multiply-adds",
    "latency_seconds": "latency (ms)",
}
"""A cost among a trial's metrics -> its heading."""


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A network that was tried.

    Attributes:
        trial_id: of its first training.
        architecture: what it is.
        validation_eer: the mean over its trainings.
        costs: those of `COSTS` that its trainings have; a mean as well.
        num_trainings: completed and not stopped early.
    """

    trial_id: str
    architecture: Architecture
    validation_eer: float
    costs: dict[str, float]
    num_trainings: int


def candidates(entries: Sequence[JournalEntry]) -> list[Candidate]:
    """The networks of one stage, in the order of their first training.

    Left out are failed trainings and those stopped early, whose EER is not
    that of a whole one. Of a network that was trained several times the means
    are taken: the luckiest training would flatter it.
    """
    trained: dict[str, list[JournalEntry]] = {}
    for entry in sorted(entries, key=lambda entry: entry.order):
        result = entry.result
        if result.is_whole:
            key = architecture_of(entry.trial).architecture_id
            trained.setdefault(key, []).append(entry)
    return [_candidate(trainings) for trainings in trained.values()]


def common_costs(networks: Sequence[Candidate]) -> tuple[str, ...]:
    """The costs that every one of the networks has, in the order of `COSTS`."""
    return tuple(
        cost
        for cost in COSTS
        if networks and all(cost in network.costs for network in networks)
    )


def pareto_front(
    networks: Sequence[Candidate], costs: Sequence[str] | None = None
) -> list[Candidate]:
    """The networks that none of the others beats in EER and costs.

    Args:
        networks: all that were tried.
        costs: of `COSTS`; those that all networks have if None.

    Returns:
        The front, the cheapest first (by the first cost, then by the EER).
        Of networks that are equal in every goal all are on it, or none.

    Raises:
        ConfigError: no costs, an unknown one, or one that a network lacks.
    """
    costs = common_costs(networks) if costs is None else tuple(costs)
    if not networks:
        return []
    for cost in costs:
        if cost not in COSTS:
            raise ConfigError(
                f"a cost must be one of {list(COSTS)}. Received: {cost!r}"
            )
        for network in networks:
            if cost not in network.costs:
                raise ConfigError(
                    f"{network.trial_id} has no {cost}; the costs must be of "
                    f"those that all have: {list(common_costs(networks))}"
                )
    if not costs:
        raise ConfigError("a front must have at least one cost. Received: none")
    goals = np.array(
        [[n.validation_eer, *(n.costs[c] for c in costs)] for n in networks]
    )
    front = [networks[index] for index in non_dominated(goals)]
    return sorted(front, key=lambda n: (n.costs[costs[0]], n.validation_eer))


def non_dominated(goals: npt.ArrayLike) -> list[int]:
    """The rows that no other row dominates; every column is minimized.

    Args:
        goals: (points, goals), finite.

    Returns:
        Their indices, in order.
    """
    values = np.asarray(goals, np.float64)
    return [
        index
        for index, point in enumerate(values)
        if not np.any(
            np.all(values <= point, axis=1) & np.any(values < point, axis=1)
        )
    ]


def front_table(front: Sequence[Candidate], *, markdown: bool = False) -> str:
    """One line a network: EER, costs, and what it is."""
    costs = common_costs(front)
    rows = [
        [
            network.trial_id,
            f"{network.validation_eer:.4f}",
            *(_cost_text(cost, network.costs[cost]) for cost in costs),
            network.architecture.describe(),
        ]
        for network in front
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
    """The front of a stage's trials as a screen, with a line above it.

    Raises:
        ConfigError: as `pareto_front`.
        StoreError: no trial has completed yet.
    """
    networks = candidates(entries)
    if not networks:
        raise StoreError(
            "there is no Pareto front yet: no trial has completed."
        )
    goals = common_costs(networks) if costs is None else costs
    front = pareto_front(networks, goals)
    names = ", ".join(COSTS[goal].partition(" (")[0] for goal in goals)
    return [
        f"Pareto front over validation EER, {names}: {len(front)} of "
        f"{len(networks)} networks",
        front_table(front),
    ]


def _candidate(trainings: Sequence[JournalEntry]) -> Candidate:
    results = [entry.result for entry in trainings]

    def mean(name: str) -> float:
        # Divided first: a sum of great numbers would be infinite.
        return math.fsum(each.metric(name) / len(results) for each in results)

    return Candidate(
        trial_id=trainings[0].trial.trial_id,
        architecture=architecture_of(trainings[0].trial),
        validation_eer=mean("validation_eer"),
        costs={
            cost: mean(cost)
            for cost in COSTS
            if all(cost in each.metrics for each in results)
        },
        num_trainings=len(trainings),
    )


def _cost_text(cost: str, value: float) -> str:
    if cost == "latency_seconds":
        return f"{1000 * value:.2f}"
    return f"{value:,.0f}"
