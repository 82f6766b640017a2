"""All tags of one system, and the difference of two systems.

The task's number is the unweighted mean of the tags' EERs. A tag without a
positive or without a negative clip has none: it is left out of the mean and
named.
"""

import dataclasses
import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from audiotag_nas.errors import ConfigError
from audiotag_nas.metrics import bootstrap, curves

Interval = tuple[float, float]
Segments = Sequence[Hashable] | npt.NDArray | None


@dataclasses.dataclass(frozen=True)
class TagMetrics:
    """One tag's numbers; NaN where undefined.

    Attributes:
        num_positives, num_negatives: clips with and without the tag.
        eer: equal error rate.
        eer_interval: bootstrap interval of it.
        average_precision, roc_auc: 0 to 1, higher is better.
        f1: at `threshold`.
        threshold: a tag is present from this score on.
        num_undefined_resamples: resamples in which the EER is undefined.
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
    """One system's numbers.

    Attributes:
        tags: by tag, in order.
        num_clips, num_segments: what was scored.
        mean_eer: the unweighted mean over the tags that have one.
        mean_eer_interval: bootstrap interval of it; a tag that is undefined
            in a resample is left out of that resample's mean.
        undefined: the tags without an EER.
        num_bootstrap, confidence: of the intervals.
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
        """Plain values, with null for NaN."""
        return _nan_to_none(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "TagReport":
        """The report that `to_json` gave."""
        fields = _none_to_nan(dict(value))
        fields["tags"] = {
            tag: TagMetrics(
                **row | {"eer_interval": tuple(row["eer_interval"])}
            )
            for tag, row in fields["tags"].items()
        }
        fields["mean_eer_interval"] = tuple(fields["mean_eer_interval"])
        fields["undefined"] = tuple(fields["undefined"])
        return cls(**fields)


@dataclasses.dataclass(frozen=True)
class Difference:
    """EER of b minus EER of a (below 0: b is better), with its interval."""

    difference: float
    interval: Interval


@dataclasses.dataclass(frozen=True)
class PairedDifference:
    """Two systems on the same clips, compared in the same resamples.

    Attributes:
        difference: mean EER of b minus mean EER of a; below 0, b is better.
        interval: bootstrap interval of it.
        share_better: the share of resamples in which b is better.
        share_equal: the share in which the two are equal.
        tags: the same difference for each tag.
        num_bootstrap, confidence: of the intervals.
    """

    difference: float
    interval: Interval
    share_better: float
    share_equal: float
    tags: dict[str, Difference]
    num_bootstrap: int
    confidence: float

    def to_json(self) -> dict[str, Any]:
        """Plain values, with null for NaN."""
        return _nan_to_none(dataclasses.asdict(self))


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
    """Scores one system.

    Args:
        labels: (n, K), 0 or 1.
        scores: (n, K), higher means more present.
        tags: K names.
        segments: the recording of each clip; None takes every clip as
            independent of the others.
        thresholds: one a tag, or one for all, for F1; 0.5 if None.
        num_bootstrap: resamples of the segments; 0 leaves the intervals NaN,
            as fewer than two segments do.
        seed: of the resampling.
        confidence: of the intervals.

    Raises:
        ConfigError: shapes that differ, a repeated tag, or a setting out of
            range.
        DataError: a label other than 0 and 1, or a NaN score.
    """
    labels, scores = _checked(labels, scores, tags)
    _check_settings(num_bootstrap, confidence)
    limits = _check_thresholds(thresholds, len(tags))
    num_segments = bootstrap.segment_indices(segments, len(labels))[1]
    resampled = bootstrap.bootstrap_eers(
        labels,
        [scores],
        segments,
        num_bootstrap=num_bootstrap if num_segments > 1 else 0,
        seed=seed,
    )[0]
    rows = {
        tag: _tag_metrics(
            labels[:, k],
            scores[:, k],
            threshold=float(limits[k]),
            resampled=resampled[:, k],
            confidence=confidence,
        )
        for k, tag in enumerate(tags)
    }
    eers = np.array([row.eer for row in rows.values()])
    return TagReport(
        tags=rows,
        num_clips=len(labels),
        num_segments=num_segments,
        mean_eer=float(bootstrap.mean_defined(eers)),
        mean_eer_interval=bootstrap.percentile_interval(
            bootstrap.mean_defined(resampled, axis=1), confidence=confidence
        ),
        undefined=tuple(t for t, row in rows.items() if math.isnan(row.eer)),
        num_bootstrap=len(resampled),
        confidence=confidence,
    )


def paired_difference(
    labels: npt.ArrayLike,
    scores_a: npt.ArrayLike,
    scores_b: npt.ArrayLike,
    tags: Sequence[str],
    *,
    segments: Segments = None,
    num_bootstrap: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
) -> PairedDifference:
    """Compares the EERs of two systems on the same clips.

    Both are scored in the same resamples, so that what is hard for both does
    not hide what one does better: the interval is narrower than the two
    systems' own intervals suggest. Arguments and errors: `evaluate_tags`.
    """
    labels_a, scores_a = _checked(labels, scores_a, tags)
    _, scores_b = _checked(labels, scores_b, tags)
    _check_settings(num_bootstrap, confidence)
    num_segments = bootstrap.segment_indices(segments, len(labels_a))[1]
    resampled = bootstrap.bootstrap_eers(
        labels_a,
        [scores_a, scores_b],
        segments,
        num_bootstrap=num_bootstrap if num_segments > 1 else 0,
        seed=seed,
    )
    once = _eers(labels_a, scores_b) - _eers(labels_a, scores_a)
    by_tag = resampled[1] - resampled[0]
    # A tag is undefined in a resample for both or for neither.
    means = bootstrap.mean_defined(by_tag, axis=1)
    means = means[~np.isnan(means)]
    return PairedDifference(
        difference=float(bootstrap.mean_defined(once)),
        interval=bootstrap.percentile_interval(means, confidence=confidence),
        share_better=float(np.mean(means < 0)) if len(means) else math.nan,
        share_equal=float(np.mean(means == 0)) if len(means) else math.nan,
        tags={
            tag: Difference(
                float(once[k]),
                bootstrap.percentile_interval(
                    by_tag[:, k], confidence=confidence
                ),
            )
            for k, tag in enumerate(tags)
        },
        num_bootstrap=resampled.shape[1],
        confidence=confidence,
    )


def _eers(labels: npt.NDArray, scores: npt.NDArray) -> npt.NDArray:
    """(n, K) labels and scores -> the K EERs."""
    return np.array(
        [
            curves.equal_error_rate(labels[:, k], scores[:, k])
            for k in range(labels.shape[1])
        ]
    )


def _tag_metrics(
    labels: npt.NDArray,
    scores: npt.NDArray,
    *,
    threshold: float,
    resampled: npt.NDArray,
    confidence: float,
) -> TagMetrics:
    eer = curves.equal_error_rate(labels, scores)
    return TagMetrics(
        num_positives=int(labels.sum()),
        num_negatives=int((~labels).sum()),
        eer=eer,
        eer_interval=bootstrap.percentile_interval(
            resampled, confidence=confidence
        ),
        average_precision=curves.average_precision(labels, scores),
        roc_auc=curves.roc_auc(labels, scores),
        f1=curves.f1_score(labels, scores, threshold),
        threshold=threshold,
        num_undefined_resamples=int(np.isnan(resampled).sum()),
    )


def _checked(
    labels: npt.ArrayLike, scores: npt.ArrayLike, tags: Sequence[str]
) -> tuple[npt.NDArray, npt.NDArray]:
    if len(set(tags)) != len(tags) or not tags:
        raise ConfigError(
            "tags must be different names, at least one. "
            f"Received: {list(tags)}"
        )
    return curves.check_tags(labels, scores, tags)


def _check_settings(num_bootstrap: int, confidence: float) -> None:
    if num_bootstrap < 0:
        raise ConfigError(
            f"`num_bootstrap` must be 0 or more. Received: {num_bootstrap}"
        )
    bootstrap.percentile_interval(np.empty(0), confidence=confidence)


def _check_thresholds(thresholds: Any, num_tags: int) -> npt.NDArray:
    limits = np.asarray(0.5 if thresholds is None else thresholds, np.float64)
    if limits.shape not in ((), (num_tags,)):
        raise ConfigError(
            f"thresholds must be one number or one a tag, {num_tags}. "
            f"Received: shape {limits.shape}"
        )
    return np.broadcast_to(limits, (num_tags,))


def _nan_to_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _nan_to_none(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_nan_to_none(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def _none_to_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _none_to_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_none_to_nan(item) for item in value]
    return math.nan if value is None else value
