"""The rewards that a searcher observed, their means and the best point."""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from audiotag_nas.errors import ConfigError
from audiotag_nas.search.searcher import is_reward
from audiotag_nas.space import SearchSpace, Tokens
from audiotag_nas.trial import MAX_REWARD


class ObservedRewards:
    """All rewards of each observed point; finds the best mean reward.

    Every searcher of this package has an `ObservedRewards`, so that all
    searchers make the same checks.

    Args:
        space: the space of the points.
    """

    def __init__(self, space: SearchSpace) -> None:
        self._space = space
        self._rewards: dict[Tokens, list[float]] = {}

    def add(
        self, tokens: Sequence[Sequence[int]], rewards: Sequence[float]
    ) -> tuple[list[Tokens], list[float]]:
        """Checks and keeps a batch; returns the batch as tuples and floats.

        Raises:
            ConfigError: the batch is invalid, as in `Searcher.tell`.
        """
        tokens, rewards = (
            _as_list("tokens", tokens),
            _as_list("rewards", rewards),
        )
        if len(tokens) != len(rewards):
            raise ConfigError(
                "tell: there must be one reward per tuple of tokens. "
                f"Received: {len(tokens)} tuples and {len(rewards)} rewards"
            )
        checked_tokens = [self._space.validate(point) for point in tokens]
        checked_rewards = [
            _checked_reward(reward, point)
            for reward, point in zip(rewards, checked_tokens, strict=True)
        ]
        for point, reward in zip(checked_tokens, checked_rewards, strict=True):
            self._rewards.setdefault(point, []).append(reward)
        return checked_tokens, checked_rewards

    @property
    def rewards(self) -> Mapping[Tokens, list[float]]:
        """All rewards of each point; points are in the order first observed."""
        return self._rewards

    def means(self) -> dict[Tokens, float]:
        """Returns the mean reward of each point, in the order of `rewards`."""
        # statistics.mean is exact. A mean computed from a running sum of three
        # equal rewards might differ from these rewards.
        return {
            point: statistics.mean(rewards)
            for point, rewards in self._rewards.items()
        }

    def points(
        self, among: Iterable[Sequence[int]] | None = None
    ) -> list[Tokens]:
        """Returns the observed points, in the order first observed.

        Args:
            among: the points to choose from; None means all observed points.

        Raises:
            ConfigError: no point is observed, no point of `among` is observed,
                or a point of `among` is not of the space.
        """
        if not self._rewards:
            raise ConfigError(
                "recommend: a searcher must be told a reward first."
            )
        if among is None:
            return list(self._rewards)
        wanted = _checked_points(self._space, among)
        points = [point for point in self._rewards if point in wanted]
        if not points:
            raise ConfigError(
                "recommend: one of the points to choose among must have been "
                f"told a reward. Received: {len(wanted)} points"
            )
        return points

    def best(self, among: Iterable[Sequence[int]] | None = None) -> Tokens:
        """Returns the point of the best mean reward, or the first of equals.

        Args:
            among: the points to choose from, as in `points`.

        Raises:
            ConfigError: no point can be chosen, as in `points`.
        """
        means = self.means()
        return max(self.points(among), key=means.__getitem__)


def _as_list(name: str, values: Iterable[Any]) -> list[Any]:
    try:
        return list(values)
    except TypeError:
        raise ConfigError(
            f"tell: `{name}` must be a list or other iterable with one entry "
            f"per training. Received: {values!r}"
        ) from None


def _checked_points(
    space: SearchSpace, among: Iterable[Sequence[int]]
) -> set[Tokens]:
    try:
        points = iter(among)
    except TypeError:
        raise ConfigError(
            "recommend: `among` must be points of the space, each a tuple or "
            f"list of tokens. Received: {among!r}"
        ) from None
    return {space.validate(point) for point in points}


def _checked_reward(reward: Any, tokens: Tokens) -> float:
    try:
        # float() would accept a string, but here a string is a mistake.
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
