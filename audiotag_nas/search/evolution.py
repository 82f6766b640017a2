"""Regularized evolution: mutate the best of a few, let the oldest die.

Real, Aggarwal, Huang and Le, *Regularized Evolution for Image Classifier
Architecture Search* (AAAI 2019, arXiv 1802.01548). The population are the
last networks told, so that one that was lucky once does not stay for ever.
"""

import collections
from collections.abc import Sequence

import numpy as np

from audiotag_nas.errors import ConfigError
from audiotag_nas.search.moves import draw_points, mutate
from audiotag_nas.search.searcher import ToldRewards, check_num
from audiotag_nas.space import SearchSpace, Tokens


class EvolutionSearcher:
    """Mutations of tournament winners; see `Searcher` for the contract.

    The first `evolution_population` points are uniform. Then each child is a
    parent with one token changed, the parent being the best of
    `evolution_sample` members of the population drawn with replacement.

    Args:
        space: what to search.
        seed: a round's draws depend on it and the round's number.
        evolution_population: members; [own] for 200 children, a fifth of the
            paper's for its 20,000.
        evolution_sample: members a tournament.

    Raises:
        ConfigError: a setting that is not a positive int.
    """

    def __init__(
        self,
        space: SearchSpace,
        *,
        seed: int = 0,
        evolution_population: int = 20,
        evolution_sample: int = 5,
    ) -> None:
        for name, value in (
            ("evolution_population", evolution_population),
            ("evolution_sample", evolution_sample),
        ):
            is_int = isinstance(value, int) and not isinstance(value, bool)
            if not is_int or value < 1:
                raise ConfigError(
                    f"searcher `evolution`, `{name}`: must be an int of 1 or "
                    f"more. Received: {value!r}"
                )
        self._space = space
        self._seed = seed
        self._sample = evolution_sample
        self._num_rounds = 0
        self._told = ToldRewards(space)
        self._population: collections.deque[tuple[Tokens, float]] = (
            collections.deque(maxlen=evolution_population)
        )

    @property
    def space(self) -> SearchSpace:
        return self._space

    def ask(self, num: int) -> list[Tokens]:
        check_num(num)
        generator = np.random.default_rng([self._seed, self._num_rounds])
        self._num_rounds += 1
        if len(self._population) < (self._population.maxlen or 0):
            return draw_points(self._space, num, generator)
        return [self._child(generator) for _ in range(num)]

    def _child(self, generator: np.random.Generator) -> Tokens:
        members = generator.integers(len(self._population), size=self._sample)
        parent, _ = max(
            (self._population[index] for index in members),
            key=lambda member: member[1],
        )
        return mutate(self._space, parent, generator)

    def tell(
        self, tokens: Sequence[Sequence[int]], rewards: Sequence[float]
    ) -> None:
        points, values = self._told.add(tokens, rewards)
        self._population.extend(zip(points, values, strict=True))

    def recommend(self) -> Tokens:
        return self._told.best()
