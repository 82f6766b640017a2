"""What searchers have in common: rounds, checks, and what was told.

A searcher that recommends the best mean reward says only how it proposes and
what it learns; see `Searcher` for the contract that this keeps.
"""

import abc
from collections.abc import Iterable, Sequence

import numpy as np

from audiotag_nas.search.searcher import ObservedRewards, check_num
from audiotag_nas.space import SearchSpace, Tokens


class BaseSearcher(abc.ABC):
    """Counts rounds, checks calls, recommends the best mean reward told.

    For subclasses: `_seed`; `_num_rounds`, the rounds asked for by now, so
    that within `_propose` it is the number of the round; and `_told`, all
    rewards by now, those that `_learn` is given among them.

    Args:
        space: what to search.
        seed: of the searcher's draws.
    """

    def __init__(self, space: SearchSpace, *, seed: int = 0) -> None:
        self._space = space
        self._seed = seed
        self._num_rounds = 0
        self._told = ObservedRewards(space)

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
        points, values = self._told.add(tokens, rewards)
        if points:
            self._learn(points, values)

    def recommend(self, among: Iterable[Sequence[int]] | None = None) -> Tokens:
        return self._told.best(among)

    @abc.abstractmethod
    def _propose(self, num: int) -> list[Tokens]:
        """A round's tokens; `num` is 1 or more."""

    def _learn(  # noqa: B027 - not every searcher learns
        self, points: list[Tokens], values: list[float]
    ) -> None:
        """Takes in a checked batch, not empty; a reward a point."""

    def _round_generator(self) -> np.random.Generator:
        """Of the seed and the round alone; for `_propose`."""
        return np.random.default_rng([self._seed, self._num_rounds])
