"""What a searcher is: ask and tell over the tokens of a search space.

`make_searcher` gives one by name. A module that needs TensorFlow is imported
only when its searcher is made.
"""

import importlib
import math
import numbers
import operator
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from audiotag_nas.config.searchers import NoSettings, make_settings
from audiotag_nas.errors import ConfigError
from audiotag_nas.space import SearchSpace, Tokens, check_space
from audiotag_nas.trial import MAX_REWARD


class Searcher(Protocol):
    """Proposes points of a space and learns from the rewards they earn.

    The contract that every searcher keeps and the loop relies on:

    - **Rounds.** `ask` opens a round; rounds count from 0, one an `ask`.
      Rounds may overlap: `ask` may come again before an earlier round is
      told.
    - **Replay.** What `ask` gives is a function of the space, the seed, the
      settings, the number of the round, n, and what was asked and told
      before, in that order; of nothing else. The same calls in the same order
      give the same tokens, bit for bit, so a search is resumed by repeating
      its calls.
    - **Any tokens may be told**: all that were asked for, some of them,
      others of the same space, the same ones again (networks are trained with
      noise, or their known reward is told again), in batches of any size.
    - **Repeats.** A searcher that asks for a point again in order to have it
      trained again, with another seed, has an attribute `repeats_on_purpose`
      that is True. From any other a repeat is chance, and it is told the
      known reward.
    - **Rewards are finite**, and of a magnitude of at most `MAX_REWARD`
      (1e15). They are maximized. For a training that failed the caller tells
      a penalty of its choice within that, never a NaN.
    """

    @property
    def space(self) -> SearchSpace:
        """The space whose tokens are asked and told."""
        ...

    def ask(self, num: int) -> list[Tokens]:
        """The next round's tokens to train.

        Args:
            num: how many, 1 or more. It may differ from round to round.

        Returns:
            At most `num` tuples of tokens, one token a decision; fewer only
            where a searcher that tries each point once runs out, and none
            when it is at its end. Others give exactly `num`, and may repeat
            themselves.

        Raises:
            ConfigError: `num` is not a positive whole number.
        """
        ...

    def tell(
        self, tokens: Sequence[Sequence[int]], rewards: Sequence[float]
    ) -> None:
        """Learns that these tokens earned these rewards; nothing if empty.

        Raises:
            ConfigError: the numbers of tokens and rewards differ, one of the
                two is no batch, tokens are not of the space, or a reward is
                not a finite number or too large. Then nothing of the batch
                was learned.
        """
        ...

    def recommend(self, among: Iterable[Sequence[int]] | None = None) -> Tokens:
        """The point to build on, by all that was told.

        Args:
            among: of these alone, where not all that was told can be built
                on: rewards of trainings that failed or were stopped early are
                told too.

        Raises:
            ConfigError: nothing has been told, or none of `among`, or those
                are not of the space.
        """
        ...


class ObservedRewards:
    """What a searcher was told; recommends the best mean reward.

    Every searcher of this package holds one, so that they check and recommend
    alike.
    """

    def __init__(self, space: SearchSpace) -> None:
        self._space = space
        self._rewards: dict[Tokens, list[float]] = {}

    def add(
        self, tokens: Sequence[Sequence[int]], rewards: Sequence[float]
    ) -> tuple[list[Tokens], list[float]]:
        """Checks and keeps a batch; returns it as plain tuples and floats.

        Raises:
            ConfigError: as in `Searcher.tell`.
        """
        tokens, rewards = _listed("tokens", tokens), _listed("rewards", rewards)
        if len(tokens) != len(rewards):
            raise ConfigError(
                "tell: there must be one reward for each tuple of tokens. "
                f"Received: {len(tokens)} tuples and {len(rewards)} rewards"
            )
        checked_tokens = [self._space.validate(point) for point in tokens]
        checked_rewards = [
            _checked(reward, point)
            for reward, point in zip(rewards, checked_tokens, strict=True)
        ]
        for point, reward in zip(checked_tokens, checked_rewards, strict=True):
            self._rewards.setdefault(point, []).append(reward)
        return checked_tokens, checked_rewards

    @property
    def rewards(self) -> Mapping[Tokens, list[float]]:
        """Every reward of each point told, in the order first told."""
        return self._rewards

    def means(self) -> dict[Tokens, float]:
        """The mean reward of each point told, in the order first told."""
        # statistics.mean is exact: a reward told three times stays equal to
        # the same reward told once, which a running sum would not ensure.
        return {
            point: statistics.mean(rewards)
            for point, rewards in self._rewards.items()
        }

    def told_of(
        self, among: Iterable[Sequence[int]] | None = None
    ) -> list[Tokens]:
        """The points told, in the order first told.

        Args:
            among: only these are given, if any are.

        Raises:
            ConfigError: nothing has been told, or none of `among`, or those
                are not of the space.
        """
        if not self._rewards:
            raise ConfigError(
                "recommend: a searcher must be told a reward first."
            )
        if among is None:
            return list(self._rewards)
        wanted = _points(self._space, among)
        told = [point for point in self._rewards if point in wanted]
        if not told:
            raise ConfigError(
                "recommend: one of the points to choose among must have been "
                f"told a reward. Received: {len(wanted)} points"
            )
        return told

    def best(self, among: Iterable[Sequence[int]] | None = None) -> Tokens:
        """The tokens of the best mean reward; among equals the first told.

        Args:
            among: only these are considered, if given.

        Raises:
            ConfigError: as in `told_of`.
        """
        means = self.means()
        return max(self.told_of(among), key=means.__getitem__)


