"""Search spaces: ordered lists of categorical decisions, as plain values.

A *token* is the index of the choice made for one decision. A *point* of a space
is a tuple of tokens, one per decision. `audiotag_nas.architecture` defines the
space of the paper.
"""

import dataclasses
import math
import operator
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from audiotag_nas.errors import ConfigError

Choice = bool | int | float | str

Tokens = tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Decision:
    """One categorical decision.

    >>> Decision("filters", (8, 16, 32)).ordinal
    True
    >>> Decision("recurrent", ("bgru", "gated_bgru")).ordinal
    False

    Attributes:
        name: a name that is unique in its space, e.g. `block1_filters`.
        choices: the candidate values; the token of a choice is its index. NumPy
            scalars are turned into Python scalars.
        ordinal: whether neighboring choices are similar, e.g. because they are
            sorted numbers. None, the default, is replaced by True if all
            choices are numbers (a bool is not a number), else by False.

    Raises:
        ConfigError: the name is empty or not a string; the choices have no
            order, are empty or repeat a value; a choice is not a bool, int,
            finite float or str; `ordinal` is neither a bool nor None.
    """

    name: str
    choices: tuple[Choice, ...]
    ordinal: bool | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise ConfigError(
                f"a decision's name must be a string. Received: {self.name!r}"
            )
        if not self.name:
            raise ConfigError("a decision's name must not be empty.")
        choices = _checked_choices(self.name, self.choices)
        ordinal = plain(self.ordinal)
        if ordinal is None:
            ordinal = all(
                isinstance(choice, int | float) and not isinstance(choice, bool)
                for choice in choices
            )
        if not isinstance(ordinal, bool):
            raise ConfigError(
                f"`{self.name}`: `ordinal` must be True, False or None. "
                f"Received: {self.ordinal!r}"
            )
        object.__setattr__(self, "choices", choices)
        object.__setattr__(self, "ordinal", ordinal)


