"""The numbers of one tag, from its labels and scores.

All of them come from one walk over the scores in falling order, where tied
scores are one step. The equal error rate (EER) is that of DCASE 2016 task 4:
the exact crossing of the piecewise linear ROC with FNR = FPR, neither the
nearest threshold nor an average of two rates.

Shapes: n clips, G different scores, R weightings (bootstrap resamples).
"""

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from audiotag_nas.errors import ConfigError, DataError

Array = npt.NDArray
TOLERANCE = 1e-6
"""Rates nearer than this are equal, as in the challenge's evaluation."""


def equal_error_rate(
    labels: npt.ArrayLike,
    scores: npt.ArrayLike,
    weights: npt.ArrayLike | None = None,
) -> float:
    """The rate at which misses and false alarms are equally frequent.

    Args:
        labels: (n,), 0 or 1.
        scores: (n,), higher means more present; a NaN is an error.
        weights: (n,), how often each clip counts; once if None. Whole
            numbers give what physically repeated clips give.

    Returns:
        0 to 1; NaN without a positive or without a negative clip. A constant
        score gives 0.5 and an inverted order 1.0.

    Raises:
        ConfigError: shapes that differ, or a negative weight.
        DataError: a label other than 0 and 1, or a NaN score.
    """
    labels, scores = check_tag(labels, scores)
    if weights is None:
        weights = np.ones(labels.shape)
    weights = np.asarray(weights, np.float64)
    if weights.shape != labels.shape:
        raise ConfigError(
            f"weights must have the labels' shape {labels.shape}. "
            f"Received: {weights.shape}"
        )
    if not np.all(weights >= 0):
        raise ConfigError("weights must be numbers of 0 or more.")
    return float(equal_error_rates(labels, scores, weights[np.newaxis])[0])


def equal_error_rates(labels: Array, scores: Array, weights: Array) -> Array:
    """The EER under each of many weightings; one sort serves them all.

    Args:
        labels: (n,) bool, checked.
        scores: (n,), checked.
        weights: (R, n), 0 or more.

    Returns:
        (R,) float64, NaN where a weighting leaves no positive or no negative.
    """
    if not labels.size:
        return np.full(len(weights), np.nan)
    _, hits, alarms = counts(labels, scores, weights)
    with np.errstate(invalid="ignore"):
        true_rate = _from_zero(hits / hits[:, -1:])
        false_rate = _from_zero(alarms / alarms[:, -1:])
    rows = np.arange(len(weights))
    # (0, 0) is never past the crossing and (1, 1) always is, so there is a
    # point before the first that is; rows of NaN stay NaN.
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
    """The EER of two normal distributions with the scores' log-odds' moments.

    EER = Phi(-(m1 - m0) / (s1 + s0)), with mean m and standard deviation s
    of the log-odds of the positive (1) and negative (0) clips: where the two
    tails are equal in the binormal model of the ROC (Dorfman and Alf, J. Math.
    Psych. 1969). It moves with every score, where the EER itself moves in
    steps of one clip, so it is less noisy on few clips.

    Args:
        labels: (n,), 0 or 1.
        scores: (n,), in [0, 1]; clipped to [1e-4, 1 - 1e-4].

    Returns:
        0 to 1; NaN without a positive or without a negative clip. Where all
        scores of a kind are equal on both sides: 0, 0.5 or 1.
    """
    labels, scores = check_tag(labels, scores)
    if not labels.any() or labels.all():
        return float("nan")
    clipped = np.clip(np.asarray(scores, np.float64), 1e-4, 1 - 1e-4)
    log_odds = np.log(clipped) - np.log1p(-clipped)
    positive, negative = log_odds[labels], log_odds[~labels]
    if np.ptp(positive) == 0 and np.ptp(negative) == 0:
        # Their mean and deviation would be rounded, to what is no 0.
        return float(0.5 - 0.5 * np.sign(positive[0] - negative[0]))
    difference = positive.mean() - negative.mean()
    spread = positive.std() + negative.std()
    return NormalDist().cdf(-float(difference / spread))


def average_precision(labels: npt.ArrayLike, scores: npt.ArrayLike) -> float:
    """The mean of the precision over the steps of the recall.

    No interpolation, as scikit-learn's `average_precision_score`; NaN without
    a positive clip. Arguments and errors: `equal_error_rate`.
    """
    labels, scores = check_tag(labels, scores)
    if not labels.any():
        return float("nan")
    _, hits, alarms = _counts_once(labels, scores)
    precision = hits / (hits + alarms)
    return float(np.sum(np.diff(hits, prepend=0.0) * precision) / hits[-1])


def roc_auc(labels: npt.ArrayLike, scores: npt.ArrayLike) -> float:
    """The area under the ROC, ties counted half.

    NaN without a positive or without a negative clip. Arguments and errors:
    `equal_error_rate`.
    """
    labels, scores = check_tag(labels, scores)
    if not labels.any() or labels.all():
        return float("nan")
    _, hits, alarms = _counts_once(labels, scores)
    hits, alarms = _from_zero(hits), _from_zero(alarms)
    area = np.sum(np.diff(alarms) * (hits[1:] + hits[:-1])) / 2.0
    return float(area / (hits[-1] * alarms[-1]))


def f1_score(
    labels: npt.ArrayLike, scores: npt.ArrayLike, threshold: float = 0.5
) -> float:
    """F1 where a tag is present from `threshold` on (score >= threshold).

    0 if every positive clip is missed; NaN without a positive clip, where no
    decision could have found one. Arguments and errors: `equal_error_rate`.
    """
    labels, scores = check_tag(labels, scores)
    if not labels.any():
        return float("nan")
    found = scores >= threshold
    return float(
        2.0 * np.sum(found & labels) / (np.sum(found) + np.sum(labels))
    )


