"""Compares two systems on the same clips, with a bootstrap interval."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from audiotag_nas.metrics import bootstrap, eer
from audiotag_nas.metrics.reports import (
    Interval,
    Segments,
    check_tagged,
    nan_to_none,
)


@dataclasses.dataclass(frozen=True)
class Difference:
    """The EER of system b minus the EER of system a, for one tag.

    A negative difference means that system b is better.
    """

    difference: float
    interval: Interval


@dataclasses.dataclass(frozen=True)
class PairedDifference:
    """The difference between systems a and b, with the same resamples for both.

    Attributes:
        difference: mean EER of b minus mean EER of a. A negative difference
            means that b is better.
        interval: bootstrap interval of the difference.
        share_better: share of the resamples in which b is better.
        share_equal: share of the resamples in which a and b are equal.
        tags: the difference in EER for each tag.
        num_bootstrap, confidence: the settings of all intervals.
    """

    difference: float
    interval: Interval
    share_better: float
    share_equal: float
    tags: dict[str, Difference]
    num_bootstrap: int
    confidence: float

    def to_json(self) -> dict[str, Any]:
        """Returns the comparison as JSON values, with None instead of NaN."""
        return nan_to_none(dataclasses.asdict(self))


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

    Both systems are scored in the same resamples. Because the errors of the
    systems are correlated, the interval of the difference is narrower than the
    systems' intervals suggest. `evaluate_tags` describes arguments and errors.
    """
    labels_a, scores_a = check_tagged(labels, scores_a, tags)
    _, scores_b = check_tagged(labels, scores_b, tags)
    bootstrap.check_settings(num_bootstrap, confidence)
    resampled = bootstrap.bootstrap_eers(
        labels_a,
        [scores_a, scores_b],
        segments,
        num_bootstrap=num_bootstrap,
        seed=seed,
    )
    observed = _eers(labels_a, scores_b) - _eers(labels_a, scores_a)
    by_tag = resampled[1] - resampled[0]
    # In a resample, a tag has an EER for both systems or for neither.
    means = bootstrap.mean_defined(by_tag, axis=1)
    means = means[~np.isnan(means)]
    return PairedDifference(
        difference=float(bootstrap.mean_defined(observed)),
        interval=bootstrap.percentile_interval(means, confidence=confidence),
        share_better=float(np.mean(means < 0)) if len(means) else math.nan,
        share_equal=float(np.mean(means == 0)) if len(means) else math.nan,
        tags={
            tag: Difference(
                float(observed[k]),
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
    """Returns the EERs (K,) of labels and scores (n, K)."""
    columns = zip(labels.T, scores.T, strict=True)
    return np.array([eer.equal_error_rate(*column) for column in columns])
