"""Computes the ROC and precision-recall metrics of one tag from its curves.

A curve has one point per distinct score, from the highest score down. In array
shapes, n counts clips, G distinct scores and R weightings (bootstrap
resamples).
"""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from audiotag_nas.errors import ConfigError, DataError

Array = npt.NDArray


def average_precision(labels: npt.ArrayLike, scores: npt.ArrayLike) -> float:
    """Returns the mean precision, weighted by the increases of the recall.

    As in scikit-learn's `average_precision_score`, nothing is interpolated. If
    there is no positive clip, the result is NaN. `equal_error_rate` describes
    arguments and errors.
    """
    labels, scores = check_tag(labels, scores)
    if not labels.any():
        return float("nan")
    _, hits, alarms = counts_once(labels, scores)
    precision = hits / (hits + alarms)
    return float(np.sum(np.diff(hits, prepend=0.0) * precision) / hits[-1])


def roc_auc(labels: npt.ArrayLike, scores: npt.ArrayLike) -> float:
    """Returns the area under the ROC, where a tie counts as half.

    If there is no positive or no negative clip, the result is NaN.
    `equal_error_rate` describes arguments and errors.
    """
    labels, scores = check_tag(labels, scores)
    if not labels.any() or labels.all():
        return float("nan")
    _, hits, alarms = counts_once(labels, scores)
    hits, alarms = from_zero(hits), from_zero(alarms)
    area = np.sum(np.diff(alarms) * (hits[1:] + hits[:-1])) / 2.0
    return float(area / (hits[-1] * alarms[-1]))


def f1_score(
    labels: npt.ArrayLike, scores: npt.ArrayLike, threshold: float = 0.5
) -> float:
    """Returns the F1 score if scores >= `threshold` count as present.

    The result is 0 if every positive clip is missed, and NaN if there is no
    positive clip. `equal_error_rate` describes arguments and errors.
    """
    labels, scores = check_tag(labels, scores)
    if not labels.any():
        return float("nan")
    found = scores >= threshold
    return float(
        2.0 * np.sum(found & labels) / (np.sum(found) + np.sum(labels))
    )


def counts(
    labels: Array, scores: Array, weights: Array
) -> tuple[Array, Array, Array]:
    """Returns the weighted hits and false alarms at each distinct score.

    Args:
        labels: the labels of the clips, (n,) bool, n > 0.
        scores: the scores of the clips, (n,).
        weights: the weight of each clip in each of R weightings, (R, n).

    Returns:
        The distinct scores (G,) in falling order, the hits (R, G) and the false
        alarms (R, G). Hits are the total weight of positive clips with at least
        this score; false alarms are the same total for negative clips.
    """
    order = np.argsort(-scores, kind="stable")
    falling = scores[order]
    # Scores are compared, not subtracted, because inf - inf would be NaN.
    steps = np.flatnonzero(falling[1:] != falling[:-1])
    ends = np.append(steps, len(falling) - 1)
    sorted_weights = weights[:, order]
    hits = np.cumsum(sorted_weights * labels[order], axis=1)[:, ends]
    alarms = np.cumsum(sorted_weights * ~labels[order], axis=1)[:, ends]
    return falling[ends], hits, alarms


def check_tag(
    labels: npt.ArrayLike, scores: npt.ArrayLike
) -> tuple[Array, Array]:
    """Returns the labels as bool (n,) and the scores as float64 (n,).

    Raises:
        ConfigError: the shapes differ, or have more than one dimension.
        DataError: a label is neither 0 nor 1, or a score is NaN.
    """
    labels, scores = np.asarray(labels), np.asarray(scores, np.float64)
    if labels.ndim != 1 or labels.shape != scores.shape:
        raise ConfigError(
            "labels and scores must have the same shape (clips,). "
            f"Received: {labels.shape} and {scores.shape}"
        )
    return _check_values(labels, scores, lambda index: f"clip {index[0]}")


def check_tags(
    labels: npt.ArrayLike,
    scores: npt.ArrayLike,
    tags: Sequence[str] | None = None,
) -> tuple[Array, Array]:
    """Returns the labels as bool (n, K) and the scores as float64 (n, K).

    Raises:
        ConfigError: the shapes differ, or there is not one column per tag.
        DataError: a label is neither 0 nor 1, or a score is NaN.
    """
    labels, scores = np.asarray(labels), np.asarray(scores, np.float64)
    if labels.ndim != 2 or labels.shape != scores.shape:
        raise ConfigError(
            "labels and scores must have the same shape (clips, tags). "
            f"Received: {labels.shape} and {scores.shape}"
        )
    if tags is not None and len(tags) != labels.shape[1]:
        raise ConfigError(
            f"there must be one column for each of the {len(tags)} tags. "
            f"Received: {labels.shape[1]} columns"
        )

    def describe(index: Array) -> str:
        tag = index[1] if tags is None else tags[index[1]]
        return f"tag {str(tag)!r}, clip {index[0]}"

    return _check_values(labels, scores, describe)


def counts_once(labels: Array, scores: Array) -> tuple[Array, Array, Array]:
    """Returns the results of `counts` with weight 1 per clip, (G,) each."""
    levels, hits, alarms = counts(labels, scores, np.ones((1, len(labels))))
    return levels, hits[0], alarms[0]


def from_zero(values: Array) -> Array:
    """Prepends 0 to `values` (..., G): no clip scores above the top score."""
    padding = [(0, 0)] * (values.ndim - 1) + [(1, 0)]
    return np.pad(values, padding)


def _check_values(
    labels: Array, scores: Array, describe: Callable[[Array], str]
) -> tuple[Array, Array]:
    wrong = np.argwhere(~np.isin(labels, (0, 1)))
    if len(wrong):
        raise DataError(
            f"{describe(wrong[0])}: a label must be 0 or 1. "
            f"Received: {labels[tuple(wrong[0])]!r}"
        )
    wrong = np.argwhere(np.isnan(scores))
    if len(wrong):
        raise DataError(
            f"{describe(wrong[0])}: the score must be a number. Received: nan"
        )
    return labels.astype(bool), scores
