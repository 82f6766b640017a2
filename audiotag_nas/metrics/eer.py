"""Computes the equal error rate (EER) of one tag and the tag's threshold.

As in DCASE 2016 task 4, the EER is taken at the exact point of the piecewise
linear ROC where the miss rate equals the false-alarm rate. The EER is neither
the rate at the nearest threshold nor an average of two rates.

In array shapes, n counts clips, R weightings (bootstrap resamples) and K tags.
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
"""Rates that differ by less count as equal, as in the evaluation of DCASE."""


def equal_error_rate(labels: npt.ArrayLike, scores: npt.ArrayLike) -> float:
    """Returns the EER: the miss rate where it equals the false-alarm rate.

    >>> from audiotag_nas.metrics import equal_error_rate
    >>> eer = equal_error_rate([0, 1, 1, 0, 1], [0.2, 0.2, 0.6, 0.6, 0.9])
    >>> round(eer, 6)
    0.4
    >>> equal_error_rate([0, 0, 0, 1, 1], [0.1, 0.2, 0.3, 0.8, 0.9])
    0.0

    Args:
        labels: the labels of the clips, (n,), 0 or 1.
        scores: the scores of the clips, (n,). A higher score means that the tag
            is more probable.

    Returns:
        A rate from 0 to 1, or NaN if there is no positive or no negative clip.
        If all scores are equal, the rate is 0.5. If every positive clip scores
        lower than every negative clip, the rate is 1.0.

    Raises:
        ConfigError: the shapes differ, or have more than one dimension.
        DataError: a label is neither 0 nor 1, or a score is NaN.
    """
    labels, scores = check_tag(labels, scores)
    weights = np.ones((1, len(labels)))
    return float(equal_error_rates(labels, scores, weights)[0])


def equal_error_rates(labels: Array, scores: Array, weights: Array) -> Array:
    """Returns the EER under each weighting; sorts the scores only once.

    Args:
        labels: the labels (n,) bool, as `check_tag` returns them.
        scores: the scores (n,), as `check_tag` returns them.
        weights: the weights of the clips, (R, n), 0 or more. An integer weight
            w has the effect of w copies of the clip.

    Returns:
        The EERs (R,), float64. An EER is NaN if all positive clips or all
        negative clips have weight 0.
    """
    if not labels.size:
        return np.full(len(weights), np.nan)
    _, hits, alarms = counts(labels, scores, weights)
    with np.errstate(invalid="ignore"):
        true_rate = from_zero(hits / hits[:, -1:])
        false_rate = from_zero(alarms / alarms[:, -1:])
    rows = np.arange(len(weights))
    # The ROC starts at (0, 0), before the crossing, and ends at (1, 1), after
    # it. Thus the first point past the crossing has a predecessor. A row of NaN
    # gives NaN.
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

    The log-odds of the scores have mean m1 and standard deviation s1 in the
    positive clips, and m0 and s0 in the negative clips. The EER of the model is
    Phi(-(m1 - m0) / (s1 + s0)) (Dorfman and Alf, J. Math. Psych. 1969). The EER
    of the model changes with every score, while the exact EER changes in steps
    of one clip. Therefore the EER of the model is less noisy on few clips.

    Args:
        labels: the labels of the clips, (n,), 0 or 1.
        scores: the scores of the clips, (n,), in [0, 1]. The scores are clipped
            to [1e-4, 1 - 1e-4].

    Returns:
        A rate from 0 to 1, or NaN if there is no positive or no negative clip.
        If s1 and s0 are both 0, the rate is 0, 0.5 or 1.
    """
    labels, scores = check_tag(labels, scores)
    if not labels.any() or labels.all():
        return float("nan")
    clipped = np.clip(np.asarray(scores, np.float64), 1e-4, 1 - 1e-4)
    log_odds = np.log(clipped) - np.log1p(-clipped)
    positive, negative = log_odds[labels], log_odds[~labels]
    if np.ptp(positive) == 0 and np.ptp(negative) == 0:
        # Rounding errors could make the standard deviations differ from 0.
        return float(0.5 - 0.5 * np.sign(positive[0] - negative[0]))
    difference = positive.mean() - negative.mean()
    spread = positive.std() + negative.std()
    return NormalDist().cdf(-float(difference / spread))


def best_threshold(labels: npt.ArrayLike, scores: npt.ArrayLike) -> float:
    """Returns the threshold where miss rate and false-alarm rate are closest.

    Two points of the ROC enclose the EER. The point with the smaller difference
    between the two rates is chosen. If both differences are equal, the point
    with the lower score is chosen. The threshold is midway between the score of
    the chosen point and the next lower score. Hence rounded scores lead to the
    same decisions. If the EER is undefined, the threshold is 0.5.
    `equal_error_rate` describes arguments and errors.
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
    # There is no middle if the floats are adjacent or a score is infinite.
    return middle if below < middle <= level else level


def best_thresholds(labels: npt.ArrayLike, scores: npt.ArrayLike) -> Array:
    """Returns the `best_threshold` of each tag, (K,), from arrays (n, K)."""
    labels, scores = check_tags(labels, scores)
    columns = zip(labels.T, scores.T, strict=True)
    return np.array([best_threshold(*column) for column in columns])


def _first_past(true_rate: Array, false_rate: Array) -> Array:
    """Returns each row's first point with false-alarm rate >= miss rate."""
    return np.argmax(false_rate + TOLERANCE >= 1.0 - true_rate, axis=1)
