"""The quality of a network, by its validation curves: the reward's main part.

A quality is maximized and lies in [0, 1]: the best value of a measure over the
epochs so far, so that it is also defined before a training ends. The paper's
measure is `eer` (1 - mean EER; Liu and Zhang 2020). docs/results/rewards.md
reports how well each measure ranks networks.
"""

import math
from collections.abc import Callable, Mapping, Sequence

Curves = Mapping[str, Sequence[float]]
Quality = Callable[[Curves], float]


def _complement(value: float) -> float:
    return 1.0 - value


def _likelihood(loss: float) -> float:
    """The geometric mean of the probabilities of the true labels.

    The negated loss would be below the reward of a failed trial.
    """
    return math.exp(-loss)


MEASURES: dict[str, Callable[[float], float]] = {
    "eer": _complement,
    "auc": float,
    "loss": _likelihood,
    "binormal_eer": _complement,
}
"""Measure (`config.search.reward`) -> its value after an epoch, maximized."""


def make_quality(measure: str, *, penalty: float = 0.0) -> Quality:
    """Returns the quality that `measure` names, less a penalty.

    Args:
        measure: a name in `MEASURES`.
        penalty: for the network's costs, subtracted at every epoch, so that
            early stopping sees it too.
    """

    def quality(curves: Curves) -> float:
        values = curves[f"validation_{measure}"]
        return max(map(MEASURES[measure], values)) - penalty

    return quality


PAPER_QUALITY = make_quality("eer")
