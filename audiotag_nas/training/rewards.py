"""Computes a network's quality from its validation curves.

A measure gives each epoch a value. The quality is the best value so far. A
higher quality is better, and every quality lies in [0, 1]. The reward is the
quality after the last epoch, less a penalty for costs. The paper's measure is
`eer` (1 - mean EER; Liu and Zhang 2020).
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

    The negated loss would be below 0. A failed trial would then have a higher
    reward than a completed trial.
    """
    return math.exp(-loss)


MEASURES: dict[str, Callable[[float], float]] = {
    "eer": _complement,
    "auc": float,
    "loss": _likelihood,
    "binormal_eer": _complement,
}
"""Measure (a value of `config.search.reward`) -> function that turns a number
of the curve `validation_<measure>` into a value to maximize."""


def make_quality(measure: str, *, penalty: float = 0.0) -> Quality:
    """Returns a function of the curves: the quality, less a penalty.

    Args:
        measure: a name in `MEASURES`.
        penalty: the penalty for the network's costs. It is subtracted at every
            epoch, because early stopping compares penalized qualities.
    """

    def quality(curves: Curves) -> float:
        values = curves[f"validation_{measure}"]
        return max(map(MEASURES[measure], values)) - penalty

    return quality


PAPER_QUALITY = make_quality("eer")
