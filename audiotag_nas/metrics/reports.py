"""Computes the metrics of one system for all tags.

The main metric is the unweighted mean of the tags' EERs. A tag without a
positive or without a negative clip has no EER. The mean excludes such tags, and
the report names them.
"""

import dataclasses
import math
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from audiotag_nas.errors import ConfigError
from audiotag_nas.metrics import bootstrap, curves, eer

Interval = tuple[float, float]
Segments = Sequence[Hashable] | npt.NDArray | None


@dataclasses.dataclass(frozen=True)
class TagMetrics:
    """The metrics of one tag. An undefined metric is NaN.

    Attributes:
        num_positives, num_negatives: number of clips with and without the tag.
        eer: equal error rate.
        eer_interval: bootstrap interval of the EER.
        average_precision, roc_auc: metrics from 0 to 1; higher is better.
        f1: F1 score with `threshold`.
        threshold: lowest score with which the tag counts as present.
        num_undefined_resamples: number of resamples in which the EER is
            undefined.
    """

    num_positives: int
    num_negatives: int
    eer: float
    eer_interval: Interval
    average_precision: float
    roc_auc: float
    f1: float
    threshold: float
    num_undefined_resamples: int


@dataclasses.dataclass(frozen=True)
class TagReport:
    """The metrics of one system.

    Attributes:
        tags: the metrics of each tag, in the order of the tags.
        num_clips, num_segments: number of scored clips and of their segments.
        mean_eer: unweighted mean of all EERs that are defined.
        mean_eer_interval: bootstrap interval of the mean EER. In each resample,
            the mean excludes tags whose EER is undefined there.
        undefined: the tags without an EER.
        num_bootstrap, confidence: the settings of all intervals.
    """

    tags: dict[str, TagMetrics]
    num_clips: int
    num_segments: int
    mean_eer: float
    mean_eer_interval: Interval
    undefined: tuple[str, ...]
    num_bootstrap: int
    confidence: float

    def to_json(self) -> dict[str, Any]:
        """Returns the report as JSON values, with None instead of NaN."""
        return nan_to_none(dataclasses.asdict(self))


def evaluate_tags(
    labels: npt.ArrayLike,
    scores: npt.ArrayLike,
    tags: Sequence[str],
    *,
    segments: Segments = None,
    thresholds: float | Sequence[float] | npt.NDArray | None = None,
    num_bootstrap: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
) -> TagReport:
    """Computes the metrics of one system.

    >>> from audiotag_nas.metrics import evaluate_tags
    >>> labels = [[1, 0], [1, 1], [0, 0], [0, 1]]
    >>> scores = [[0.9, 0.1], [0.8, 0.4], [0.3, 0.6], [0.2, 0.7]]
    >>> report = evaluate_tags(labels, scores, ("dog", "rain"), seed=1)
    >>> report.tags["dog"].eer, report.tags["rain"].eer, report.mean_eer
    (0.0, 0.5, 0.25)
    >>> low, high = report.mean_eer_interval
    >>> 0 <= low <= report.mean_eer <= high <= 1
    True

    Args:
        labels: the labels of the clips, (n, K), 0 or 1.
        scores: the scores of the clips, (n, K). A higher score means that the
            tag is more probable.
        tags: the names of the K tags.
        segments: the recording of each clip; None if all clips are
            independent.
        thresholds: the thresholds for F1, either one per tag or one for all
            tags. None means 0.5.
        num_bootstrap: number of resamples of the segments. With 0, or with
            fewer than two segments, the intervals are NaN.
        seed: seed of the resampling.
        confidence: confidence level of the intervals.

    Raises:
        ConfigError: the shapes differ, a tag is repeated, or a setting is out
            of range.
        DataError: a label is neither 0 nor 1, or a score is NaN.
    """
    labels, scores = check_tagged(labels, scores, tags)
    bootstrap.check_settings(num_bootstrap, confidence)
    thresholds = _check_thresholds(thresholds, len(tags))
    resampled = bootstrap.bootstrap_eers(
        labels, [scores], segments, num_bootstrap=num_bootstrap, seed=seed
    )[0]
    rows = {
        tag: _tag_metrics(
            labels[:, k],
            scores[:, k],
            threshold=float(thresholds[k]),
            resampled=resampled[:, k],
            confidence=confidence,
        )
        for k, tag in enumerate(tags)
    }
    eers = np.array([row.eer for row in rows.values()])
    return TagReport(
        tags=rows,
        num_clips=len(labels),
        num_segments=bootstrap.segment_indices(segments, len(labels))[1],
        mean_eer=float(bootstrap.mean_defined(eers)),
        mean_eer_interval=bootstrap.percentile_interval(
            bootstrap.mean_defined(resampled, axis=1), confidence=confidence
        ),
        undefined=tuple(t for t, row in rows.items() if math.isnan(row.eer)),
        num_bootstrap=len(resampled),
        confidence=confidence,
    )


def _tag_metrics(
    labels: npt.NDArray,
    scores: npt.NDArray,
    *,
    threshold: float,
    resampled: npt.NDArray,
    confidence: float,
) -> TagMetrics:
    return TagMetrics(
        num_positives=int(labels.sum()),
        num_negatives=int((~labels).sum()),
        eer=eer.equal_error_rate(labels, scores),
        eer_interval=bootstrap.percentile_interval(
            resampled, confidence=confidence
        ),
        average_precision=curves.average_precision(labels, scores),
        roc_auc=curves.roc_auc(labels, scores),
        f1=curves.f1_score(labels, scores, threshold),
        threshold=threshold,
        num_undefined_resamples=int(np.isnan(resampled).sum()),
    )


def check_tagged(
    labels: npt.ArrayLike, scores: npt.ArrayLike, tags: Sequence[str]
) -> tuple[npt.NDArray, npt.NDArray]:
    """Checks the tags' names, and checks the arrays with `check_tags`."""
    if len(set(tags)) != len(tags) or not tags:
        raise ConfigError(
            "tags must be different names, at least one. "
            f"Received: {list(tags)}"
        )
    return curves.check_tags(labels, scores, tags)


def _check_thresholds(thresholds: Any, num_tags: int) -> npt.NDArray:
    values = np.asarray(0.5 if thresholds is None else thresholds, np.float64)
    if values.shape not in ((), (num_tags,)):
        raise ConfigError(
            "`thresholds` must be one number, or one number for each of the "
            f"{num_tags} tags. Received: shape {values.shape}"
        )
    return np.broadcast_to(values, (num_tags,))


def nan_to_none(value: Any) -> Any:
    """Replaces NaN by None in nested dictionaries, lists and tuples."""
    if isinstance(value, dict):
        return {key: nan_to_none(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [nan_to_none(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value
