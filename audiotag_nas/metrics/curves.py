"""The ROC and precision-recall curves of one tag, and their metrics.

A curve has one point per distinct score, from the highest score down.

Shapes: n clips, G distinct scores, R weightings (bootstrap resamples).
"""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from audiotag_nas.errors import ConfigError, DataError

Array = npt.NDArray


def average_precision(labels: npt.ArrayLike, scores: npt.ArrayLike) -> float:
    """Returns the mean precision over the steps of the recall.

    There is no interpolation, as in scikit-learn's `average_precision_score`.
    NaN without a positive clip. Arguments and errors: `equal_error_rate`.
    """
    labels, scores = check_tag(labels, scores)
    if not labels.any():
        return float("nan")
    _, hits, alarms = counts_once(labels, scores)
    precision = hits / (hits + alarms)
    return float(np.sum(np.diff(hits, prepend=0.0) * precision) / hits[-1])


def roc_auc(labels: npt.ArrayLike, scores: npt.ArrayLike) -> float:
    """Returns the area under the ROC; ties count half.

    NaN without a positive or without a negative clip. Arguments and errors:
    `equal_error_rate`.
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
    """Returns the F1 score of the decisions score >= `threshold`.

    0 if every positive clip is missed; NaN without a positive clip. Arguments
    and errors: `equal_error_rate`.
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
        labels: (n,) bool, n > 0.
        scores: (n,).
        weights: (R, n).

    Returns:
        The distinct scores (G,) in falling order, and the weights of the
        positive and of the negative clips with at least this score, (R, G).
    """
    order = np.argsort(-scores, kind="stable")
    falling = scores[order]
    # Equal infinities are ties too, but their difference is NaN.
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
        ConfigError: shapes that differ, or more than one dimension.
        DataError: a label other than 0 and 1, or a NaN score.
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
        ConfigError: shapes that differ, or not one column per tag.
        DataError: a label other than 0 and 1, or a NaN score.
    """
    labels, scores = np.asarray(labels), np.asarray(scores, np.float64)
    if labels.ndim != 2 or labels.shape != scores.shape:
        raise ConfigError(
            "labels and scores must have the same shape (clips, tags). "
            f"Received: {labels.shape} and {scores.shape}"
        )
    if tags is not None and len(tags) != labels.shape[1]:
        raise ConfigError(
            f"there must be one column per tag, {len(tags)}. "
            f"Received: {labels.shape[1]} columns"
        )

    def describe(index: Array) -> str:
        tag = index[1] if tags is None else tags[index[1]]
        return f"tag {str(tag)!r}, clip {index[0]}"

    return _check_values(labels, scores, describe)


def counts_once(labels: Array, scores: Array) -> tuple[Array, Array, Array]:
    """Returns `counts` with weight 1 for each clip, all (G,)."""
    levels, hits, alarms = counts(labels, scores, np.ones((1, len(labels))))
    return levels, hits[0], alarms[0]


def from_zero(values: Array) -> Array:
    """Prepends the 0 of the empty selection to `values` (..., G)."""
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
