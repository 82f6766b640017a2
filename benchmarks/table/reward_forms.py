"""Rewards that are compared: each measure, and each form of its curve.

A name is a measure and the suffix of a form: `auc_mean3` is the mean AUC of
the last three epochs. The package itself has the first form only, the best
epoch (docs/results/rewards.md).
"""

import functools
import itertools
from collections.abc import Callable, Sequence

from audiotag_nas.training.rewards import MEASURES

AVERAGE_DECAY = 0.7
"""Share of the exponential average that each epoch keeps: [own], about five
epochs count."""


def _last(values: Sequence[float]) -> float:
    return values[-1]


def _mean3(values: Sequence[float]) -> float:
    """The mean of the last three; of all if there are fewer."""
    last = values[-3:]
    return sum(last) / len(last)


def _average(values: Sequence[float]) -> float:
    return functools.reduce(
        lambda average, value: (
            AVERAGE_DECAY * average + (1.0 - AVERAGE_DECAY) * value
        ),
        values,
    )


FORMS: dict[str, Callable[[Sequence[float]], float]] = {
    "": max,
    "_last": _last,
    "_mean3": _mean3,
    "_average": _average,
}
"""Suffix of a name -> the epochs' values as one number."""

REWARDS = {
    measure + form: (measure, form)
    for measure, form in itertools.product(MEASURES, FORMS)
}


def reward_of(name: str, curve: Sequence[float]) -> float:
    """The reward of a training.

    Args:
        name: a name in `REWARDS`.
        curve: the measure's value after each epoch.
    """
    measure, form = REWARDS[name]
    return FORMS[form]([MEASURES[measure](value) for value in curve])