def check_num(num: int) -> int:
    """`num` as an int, for `ask`.

    Raises:
        ConfigError: it is not a whole number of 1 or more.
    """
    if not is_whole(num) or num < 1:
        raise ConfigError(
            f"ask: `num` must be an int of 1 or more. Received: {num!r}"
        )
    return operator.index(num)


def check_seed(seed: int) -> int:
    """`seed` as an int.

    Raises:
        ConfigError: it is not a whole number from 0 to 2**63 - 1.
    """
    if not is_whole(seed) or not 0 <= seed < 2**63:
        raise ConfigError(
            f"`seed` must be an int from 0 to 2**63 - 1. Received: {seed!r}"
        )
    return operator.index(seed)


def is_whole(value: Any) -> bool:
    """Whether `value` is a whole number, NumPy's too; a bool is none."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def _listed(name: str, values: Iterable[Any]) -> list[Any]:
    try:
        return list(values)
    except TypeError:
        raise ConfigError(
            f"tell: `{name}` must have an entry for each training, in a list "
            f"or the like. Received: {values!r}"
        ) from None


def _points(space: SearchSpace, among: Iterable[Sequence[int]]) -> set[Tokens]:
    try:
        points = iter(among)
    except TypeError:
        raise ConfigError(
            "recommend: `among` must be points of the space, each a tuple or "
            f"list of tokens. Received: {among!r}"
        ) from None
    return {space.validate(point) for point in points}


def is_reward(value: float) -> bool:
    """Whether `value` may be told: finite, and at most `MAX_REWARD`."""
    return abs(value) <= MAX_REWARD  # False for a NaN


def _checked(reward: Any, tokens: Tokens) -> float:
    try:
        # The text of a number is a slip of who reads it from a file.
        value = math.nan if isinstance(reward, str | bytes) else float(reward)
    except (TypeError, ValueError, OverflowError):
        value = math.nan
    if not math.isfinite(value):
        raise ConfigError(
            f"tell: a reward must be a finite number. Received: {reward!r} "
            f"for tokens {tokens}"
        )
    if not is_reward(value):
        raise ConfigError(
            f"tell: a reward must be at most {MAX_REWARD:g} in magnitude. "
            f"Received: {reward!r} for tokens {tokens}"
        )
    return value


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

    Args:
        name: one of `SEARCHERS`.
        space: what to search.
        seed: the only source of its randomness.
        **settings: fields of the searcher's class in `config.searchers`.

    Example:
        >>> from audiotag_nas.search import Decision, SearchSpace
        >>> space = SearchSpace(
        ...     (Decision("units", (8, 16)), Decision("depth", (1, 2, 3)))
        ... )
        >>> searcher = make_searcher("random", space, seed=1)
        >>> len(searcher.ask(4))
        4
        >>> searcher.tell([(1, 2), (0, 0)], [0.9, 0.4])
        >>> space.values(searcher.recommend())
        {'units': 16, 'depth': 3}

    Raises:
        ConfigError: no such searcher or setting (names the allowed ones), a
            value that is not allowed, or `space` is no `SearchSpace`.
    """
    checked = make_settings(name, settings)
    check_space(space)
    module, _, class_name = SEARCHERS[name].partition(":")
    searcher = getattr(
        importlib.import_module(f"audiotag_nas.search.{module}"), class_name
    )
    keywords = {} if isinstance(checked, NoSettings) else {"settings": checked}
    return searcher(space, seed=check_seed(seed), **keywords)
