"""The protocol of searchers: ask and tell over the tokens of a search space.

`make_searcher` makes one by name. A module that needs TensorFlow is imported
only when its searcher is made.
"""

import importlib
import numbers
import operator
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from audiotag_nas.config.searchers import NoSettings, make_settings
from audiotag_nas.errors import ConfigError
from audiotag_nas.space import SearchSpace, Tokens, check_space
from audiotag_nas.trial import MAX_REWARD


class Searcher(Protocol):
    """Proposes points of a space and learns from their rewards.

    >>> from audiotag_nas import SearchSpace, Decision
    >>> from audiotag_nas.search import make_searcher
    >>> space = SearchSpace((Decision("filters", (8, 16, 32, 64)),))
    >>> searcher = make_searcher("local_search", space, seed=1)
    >>> for round_number in range(3):
    ...     points = searcher.ask(2)
    ...     searcher.tell(points, [space.values(p)["filters"] for p in points])
    >>> searcher.recommend()
    (3,)

    The contract that every searcher keeps and the loop relies on:

    - **Rounds.** Each `ask` opens a round; rounds count from 0. Rounds may
      overlap: the next `ask` may come before the previous round is told.
    - **Replay.** The points of `ask` are a function only of the space, the
      seed, the settings, the number of the round, `num`, and the earlier calls
      of `ask` and `tell` in their order. The same calls give the same tokens,
      bit for bit, so a search is resumed by repeating its calls.
    - **Any tokens may be told**, in batches of any size: all or some points of
      a round, other points of the space, or points told before (trainings are
      noisy, or a known reward is told again).
    - **Repeats.** A searcher that asks for a point again to have it retrained
      with another seed has an attribute `repeats_on_purpose` that is True. A
      repeat of any other searcher is chance, and it is told the known reward.
    - **Rewards** are maximized. They are finite, and at most `MAX_REWARD`
      (1e15) in magnitude. For a failed training the caller tells a penalty
      within these limits, never a NaN.
    """

    @property
    def space(self) -> SearchSpace:
        """The space whose tokens are asked and told."""
        ...

    def ask(self, num: int) -> list[Tokens]:
        """Returns the points of the next round.

        Args:
            num: how many, 1 or more. It may differ from round to round.

        Returns:
            `num` points, possibly with repeats. A searcher that tries each
            point once returns fewer when the space runs out, and then none.

        Raises:
            ConfigError: `num` is not a positive whole number.
        """
        ...

    def tell(
        self, tokens: Sequence[Sequence[int]], rewards: Sequence[float]
    ) -> None:
        """Learns one reward per point; an empty batch changes nothing.

        Raises:
            ConfigError: tokens and rewards differ in number, one of them is not
                iterable, tokens are not of the space, or a reward is not a
                finite number or too large. Nothing of the batch is learned.
        """
        ...

    def recommend(self, among: Iterable[Sequence[int]] | None = None) -> Tokens:
        """Returns the observed point that should be built.

        Args:
            among: the points to choose from, where some observed points cannot
                be built because their trainings failed or were stopped early.

        Raises:
            ConfigError: no point is observed, or none of `among`, or a point of
                `among` is not of the space.
        """
        ...


def check_num(num: int) -> int:
    """Returns the argument of `ask` as an int.

    Raises:
        ConfigError: it is not a whole number of 1 or more.
    """
    if not _is_whole(num) or num < 1:
        raise ConfigError(
            f"ask: `num` must be an int of 1 or more. Received: {num!r}"
        )
    return operator.index(num)


def check_seed(seed: int) -> int:
    """Returns `seed` as an int.

    Raises:
        ConfigError: it is not a whole number from 0 to 2**63 - 1.
    """
    if not _is_whole(seed) or not 0 <= seed < 2**63:
        raise ConfigError(
            f"`seed` must be an int from 0 to 2**63 - 1. Received: {seed!r}"
        )
    return operator.index(seed)


def _is_whole(value: Any) -> bool:
    """Returns whether `value` is an int, of Python or NumPy, and no bool."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def is_reward(value: float) -> bool:
    """Returns whether the magnitude of `value` is at most `MAX_REWARD`."""
    return abs(value) <= MAX_REWARD  # False for a NaN


SEARCHERS = {
    "reinforce": "reinforce.searcher:ReinforceSearcher",
    "reinforce_plain": "searchers.reinforce_plain:PlainReinforceSearcher",
    "evolution": "searchers.evolution:EvolutionSearcher",
    "local_search": "searchers.local_search:LocalSearcher",
    "gaussian_process": "searchers.gaussian_process:GaussianProcessSearcher",
    "random": "searchers.random_search:RandomSearcher",
    "grid": "searchers.grid:GridSearcher",
}
"""Name -> module in `audiotag_nas.search`, and class."""


def make_searcher(
    name: str, space: SearchSpace, *, seed: int = 0, **settings: Any
) -> Searcher:
    """Returns a new searcher.

    >>> from audiotag_nas import Decision, SearchSpace
    >>> space = SearchSpace(
    ...     (Decision("filters", (8, 16)), Decision("height", (1, 3, 5)))
    ... )
    >>> grid = make_searcher("grid", space)
    >>> grid.ask(4)
    [(0, 0), (0, 1), (0, 2), (1, 0)]
    >>> grid.tell([(0, 0), (0, 1)], [0.71, 0.74])
    >>> space.values(grid.recommend())
    {'filters': 8, 'height': 3}

    Args:
        name: one of `SEARCHERS`.
        space: what to search.
        seed: the only source of its randomness.
        **settings: of the searcher, fields of its class in `config.searchers`.

    Raises:
        ConfigError: an unknown searcher or setting (the error lists the allowed
            ones), a value out of its range, or `space` is no `SearchSpace`.
    """
    checked = make_settings(name, settings)
    check_space(space)
    module, _, class_name = SEARCHERS[name].partition(":")
    searcher = getattr(
        importlib.import_module(f"audiotag_nas.search.{module}"), class_name
    )
    keywords = {} if isinstance(checked, NoSettings) else {"settings": checked}
    return searcher(space, seed=check_seed(seed), **keywords)
