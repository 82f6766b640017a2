"""How good a network is, by its validation curves: what the reward is made of.

A quality is maximized and lies in [0, 1]. It is a function of the curves up to
an epoch, so a training has a quality after every epoch: what its reward would
be had it ended there. `benchmarks/rewards.py` measures which of them
tells good networks best; the results are in docs/rewards.md.

A name is a measure and a form: `eer` is 1 - the mean EER of the best epoch,
the paper's (Liu and Zhang 2020); `auc_last` the AUC of the last epoch;
`loss_mean3` and `binormal_eer_average` are of the mean of the last three
epochs and of an exponential average over the epochs.
"""

import functools
import itertools
import math
from collections.abc import Callable, Mapping, Sequence

Curves = Mapping[str, Sequence[float]]
Quality = Callable[[Curves], float]

AVERAGE_DECAY = 0.7
"""Share of the exponential average that each epoch keeps: [own], some five
epochs count."""


def _complement(value: float) -> float:
    return 1.0 - value


def _likelihood(loss: float) -> float:
    """The geometric mean of the probabilities given to what is true.

    Falls as the loss rises. The loss itself, negated, would be below the
    reward of a failed child.
    """
    return math.exp(-loss)


MEASURES: dict[str, Callable[[float], float]] = {
    "eer": _complement,
    "auc": float,
    "loss": _likelihood,
    "binormal_eer": _complement,
}
"""What is measured after an epoch -> how it becomes a number to maximize."""


def _best(values: Sequence[float]) -> float:
    return max(values)


def _last(values: Sequence[float]) -> float:
    return values[-1]


def _mean3(values: Sequence[float]) -> float:
    """Of the last three; of all, where there are fewer."""
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
    "": _best,
    "_last": _last,
    "_mean3": _mean3,
    "_average": _average,
}
"""Suffix of a name -> the epochs' numbers as one."""


def _quality(measure: str, form: str, curves: Curves) -> float:
    maximized = MEASURES[measure]
    values = [maximized(value) for value in curves[f"validation_{measure}"]]
    return FORMS[form](values)


QUALITIES: dict[str, Quality] = {
    measure + form: functools.partial(_quality, measure, form)
    for measure, form in itertools.product(MEASURES, FORMS)
}
"""Name (`config.search.reward`) -> the quality after the last epoch given."""


def quality_of(measure: str, *, penalty: float = 0.0) -> Quality:
    """What a trial's reward is made of.

    Args:
        measure: a name in `QUALITIES`.
        penalty: taken off after every epoch alike, for what the network costs
            (`costs`); so whatever looks at the quality early sees it too.
    """
    quality = QUALITIES[measure]
    if penalty == 0:
        return quality
    return lambda curves: quality(curves) - penalty
