"""Grid search: every point of the space once, in order, and then the end."""

import itertools
from collections.abc import Sequence

from audiotag_nas.search.searcher import ToldRewards, check_num
from audiotag_nas.space import SearchSpace, Tokens


class GridSearcher:
    """The full product of the decisions, the last varying fastest.

    `ask` gives fewer than asked for when the product runs out, and then none:
    a grid never starts over. Nothing is drawn, so the seed is of no effect;
    it is taken because every searcher has one. See `Searcher`.
    """

    def __init__(self, space: SearchSpace, *, seed: int = 0) -> None:
        del seed
        self._space = space
        self._points = itertools.product(*map(range, space.num_choices))
        self._told = ToldRewards(space)

    @property
    def space(self) -> SearchSpace:
        return self._space

    def ask(self, num: int) -> list[Tokens]:
        check_num(num)
        return list(itertools.islice(self._points, num))

    def tell(
        self, tokens: Sequence[Sequence[int]], rewards: Sequence[float]
    ) -> None:
        self._told.add(tokens, rewards)

    def recommend(self) -> Tokens:
        return self._told.best()
