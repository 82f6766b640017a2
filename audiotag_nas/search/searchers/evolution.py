"""Regularized evolution mutates good points and discards the oldest points.

Real, Aggarwal, Huang and Le, *Regularized Evolution for Image Classifier
Architecture Search* (AAAI 2019, arXiv 1802.01548). The population consists of
the latest trained points, so a point with a lucky reward does not stay forever.
"""

import collections

import numpy as np

from audiotag_nas.config.searchers import EvolutionSettings
from audiotag_nas.search.points import draw_points, mutate
from audiotag_nas.search.searchers.base_searcher import BaseSearcher
from audiotag_nas.space import SearchSpace, Tokens


class EvolutionSearcher(BaseSearcher):
    """Proposes mutations of parents, each the best point of a random sample.

    Points are uniform until `population` rewards are observed. Each later
    point is a parent with one token changed. The parent is the best of
    `sample` members of the population, drawn with replacement.

    Args:
        space: the search space.
        seed: the seed of all draws. The draws of a round depend on the seed and
            the number of the round.
        settings: the settings, already checked (see `make_searcher`).
    """

    def __init__(
        self, space: SearchSpace, *, seed: int = 0, settings: EvolutionSettings
    ) -> None:
        super().__init__(space, seed=seed)
        self._sample = settings.sample
        self._population: collections.deque[tuple[Tokens, float]] = (
            collections.deque(maxlen=settings.population)
        )

    def _propose(self, num: int) -> list[Tokens]:
        generator = self._round_generator()
        if len(self._population) < (self._population.maxlen or 0):
            return draw_points(self._space, num, generator)
        return [self._offspring(generator) for _ in range(num)]

    def _offspring(self, generator: np.random.Generator) -> Tokens:
        members = generator.integers(len(self._population), size=self._sample)
        parent, _ = max(
            (self._population[index] for index in members),
            key=lambda member: member[1],
        )
        return mutate(self._space, parent, generator)

    def _learn(self, points: list[Tokens], values: list[float]) -> None:
        self._population.extend(zip(points, values, strict=True))
