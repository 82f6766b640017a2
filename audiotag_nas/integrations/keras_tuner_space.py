"""Converts keras-tuner hyperparameters to a `SearchSpace`, points to values.

The module only reads attributes of the hyperparameter objects and does not
import keras-tuner. Each hyperparameter that is not Fixed becomes a decision.
Hyperparameters of the same name under different conditions become separate
decisions. A decision is active if the conditions of its hyperparameter hold.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from audiotag_nas.errors import ConfigError
from audiotag_nas.space import Choice, Decision, SearchSpace, Tokens

MAX_CHOICES = 256
"""Limit per hyperparameter; with more values, each is tried too rarely."""


class TunerSpace:
    """The search space of hyperparameters.

    Args:
        hyperparameters: the list `keras_tuner.HyperParameters.space`, in which
            each condition depends only on earlier hyperparameters.

    Attributes:
        search_space: one decision per hyperparameter that is not Fixed; None if
            all are Fixed.

    Raises:
        ConfigError: a hyperparameter has too many values, or its values can't
            be listed.
    """

    def __init__(self, hyperparameters: Sequence[Any]) -> None:
        self._hyperparameters = list(hyperparameters)
        decisions: list[Decision] = []
        names: dict[str, int] = {}
        # The index of each hyperparameter's decision; None for a Fixed one.
        self._positions: list[int | None] = []
        for hp in self._hyperparameters:
            if type(hp).__name__ == "Fixed":
                self._positions.append(None)
                continue
            names[hp.name] = names.get(hp.name, 0) + 1
            name = hp.name
            if names[name] > 1:
                name = f"{name} ({names[name]})"
            self._positions.append(len(decisions))
            decisions.append(_decision(hp, name))
        self.search_space = SearchSpace(tuple(decisions)) if decisions else None

    def values(self, tokens: Iterable[int]) -> dict[str, Choice]:
        """The values of all active hyperparameters, including Fixed ones."""
        point = tuple(tokens)
        values: dict[str, Choice] = {}
        for hp, position in self._pairs():
            if _is_active(hp, values):
                values[hp.name] = (
                    hp.value
                    if position is None
                    else self._choices(position)[point[position]]
                )
        return values

    def canonical(self, tokens: Iterable[int]) -> Tokens:
        """The same point for all points with the same active values."""
        return self.tokens(self.values(tokens))

    def tokens(self, values: Mapping[str, Choice]) -> Tokens:
        """The point of these values.

        Inactive decisions are 0. The default replaces a missing value, since a
        hyperparameter may be declared after the trial was made. The nearest
        choice replaces a value between two choices.
        """
        point = []
        for hp, position in self._pairs():
            if position is None:
                continue
            if _is_active(hp, values):
                value = values.get(hp.name, hp.default)
                point.append(_nearest(self._choices(position), value))
            else:
                point.append(0)
        return tuple(point)

    def _pairs(self) -> Iterable[tuple[Any, int | None]]:
        return zip(self._hyperparameters, self._positions, strict=True)

    def _choices(self, position: int) -> tuple[Choice, ...]:
        if self.search_space is None:
            raise ValueError("the space is empty")
        return self.search_space.decisions[position].choices


def _is_active(hp: Any, values: Mapping[str, Choice]) -> bool:
    return all(condition.is_active(values) for condition in hp.conditions)


def _decision(hp: Any, name: str) -> Decision:
    kind = type(hp).__name__
    if kind == "Boolean":
        return Decision(name, (False, True), ordinal=False)
    if kind == "Choice":
        return Decision(name, tuple(hp.values), ordinal=bool(hp.ordered))
    if kind == "Int":
        return Decision(name, _int_choices(hp))
    if kind == "Float":
        return Decision(name, _float_choices(hp))
    raise ConfigError(
        f"hyperparameter `{hp.name}`: must be a Choice, Boolean, Int, Float "
        f"or Fixed. Received: {kind}"
    )


def _int_choices(hp: Any) -> tuple[int, ...]:
    if hp.step is None:  # logarithmic sampling: every int is possible
        _check_number(hp, hp.max_value - hp.min_value + 1)
        return tuple(range(hp.min_value, hp.max_value + 1))
    return tuple(dict.fromkeys(int(value) for value in _stepped(hp)))


def _float_choices(hp: Any) -> tuple[float, ...]:
    if hp.step is None:
        raise ConfigError(
            f"hyperparameter `{hp.name}`: a Float must have a `step`, so "
            "that its values can be counted. With sampling='log', `step` is a "
            "factor. Received: step=None"
        )
    return tuple(float(value) for value in _stepped(hp))


def _stepped(hp: Any) -> list[float]:
    if not hp.step > 0:
        raise ConfigError(
            f"hyperparameter `{hp.name}`: `step` must be positive. "
            f"Received: {hp.step}"
        )
    # Values are counted before a list of the values could exhaust the memory.
    if hp.sampling == "linear":
        number = (hp.max_value - hp.min_value) // hp.step + 1
    else:
        number = math.log(hp.max_value / hp.min_value, hp.step) + 1
    _check_number(hp, int(number))
    return list(hp.values)


def _check_number(hp: Any, number: int) -> None:
    if number > MAX_CHOICES:
        raise ConfigError(
            f"hyperparameter `{hp.name}`: must have at most {MAX_CHOICES} "
            "values. Give a larger `step`; with sampling='log', `step` is a "
            f"factor. Received: {number} values"
        )


def _nearest(choices: tuple[Choice, ...], value: Choice) -> int:
    if value in choices:
        return choices.index(value)
    distances = [
        abs(choice - value)
        if isinstance(choice, int | float) and isinstance(value, int | float)
        else math.inf
        for choice in choices
    ]
    return distances.index(min(distances))
