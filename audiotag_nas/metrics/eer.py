"""The equal error rate (EER) of one tag, and the threshold that belongs to it.

The definition is that of DCASE 2016 task 4: the exact point where the
piecewise linear ROC has equal miss rate and false-alarm rate, neither the
nearest threshold nor an average of two rates.

Shapes: n clips, R weightings (bootstrap resamples), K tags.
"""

from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from audiotag_nas.metrics.curves import (
    Array,
    check_tag,
    check_tags,
    counts,
    counts_once,
    from_zero,
)

TOLERANCE = 1e-6
"""Closer rates are equal, as in the challenge's evaluation."""


def equal_error_rate(labels: npt.ArrayLike, scores: npt.ArrayLike) -> float:
    """Returns the rate at which miss rate and false-alarm rate are equal.

    >>> from audiotag_nas.metrics import equal_error_rate
    >>> eer = equal_error_rate([0, 1, 1, 0, 1], [0.2, 0.2, 0.6, 0.6, 0.9])
    >>> round(eer, 6)
    0.4
    >>> equal_error_rate([0, 0, 0, 1, 1], [0.1, 0.2, 0.3, 0.8, 0.9])
    0.0

    Args:
        labels: (n,), 0 or 1.
        scores: (n,), higher means more present.

    Returns:
        0 to 1; NaN without a positive or without a negative clip. A constant
        score gives 0.5, a reversed order 1.0.

    Raises:
        ConfigError: shapes that differ.
        DataError: a label other than 0 and 1, or a NaN score.
    """
    labels, scores = check_tag(labels, scores)
    weights = np.ones((1, len(labels)))
    return float(equal_error_rates(labels, scores, weights)[0])


def equal_error_rates(labels: Array, scores: Array, weights: Array) -> Array:
    """Returns the EER under each weighting, from one sort of the scores.

    Args:
        labels: (n,) bool, checked.
        scores: (n,), checked.
        weights: (R, n), 0 or more; an integer has the effect of repeating the
            clip.

    Returns:
        (R,) float64; NaN if the positive or negative clips weigh nothing.
    """
    if not labels.size:
        return np.full(len(weights), np.nan)
    _, hits, alarms = counts(labels, scores, weights)
    with np.errstate(invalid="ignore"):
        true_rate = from_zero(hits / hits[:, -1:])
        false_rate = from_zero(alarms / alarms[:, -1:])
    rows = np.arange(len(weights))
    # (0, 0) lies before the crossing and (1, 1) after it, so there is a point
    # before the first one past the crossing. Rows of NaN stay NaN.
    second = np.maximum(_first_past(true_rate, false_rate), 1)
    true1, true2 = true_rate[rows, second - 1], true_rate[rows, second]
    false1, false2 = false_rate[rows, second - 1], false_rate[rows, second]
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = (true2 - true1) / (false2 - false1)
        crossing = (1.0 - (true1 - slope * false1)) / (1.0 + slope)
    vertical = np.abs(false2 - false1) < TOLERANCE
    eer = np.where(vertical, false1, crossing)
    defined = (hits[:, -1] > 0) & (alarms[:, -1] > 0)
    return np.where(defined, eer, np.nan)


def binormal_equal_error_rate(
    labels: npt.ArrayLike, scores: npt.ArrayLike
) -> float:
    """Returns the EER of the binormal model of the ROC.

    EER = Phi(-(m1 - m0) / (s1 + s0)), with mean m and standard deviation s
    of the log-odds of the positive (1) and negative (0) clips (Dorfman and
    Alf, J. Math. Psych. 1969). It changes with every score, while the EER
    changes in steps of one clip; this makes it less noisy on few clips.

    Args:
        labels: (n,), 0 or 1.
        scores: (n,) in [0, 1]; clipped to [1e-4, 1 - 1e-4].

    Returns:
        0 to 1; NaN without a positive or without a negative clip. If both
        standard deviations are 0: 0, 0.5 or 1.
    """
    labels, scores = check_tag(labels, scores)
    if not labels.any() or labels.all():
        return float("nan")
    clipped = np.clip(np.asarray(scores, np.float64), 1e-4, 1 - 1e-4)
    log_odds = np.log(clipped) - np.log1p(-clipped)
    positive, negative = log_odds[labels], log_odds[~labels]
    if np.ptp(positive) == 0 and np.ptp(negative) == 0:
        # Rounding would give a standard deviation other than 0.
        return float(0.5 - 0.5 * np.sign(positive[0] - negative[0]))
    difference = positive.mean() - negative.mean()
    spread = positive.std() + negative.std()
    return NormalDist().cdf(-float(difference / spread))


def best_threshold(labels: npt.ArrayLike, scores: npt.ArrayLike) -> float:
    """Returns the threshold with the closest miss and false-alarm rates.

    Two points of the ROC enclose the EER. The one with the smaller difference
    of the rates is chosen, the lower threshold if they tie. The threshold is
    midway between its score and the next lower one, so that rounded scores
    lead to the same decisions. If the EER is undefined, the threshold is 0.5.
    Arguments and errors: `equal_error_rate`.
    """
    labels, scores = check_tag(labels, scores)
    if not labels.any() or labels.all():
        return 0.5
    levels, hits, alarms = counts_once(labels, scores)
    true_rate, false_rate = hits / hits[-1], alarms / alarms[-1]
    point = int(_first_past(true_rate[np.newaxis], false_rate[np.newaxis])[0])
    gap = np.abs(false_rate - (1.0 - true_rate))
    if point > 0 and gap[point - 1] < gap[point]:
        point -= 1
    level = float(levels[point])
    if point + 1 == len(levels):
        return level
    below = float(levels[point + 1])
    middle = below + (level - below) / 2.0
    # Adjacent floats and infinite scores have no middle.
    return middle if below < middle <= level else level


def best_thresholds(labels: npt.ArrayLike, scores: npt.ArrayLike) -> Array:
    """Returns `best_threshold` of each tag, (K,), for arrays (n, K)."""
    labels, scores = check_tags(labels, scores)
    columns = zip(labels.T, scores.T, strict=True)
    return np.array([best_threshold(*column) for column in columns])


def _first_past(true_rate: Array, false_rate: Array) -> Array:
    """Returns each row's first point with FPR >= FNR, (R,) ints."""
    return np.argmax(false_rate + TOLERANCE >= 1.0 - true_rate, axis=1)
