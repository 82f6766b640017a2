"""Local search: to a better neighbor while there is one, then elsewhere.

White, Nolen and Savani, *Exploring the Loss Landscape in Neural Architecture
Search* (UAI 2021, arXiv 2005.02960), who find it hard to beat where rewards
are little noisy. In batches: the neighbors of the incumbent are tried some
at a time, in random order, and the best of those told becomes the incumbent
as soon as it is better.
"""

from collections.abc import Iterable

from audiotag_nas.search.points import draw_points, neighbors
from audiotag_nas.search.searchers.base_searcher import BaseSearcher
from audiotag_nas.space import SearchSpace, Tokens


class LocalSearcher(BaseSearcher):
    """Climbs from random points; see `Searcher` for the contract.

    The first round is uniform; the best of it is the first incumbent. A round
    for which the incumbent has too few neighbors left is filled up with
    uniform points. Once all neighbors are told and none is better, the next
    incumbent is the best of such points since the last one, or of a new
    uniform round.

    Args:
        space: what to search.
        seed: a round's draws depend on it and the round's number.
    """

    def __init__(self, space: SearchSpace, *, seed: int = 0) -> None:
        super().__init__(space, seed=seed)
        self._means: dict[Tokens, float] = {}
        self._asked: set[Tokens] = set()
        self._incumbent: Tokens | None = None
        # Told, and not a neighbor of the incumbent of its time.
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
        self._means = self._told.means()
        near = set(self._neighbors())
        for point in points:
            self._asked.discard(point)
            if point not in near and point != self._incumbent:
                self._starts.append(point)
        while self._move():
            pass

    def _move(self) -> bool:
        """Goes to a better incumbent or a new start; False if it stays."""
        if self._incumbent is None:
            if not self._starts:
                return False
            self._incumbent = self._best(self._starts)
            self._starts = []
            return True
        near = self._neighbors()
        told = [point for point in near if point in self._means]
        best = self._best([self._incumbent, *told])
        if best != self._incumbent:
            self._incumbent = best
            return True
        if len(told) == len(near):
            self._incumbent = None
            return True
        return False

    def _neighbors(self) -> list[Tokens]:
        if self._incumbent is None:
            return []
        return neighbors(self._space, self._incumbent)

    def _best(self, points: Iterable[Tokens]) -> Tokens:
        """The best mean reward; among equals the first."""
        return max(points, key=self._means.__getitem__)
