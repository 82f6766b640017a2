"""Random search proposes uniform points and learns nothing.

Every other searcher has to beat random search (Bergstra and Bengio, JMLR 2012;
Li and Talwalkar, UAI 2019).
"""

from audiotag_nas.search.points import draw_points
from audiotag_nas.search.searchers.base_searcher import BaseSearcher
from audiotag_nas.space import Tokens


class RandomSearcher(BaseSearcher):
    """Proposes uniform points of the space.

    The points of a round depend only on the seed and the round's number. A
    request for fewer points returns the first points of the longer list.
    """

    def _propose(self, num: int) -> list[Tokens]:
        return draw_points(self._space, num, self._round_generator())
