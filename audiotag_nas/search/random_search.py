"""Random search: every point alike, whatever was told.

The yardstick that any other searcher has to beat (Bergstra and Bengio, JMLR
2012; Li and Talwalkar, UAI 2019).
"""

from collections.abc import Sequence

import numpy as np

from audiotag_nas.search.moves import draw_points
from audiotag_nas.search.searcher import ToldRewards, check_num
from audiotag_nas.space import SearchSpace, Tokens


class RandomSearcher:
    """Uniform over the points of the space; see `Searcher`.

    A round's tokens depend on (seed, round) alone, and a smaller round is the
    beginning of a larger one.
    """

    def __init__(self, space: SearchSpace, *, seed: int = 0) -> None:
        self._space = space
        self._seed = seed
        self._num_rounds = 0
        self._told = ToldRewards(space)

    @property
    def space(self) -> SearchSpace:
        return self._space

    def ask(self, num: int) -> list[Tokens]:
        check_num(num)
        generator = np.random.default_rng([self._seed, self._num_rounds])
        self._num_rounds += 1
        return draw_points(self._space, num, generator)

    def tell(
        self, tokens: Sequence[Sequence[int]], rewards: Sequence[float]
    ) -> None:
        self._told.add(tokens, rewards)

    def recommend(self) -> Tokens:
        return self._told.best()
