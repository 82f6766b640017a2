"""Checks of what searchers are set to."""

import math
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
    whole: bool = False,
) -> None:
    """Raises ConfigError where a setting is out of its range."""
    number = (int,) if whole else (int, float)
    fits = isinstance(value, number) and not isinstance(value, bool)
    if fits:
        fits = value > low if open_low else value >= low
        fits = fits and value < below
    if not fits:
        rule = "above" if open_low else "at least"
        upper = "" if math.isinf(below) else f" and below {below}"
        kind = "an int" if whole else "a number"
        raise ConfigError(
            f"searcher `{searcher}`, `{name}`: must be {kind} {rule} "
            f"{low}{upper}. Received: {value!r}"
        )
