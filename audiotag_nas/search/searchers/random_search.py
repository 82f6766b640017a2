"""Random search: uniform points, whatever is observed.

The baseline that any other searcher has to beat (Bergstra and Bengio, JMLR
2012; Li and Talwalkar, UAI 2019).
"""

from audiotag_nas.search.points import draw_points
from audiotag_nas.search.searchers.base_searcher import BaseSearcher
from audiotag_nas.space import Tokens


class RandomSearcher(BaseSearcher):
    """Uniform over the points of the space; see `Searcher`.

    The points of a round depend only on (seed, round). A smaller round is the
    beginning of a larger one.
    """

    def _propose(self, num: int) -> list[Tokens]:
        return draw_points(self._space, num, self._round_generator())
