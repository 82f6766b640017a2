"""Computes a network's quality from its validation curves.

The reward is the quality less a penalty for costs. The quality is the best
value of a measure over the epochs so far, so it is also defined before a
training ends. A higher quality is better. Without a penalty, the quality lies
in [0, 1]. The paper's measure is `eer` (1 - mean EER; Liu and Zhang 2020).
docs/results/rewards.md reports how well each measure ranks networks.
"""

import math
from collections.abc import Callable, Mapping, Sequence

Curves = Mapping[str, Sequence[float]]
Quality = Callable[[Curves], float]


def _complement(value: float) -> float:
    return 1.0 - value


def _likelihood(loss: float) -> float:
    """The geometric mean of the probabilities of the true labels.

    The negated loss is not used, because it would be negative. A failed trial
    would then have a higher reward than a completed one.
    """
    return math.exp(-loss)


MEASURES: dict[str, Callable[[float], float]] = {
    "eer": _complement,
    "auc": float,
    "loss": _likelihood,
    "binormal_eer": _complement,
}
"""Measure (a value of `config.search.reward`) -> function that turns the number
of an epoch into a value to maximize."""


def make_quality(measure: str, *, penalty: float = 0.0) -> Quality:
    """Returns the quality that `measure` names, less a penalty.

    Args:
        measure: a name in `MEASURES`.
        penalty: the penalty for the network's costs. It is subtracted at every
            epoch, so that early stopping compares qualities less the penalty.
    """

    def quality(curves: Curves) -> float:
        values = curves[f"validation_{measure}"]
        return max(map(MEASURES[measure], values)) - penalty

    return quality


PAPER_QUALITY = make_quality("eer")