def best_threshold(
    labels: npt.ArrayLike, scores: npt.ArrayLike, *, fallback: float = 0.5
) -> float:
    """The threshold at which miss rate and false-alarm rate are nearest.

    Of the two points that enclose the crossing, the one with the smaller
    difference of the rates (the lower threshold if they tie). The threshold
    lies midway between that point's score and the next lower one, so that a
    rounding of the scores changes no decision.

    Args:
        labels, scores: as for `equal_error_rate`.
        fallback: returned where the EER is undefined.
    """
    labels, scores = check_tag(labels, scores)
    if not labels.any() or labels.all():
        return float(fallback)
    levels, hits, alarms = _counts_once(labels, scores)
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
    # Neighboring or infinite scores have nothing between them.
    return middle if below < middle <= level else level


def best_thresholds(
    labels: npt.ArrayLike,
    scores: npt.ArrayLike,
    tags: Sequence[str] | None = None,
    *,
    fallback: float = 0.5,
) -> Array:
    """`best_threshold` of each tag, from validation clips.

    Args:
        labels: (n, tags), 0 or 1.
        scores: (n, tags).
        tags: names for error messages.
        fallback: the threshold of a tag whose EER is undefined.

    Returns:
        (tags,) float64.
    """
    labels, scores = check_tags(labels, scores, tags)
    return np.array(
        [
            best_threshold(labels[:, k], scores[:, k], fallback=fallback)
            for k in range(labels.shape[1])
        ]
    )


def counts(
    labels: Array, scores: Array, weights: Array
) -> tuple[Array, Array, Array]:
    """Weighted hits and false alarms at each different score, falling.

    Args:
        labels: (n,) bool, n > 0.
        scores: (n,).
        weights: (R, n).

    Returns:
        The different scores (G,), the weight of the positive clips and that of
        the negative clips that score at least as much, both (R, G).
    """
    order = np.argsort(-scores, kind="stable")
    falling = scores[order]
    # Compared, not subtracted: equal infinities are ties too.
    steps = np.flatnonzero(falling[1:] != falling[:-1])
    ends = np.append(steps, len(falling) - 1)
    sorted_weights = weights[:, order]
    hits = np.cumsum(sorted_weights * labels[order], axis=1)[:, ends]
    alarms = np.cumsum(sorted_weights * ~labels[order], axis=1)[:, ends]
    return falling[ends], hits, alarms


def check_tag(
    labels: npt.ArrayLike, scores: npt.ArrayLike
) -> tuple[Array, Array]:
    """One tag's labels as bool (n,) and scores as float64 (n,).

    Raises:
        ConfigError: not two lists of one length.
        DataError: a label other than 0 and 1, or a NaN score.
    """
    labels, scores = np.asarray(labels), np.asarray(scores, np.float64)
    if labels.ndim != 1 or labels.shape != scores.shape:
        raise ConfigError(
            "labels and scores must be two lists of the same length. "
            f"Received: shapes {labels.shape} and {scores.shape}"
        )
    return _check_values(labels, scores, lambda where: f"clip {where[0]}")


def check_tags(
    labels: npt.ArrayLike,
    scores: npt.ArrayLike,
    tags: Sequence[str] | None = None,
) -> tuple[Array, Array]:
    """All tags' labels as bool (n, K) and scores as float64 (n, K).

    Raises:
        ConfigError: shapes that differ, or not one column a tag.
        DataError: a label other than 0 and 1, or a NaN score, by tag and clip.
    """
    labels, scores = np.asarray(labels), np.asarray(scores, np.float64)
    if labels.ndim != 2 or labels.shape != scores.shape:
        raise ConfigError(
            "labels and scores must have the same shape (clips, tags). "
            f"Received: {labels.shape} and {scores.shape}"
        )
    if tags is not None and len(tags) != labels.shape[1]:
        raise ConfigError(
            f"there must be one column a tag, {len(tags)}. "
            f"Received: {labels.shape[1]} columns"
        )

    def name(where: Array) -> str:
        tag = where[1] if tags is None else tags[where[1]]
        return f"tag {str(tag)!r}, clip {where[0]}"

    return _check_values(labels, scores, name)


def _counts_once(labels: Array, scores: Array) -> tuple[Array, Array, Array]:
    levels, hits, alarms = counts(labels, scores, np.ones((1, len(labels))))
    return levels, hits[0], alarms[0]


def _first_past(true_rate: Array, false_rate: Array) -> Array:
    """Of each row, the first point where FPR is not below FNR: (R,) ints."""
    return np.argmax(false_rate + TOLERANCE >= 1.0 - true_rate, axis=1)


def _from_zero(values: Array) -> Array:
    """`values` (..., G) with the 0 of the empty selection in front."""
    padding = [(0, 0)] * (values.ndim - 1) + [(1, 0)]
    return np.pad(values, padding)


def _check_values(labels: Array, scores: Array, name) -> tuple[Array, Array]:
    wrong = np.argwhere(~np.isin(labels, (0, 1)))
    if len(wrong):
        raise DataError(
            f"{name(wrong[0])}: a label must be 0 or 1. "
            f"Received: {labels[tuple(wrong[0])]!r}"
        )
    wrong = np.argwhere(np.isnan(scores))
    if len(wrong):
        raise DataError(
            f"{name(wrong[0])}: the score must be a number. Received: nan"
        )
    return labels.astype(bool), scores
