"""How good a network is, by its validation curves: what the reward is made of.

A quality is maximized and is at most 1. It is a function of the curves up to
an epoch, so a training has a quality after every epoch: what its reward would
be had it ended there.
"""

from collections.abc import Callable, Mapping, Sequence

Curves = Mapping[str, Sequence[float]]
Quality = Callable[[Curves], float]


def _eer(curves: Curves) -> float:
    """1 - validation mean EER of the best epoch (Liu and Zhang 2020)."""
    return 1.0 - min(curves["validation_eer"])


QUALITIES: dict[str, Quality] = {"eer": _eer}
"""Name (`config.search.reward`) -> the quality after the last epoch given."""
