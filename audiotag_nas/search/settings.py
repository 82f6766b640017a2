"""Checks of what searchers are set to."""

import math
import numbers
from typing import Any

from audiotag_nas.errors import ConfigError


def check_setting(
    searcher: str,
    name: str,
    value: Any,
    *,
    low: float,
    open_low: bool = False,
    below: float = math.inf,
    most: float = math.inf,
    whole: bool = False,
) -> Any:
    """`value` as Python's int if `whole`, else as a float or int.

    Args:
        searcher: for the error.
        name: of the setting.
        value: what it was given, a number of NumPy's too.
        low: least value; above that, if `open_low`.
        open_low: see `low`.
        below: what it must be below.
        most: greatest value.
        whole: whether it must be an int.

    Raises:
        ConfigError: it is out of its range or no such number.
    """
    number = numbers.Integral if whole else numbers.Real
    fits = isinstance(value, number) and not isinstance(value, bool)
    if fits:
        fits = value > low if open_low else value >= low
        fits = fits and value < below and value <= most
    if not fits:
        rule = "above" if open_low else "at least"
        upper = "" if math.isinf(below) else f" and below {below}"
        upper += "" if math.isinf(most) else f" and at most {most:g}"
        kind = "an int" if whole else "a number"
        raise ConfigError(
            f"searcher `{searcher}`, `{name}`: must be {kind} {rule} "
            f"{low}{upper}. Received: {value!r}"
        )
    return int(value) if isinstance(value, numbers.Integral) else float(value)


def check_switch(searcher: str, name: str, value: Any) -> None:
    """Raises ConfigError where a setting is neither True nor False."""
    # The text "false" would count as true.
    if not isinstance(value, bool):
        raise ConfigError(
            f"searcher `{searcher}`, `{name}`: must be True or False. "
            f"Received: {value!r}"
        )