@dataclasses.dataclass(frozen=True)
class SearchSpace:
    """An ordered list of decisions; a point is one token per decision.

    >>> space = SearchSpace(
    ...     (
    ...         Decision("filters", (8, 16, 32)),
    ...         Decision("recurrent", ("bgru", "gated_bgru")),
    ...     )
    ... )
    >>> space.size
    6
    >>> space.values((2, 0))
    {'filters': 32, 'recurrent': 'bgru'}
    >>> space.tokens({"filters": 8, "recurrent": "gated_bgru"})
    (0, 1)

    Raises:
        ConfigError: `decisions` is not a tuple or list of decisions, is empty,
            or two decisions have the same name.
    """

    decisions: tuple[Decision, ...]

    def __post_init__(self) -> None:
        decisions = self.decisions
        if isinstance(decisions, Iterable) and not isinstance(decisions, str):
            decisions = tuple(decisions)
        if not isinstance(decisions, tuple) or not all(
            isinstance(decision, Decision) for decision in decisions
        ):
            raise ConfigError(
                "a search space must be made of a tuple or list of Decisions, "
                "SearchSpace((Decision(...), ...)). "
                f"Received: {self.decisions!r}"
            )
        object.__setattr__(self, "decisions", decisions)
        names = [decision.name for decision in self.decisions]
        if not names:
            raise ConfigError("a search space must have at least one decision.")
        if len(set(names)) != len(names):
            raise ConfigError(
                f"the names of decisions must differ. Received: {names}"
            )

    @property
    def num_decisions(self) -> int:
        return len(self.decisions)

    @property
    def num_choices(self) -> tuple[int, ...]:
        """The number of choices of each decision."""
        return tuple(len(decision.choices) for decision in self.decisions)

    @property
    def size(self) -> int:
        """The number of points."""
        return math.prod(self.num_choices)

    def validate(self, tokens: Iterable[int]) -> Tokens:
        """Returns `tokens` as a tuple of ints.

        Raises:
            ConfigError: a token is not a whole number or is out of range, or
                the numbers of tokens and decisions differ.
        """
        try:
            result = tuple(operator.index(token) for token in tokens)
        except TypeError:
            raise ConfigError(
                f"tokens must be whole numbers. Received: {tokens!r}"
            ) from None
        if len(result) != self.num_decisions:
            raise ConfigError(
                f"tokens must be {self.num_decisions}, one per decision. "
                f"Received: {len(result)} tokens"
            )
        for token, decision in zip(result, self.decisions, strict=True):
            if not 0 <= token < len(decision.choices):
                raise ConfigError(
                    f"the token of `{decision.name}` must be from 0 to "
                    f"{len(decision.choices) - 1}. Received: {token}"
                )
        return result

    def values(self, tokens: Iterable[int]) -> dict[str, Choice]:
        """Returns the point's choice for each decision name."""
        return {
            decision.name: decision.choices[token]
            for decision, token in zip(
                self.decisions, self.validate(tokens), strict=True
            )
        }

    def tokens(self, values: Mapping[str, Choice]) -> Tokens:
        """Returns the tokens of the point with these values.

        Raises:
            ConfigError: a decision has no value, a value is not among the
                choices of its decision, or a name is unknown.
        """
        unknown = set(values) - {decision.name for decision in self.decisions}
        if unknown:
            raise ConfigError(
                f"not a decision of this space: {sorted(unknown)}"
            )
        result = []
        for decision in self.decisions:
            if decision.name not in values:
                raise ConfigError(f"`{decision.name}` has no value.")
            value = values[decision.name]
            if value not in decision.choices:
                raise ConfigError(
                    f"`{decision.name}` must be one of "
                    f"{list(decision.choices)}. Received: {value!r}"
                )
            result.append(decision.choices.index(value))
        return tuple(result)

    def to_json(self) -> list[dict[str, Any]]:
        return [dataclasses.asdict(decision) for decision in self.decisions]

    @classmethod
    def from_json(cls, rows: Sequence[Mapping[str, Any]]) -> "SearchSpace":
        return cls(
            tuple(
                Decision(
                    name=row["name"],
                    choices=tuple(row["choices"]),
                    ordinal=row["ordinal"],
                )
                for row in rows
            )
        )


def check_space(space: Any) -> None:
    """Raises ConfigError if `space` is not a `SearchSpace`."""
    if not isinstance(space, SearchSpace):
        raise ConfigError(
            "`space` must be a SearchSpace, SearchSpace((Decision(...), ...)). "
            f"Received: {space!r}"
        )


def _checked_choices(name: str, choices: Any) -> tuple[Choice, ...]:
    # Each letter of a string would become a choice. A set of strings has a
    # different order in each process, so a token would have no fixed meaning.
    is_invalid = isinstance(choices, str | bytes | set | frozenset | Mapping)
    try:
        result = (
            () if is_invalid else tuple(plain(choice) for choice in choices)
        )
    except TypeError:
        is_invalid = True
    if is_invalid:
        raise ConfigError(
            f"`{name}`: choices must be a tuple or list of values. "
            f"Received: {choices!r}"
        )
    if not result:
        raise ConfigError(f"`{name}` must have at least one choice.")
    for choice in result:
        if not isinstance(choice, bool | int | float | str):
            raise ConfigError(
                f"`{name}`: a choice must be a bool, int, float or str; use "
                "strings or indices to name other objects. "
                f"Received: {choice!r}"
            )
        if isinstance(choice, float) and not math.isfinite(choice):
            raise ConfigError(
                f"`{name}`: a choice must be finite. Received: {choice!r}"
            )
    if len(set(result)) != len(result):
        raise ConfigError(
            f"`{name}`: choices must differ. Received: {list(result)}"
        )
    return result


def plain(value: Any) -> Any:
    """Returns a NumPy scalar as a Python scalar, and other values unchanged."""
    # Attributes are checked instead of types, so NumPy need not be imported.
    is_scalar = hasattr(value, "dtype") and getattr(value, "ndim", None) == 0
    return value.item() if is_scalar and hasattr(value, "item") else value
