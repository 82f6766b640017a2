"""Grid search: every point of the space once, in order, and then the end."""

import itertools

from audiotag_nas.search.searchers.base_searcher import BaseSearcher
from audiotag_nas.space import SearchSpace, Tokens


class GridSearcher(BaseSearcher):
    """The full product of the decisions, the last varying fastest.

    `ask` gives fewer than asked for when the product runs out, and then none:
    a grid never starts over. Nothing is drawn, so the seed is of no effect;
    it is taken because every searcher has one. See `Searcher`.
    """

    def __init__(self, space: SearchSpace, *, seed: int = 0) -> None:
        super().__init__(space, seed=seed)
        self._points = itertools.product(*map(range, space.num_choices))

    def _propose(self, num: int) -> list[Tokens]:
        return list(itertools.islice(self._points, num))
