"""The rewards that are compared, one per measure and form.

A form turns the curve of a measure into one number. The name of a reward is the
measure followed by the suffix of the form: `auc_mean3` is the mean AUC of the
last three epochs. The package itself uses only the first form, the value of the
best epoch (docs/results/rewards.md).
"""

import functools
import itertools
from collections.abc import Callable, Sequence

from audiotag_nas.training.rewards import MEASURES

AVERAGE_DECAY = 0.7
"""Weight of the average so far when the value of an epoch is added. This
project's own choice: the last five epochs have most of the weight."""


def _last(values: Sequence[float]) -> float:
    return values[-1]


def _mean3(values: Sequence[float]) -> float:
    """Returns the mean of the last three values, or of all if fewer exist."""
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
"""Suffix of a form -> function (values of the epochs) -> one number."""

REWARDS = {
    measure + form: (measure, form)
    for measure, form in itertools.product(MEASURES, FORMS)
}


def reward_of(name: str, curve: Sequence[float]) -> float:
    """Returns the reward of a training.

    Args:
        name: a name in `REWARDS`.
        curve: the measure's value after each epoch.
    """
    measure, form = REWARDS[name]
    return FORMS[form]([MEASURES[measure](value) for value in curve])
