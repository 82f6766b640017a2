"""The protocol of searchers, which propose points of a search space.

`make_searcher` makes a searcher by its name. TensorFlow is imported only for a
searcher that needs it.
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

    The search loop relies on this contract, which every searcher keeps:

    - **Rounds.** Each `ask` opens a round; rounds count from 0. Rounds may
      overlap: the next `ask` may come before the previous round is told.
    - **Replay.** The points of `ask` depend only on the space, the seed, the
      settings, the number of the round, `num`, and the earlier calls of `ask`
      and `tell` in their order. A search can be resumed by repeating its calls,
      because the same calls give exactly the same points.
    - **Any points may be told**, in batches of any size: all or some points of
      a round, other points of the space, or points told before. A point told
      again has the known reward, or the reward of a new training.
    - **Repeats.** A searcher may repeat a point in order to have the point
      trained with another seed. Such a searcher has an attribute
      `repeats_on_purpose` that is True. Any other searcher that repeats a point
      is told the known reward again.
    - **Rewards** are maximized. They are finite, and at most `MAX_REWARD`
      (1e15) in magnitude. For a failed training, the caller tells a penalty
      within these limits, never a NaN.
    """

    @property
    def space(self) -> SearchSpace:
        """The space of the points."""
        ...

    def ask(self, num: int) -> list[Tokens]:
        """Returns the points of the next round.

        Args:
            num: the number of points, 1 or more; may differ between rounds.

        Returns:
            `num` points, possibly with repeats. A searcher that proposes each
            point only once returns all points that are left, if these are fewer
            than `num`.

        Raises:
            ConfigError: `num` is not a positive whole number.
        """
        ...

    def tell(
        self, tokens: Sequence[Sequence[int]], rewards: Sequence[float]
    ) -> None:
        """Learns one reward for each point; an empty batch changes nothing.

        Raises:
            ConfigError: `tokens` and `rewards` differ in number, one of the two
                is not iterable, a point is not of the space, or a reward is not
                a finite number or is too large. Nothing is then learned.
        """
        ...

    def recommend(self, among: Iterable[Sequence[int]] | None = None) -> Tokens:
        """Returns the observed point that the searcher considers the best.

        Args:
            among: the points to choose from. None means all observed points,
                including those whose training failed or was stopped early.

        Raises:
            ConfigError: no point is observed, no point of `among` is observed,
                or a point of `among` is not of the space.
        """
        ...


def check_num(num: int) -> int:
    """Returns `num`, the argument of `ask`, as an int.

    Raises:
        ConfigError: `num` is not a whole number of 1 or more.
    """
    if not _is_whole(num) or num < 1:
        raise ConfigError(
            f"ask: `num` must be an int of 1 or more. Received: {num!r}"
        )
    return operator.index(num)


def check_seed(seed: int) -> int:
    """Returns `seed` as an int.

    Raises:
        ConfigError: `seed` is not a whole number from 0 to 2**63 - 1.
    """
    if not _is_whole(seed) or not 0 <= seed < 2**63:
        raise ConfigError(
            f"`seed` must be an int from 0 to 2**63 - 1. Received: {seed!r}"
        )
    return operator.index(seed)


def _is_whole(value: Any) -> bool:
    """Returns True for an int of Python or NumPy, and False for a bool."""
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
"""Maps each name to `module:class` within `audiotag_nas.search`."""


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
        space: the search space.
        seed: the only source of the searcher's randomness.
        **settings: the searcher's settings. Their names are the fields of the
            searcher's settings class in `config.searchers`.

    Raises:
        ConfigError: the searcher or a setting is unknown (the message lists the
            allowed names), a value is out of range, or `space` is not a
            `SearchSpace`.
    """
    checked = make_settings(name, settings)
    check_space(space)
    module, _, class_name = SEARCHERS[name].partition(":")
    searcher = getattr(
        importlib.import_module(f"audiotag_nas.search.{module}"), class_name
    )
    keywords = {} if isinstance(checked, NoSettings) else {"settings": checked}
    return searcher(space, seed=check_seed(seed), **keywords)
