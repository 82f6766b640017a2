"""Grid search proposes every point of the space once, in order."""

import itertools

from audiotag_nas.search.points import every_point
from audiotag_nas.search.searchers.base_searcher import BaseSearcher
from audiotag_nas.space import SearchSpace, Tokens


class GridSearcher(BaseSearcher):
    """Proposes all points in order; the last decision varies fastest.

    At the end of the grid, `ask` returns fewer points than requested, and
    afterwards none. The grid never starts over. The seed has no effect.
    """

    def __init__(self, space: SearchSpace, *, seed: int = 0) -> None:
        super().__init__(space, seed=seed)
        self._points = iter(every_point(space))

    def _propose(self, num: int) -> list[Tokens]:
        return list(itertools.islice(self._points, num))
