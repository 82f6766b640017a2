"""Local search moves to better neighbors; if there are none, it restarts.

White, Nolen and Savani, *Exploring the Loss Landscape in Neural Architecture
Search* (UAI 2021, arXiv 2005.02960) find that local search is hard to beat if
rewards have little noise. The incumbent is the point whose neighbors are tried.
Each round proposes some neighbors of the incumbent, in random order. As soon as
neighbors with a better reward are observed, the best becomes the incumbent.
"""

from collections.abc import Iterable

from audiotag_nas.search.points import draw_points, neighbors
from audiotag_nas.search.searchers.base_searcher import BaseSearcher
from audiotag_nas.space import SearchSpace, Tokens


class LocalSearcher(BaseSearcher):
    """Climbs from random points to local optima.

    The first round is uniform, and its best point is the first incumbent. If
    the incumbent has too few untried neighbors, uniform points complete the
    round. Once all neighbors are observed and none is better, the next
    incumbent is the best of these uniform points. If there are no such points,
    the next round is uniform again.

    Args:
        space: the search space.
        seed: the seed of all draws. The draws of a round depend on the seed and
            the number of the round.
    """

    def __init__(self, space: SearchSpace, *, seed: int = 0) -> None:
        super().__init__(space, seed=seed)
        self._means: dict[Tokens, float] = {}
        self._asked: set[Tokens] = set()
        self._incumbent: Tokens | None = None
        # Points that, when observed, were not neighbors of the incumbent.
        self._starts: list[Tokens] = []

    def _propose(self, num: int) -> list[Tokens]:
        generator = self._round_generator()
        points: list[Tokens] = []
        if self._incumbent is not None:
            untried = [
                point
                for point in neighbors(self._space, self._incumbent)
                if point not in self._means and point not in self._asked
            ]
            order = generator.permutation(len(untried))
            points = [untried[index] for index in order[:num]]
        points += draw_points(self._space, num - len(points), generator)
        self._asked.update(points)
        return points

    def _learn(self, points: list[Tokens], values: list[float]) -> None:
        self._means = self._observed.means()
        neighborhood = set(self._neighbors())
        for point in points:
            self._asked.discard(point)
            if point not in neighborhood and point != self._incumbent:
                self._starts.append(point)
        while self._move():
            pass

    def _move(self) -> bool:
        """Changes or drops the incumbent; returns False for no change."""
        if self._incumbent is None:
            if not self._starts:
                return False
            self._incumbent = self._best(self._starts)
            self._starts = []
            return True
        neighborhood = self._neighbors()
        observed = [point for point in neighborhood if point in self._means]
        best = self._best([self._incumbent, *observed])
        if best != self._incumbent:
            self._incumbent = best
            return True
        if len(observed) == len(neighborhood):
            self._incumbent = None
            return True
        return False

    def _neighbors(self) -> list[Tokens]:
        if self._incumbent is None:
            return []
        return neighbors(self._space, self._incumbent)

    def _best(self, points: Iterable[Tokens]) -> Tokens:
        """Returns the point of the best mean reward, or the first of equals."""
        return max(points, key=self._means.__getitem__)
