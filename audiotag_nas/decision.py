"""One categorical decision of a search space: a name and its choices.

`audiotag_nas.space` makes spaces of them and offers all of this too.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from audiotag_nas.errors import ConfigError

Choice = bool | int | float | str


@dataclasses.dataclass(frozen=True)
class Decision:
    """One categorical decision.

    Attributes:
        name: unique in its space, e.g. `block1_filters`.
        choices: the candidate values, in order; a token indexes them. NumPy's
            scalars become Python's.
        ordinal: whether neighbouring choices are alike (numbers in order),
            which a searcher may exploit; always a bool once made. None, the
            default, stands for whether all choices are numbers, which bools
            are not.

    Raises:
        ConfigError: the name is no string or empty; the choices have no
            order, there is none or one comes twice; a choice is not a bool,
            int, finite float or str; `ordinal` is neither a bool nor None.
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


def _checked_choices(name: str, choices: Any) -> tuple[Choice, ...]:
    # A string would give its letters, and the order of a set of strings is
    # another in each process: the same tokens would name other points.
    is_slip = isinstance(choices, str | bytes | set | frozenset | Mapping)
    try:
        result = () if is_slip else tuple(plain(choice) for choice in choices)
    except TypeError:
        is_slip = True
    if is_slip:
        raise ConfigError(
            f"`{name}`: choices must be a tuple or list of values. "
            f"Received: {choices!r}"
        )
    if not result:
        raise ConfigError(f"`{name}` must have at least one choice.")
    for choice in result:
        if not isinstance(choice, bool | int | float | str):
            raise ConfigError(
                f"`{name}`: a choice must be a bool, int, float or str; for "
                "anything else take strings or indices that stand for it. "
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
    """Python's value of a NumPy scalar; anything else as it is."""
    # By what it has, not by its class: NumPy need not be imported for this.
    is_scalar = hasattr(value, "dtype") and getattr(value, "ndim", None) == 0
    return value.item() if is_scalar and hasattr(value, "item") else value
