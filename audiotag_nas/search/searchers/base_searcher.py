"""The base class of searchers: rounds, checks and observed rewards."""

import abc
from collections.abc import Iterable, Sequence

import numpy as np

from audiotag_nas.search.observed_rewards import ObservedRewards
from audiotag_nas.search.searcher import check_num
from audiotag_nas.space import SearchSpace, Tokens


class BaseSearcher(abc.ABC):
    """A `Searcher` that recommends the point of the best mean reward.

    A subclass proposes points in `_propose`, where `_num_rounds` is the number
    of the round. A subclass learns in `_learn`, where `_observed` already
    includes the new rewards.

    Args:
        space: the search space.
        seed: the seed of the searcher's draws.
    """

    def __init__(self, space: SearchSpace, *, seed: int = 0) -> None:
        self._space = space
        self._seed = seed
        self._num_rounds = 0
        self._observed = ObservedRewards(space)

    @property
    def space(self) -> SearchSpace:
        return self._space

    def ask(self, num: int) -> list[Tokens]:
        num = check_num(num)
        points = self._propose(num)
        self._num_rounds += 1
        return points

    def tell(
        self, tokens: Sequence[Sequence[int]], rewards: Sequence[float]
    ) -> None:
        points, values = self._observed.add(tokens, rewards)
        if points:
            self._learn(points, values)

    def recommend(self, among: Iterable[Sequence[int]] | None = None) -> Tokens:
        return self._observed.best(among)

    @abc.abstractmethod
    def _propose(self, num: int) -> list[Tokens]:
        """Returns the points of a round; `num` is 1 or more."""

    def _learn(  # noqa: B027 - not every searcher learns
        self, points: list[Tokens], values: list[float]
    ) -> None:
        """Learns a checked batch: one or more points, one value for each."""

    def _round_generator(self) -> np.random.Generator:
        """Returns a generator seeded by the seed and the round's number."""
        return np.random.default_rng([self._seed, self._num_rounds])
