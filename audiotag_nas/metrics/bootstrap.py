"""Computes bootstrap intervals of equal error rates by resampling segments.

Clips that were cut from the same segment (recording) are not independent.
Therefore whole segments are drawn with replacement, and a clip counts as often
as its segment was drawn. A resample is stored as one weight per clip, so that
all resamples share one sort of the scores.

In array shapes, n counts clips, S segments, R resamples and K tags.
"""

from collections.abc import Hashable, Iterator, Sequence

import numpy as np

from audiotag_nas.errors import ConfigError
from audiotag_nas.metrics.curves import Array
from audiotag_nas.metrics.eer import equal_error_rates

_BLOCK_BYTES = 2**25  # largest size of one array of weights


def check_settings(num_bootstrap: int, confidence: float) -> None:
    """Checks the settings of bootstrap intervals.

    Raises:
        ConfigError: `num_bootstrap` is negative, or `confidence` is not
            between 0 and 1.
    """
    if num_bootstrap < 0:
        raise ConfigError(
            f"`num_bootstrap` must be 0 or more. Received: {num_bootstrap}"
        )
    if not 0.0 < confidence < 1.0:
        raise ConfigError(
            f"`confidence` must be between 0 and 1. Received: {confidence}"
        )


def segment_indices(
    segments: Sequence[Hashable] | Array | None, num_clips: int
) -> tuple[Array, int]:
    """Numbers the segments from 0.

    Args:
        segments: the segment name of each clip. With None, each clip is a
            segment of its own.
        num_clips: number of clips, n.

    Returns:
        The index of each clip's segment (n,), and the number of segments S.

    Raises:
        ConfigError: the number of segment names differs from `num_clips`.
    """
    if segments is None:
        return np.arange(num_clips), num_clips
    if len(segments) != num_clips:
        raise ConfigError(
            f"there must be one segment for each of the {num_clips} clips. "
            f"Received: {len(segments)} segments"
        )
    numbers: dict[Hashable, int] = {}
    indices = [numbers.setdefault(name, len(numbers)) for name in segments]
    return np.array(indices, np.int64), len(numbers)


def resample_weights(
    indices: Array, num_segments: int, *, num_bootstrap: int, seed: int
) -> Iterator[Array]:
    """Yields the weights of the clips in all resamples, as blocks of rows (n,).

    Each row is one resample and depends only on the seed and the segments.
    Blocks save memory. With fewer than two segments, there are no rows.
    """
    rng = np.random.default_rng(seed)
    if num_segments < 2:
        return
    rows = max(1, _BLOCK_BYTES // (8 * max(len(indices), num_segments)))
    for start in range(0, num_bootstrap, rows):
        drawn = rng.multinomial(
            num_segments,
            np.full(num_segments, 1.0 / num_segments),
            size=min(rows, num_bootstrap - start),
        )
        yield drawn.astype(np.float64)[:, indices]


def bootstrap_eers(
    labels: Array,
    systems: Sequence[Array],
    segments: Sequence[Hashable] | Array | None,
    *,
    num_bootstrap: int,
    seed: int,
) -> Array:
    """Returns the EERs of several systems in the same resamples.

    Args:
        labels: the labels (n, K) bool, as `check_tags` returns them.
        systems: the scores (n, K) of each system, as `check_tags` returns them.
        segments: the segment name of each clip, or None.
        num_bootstrap: number of resamples, R.
        seed: seed of the resampling.

    Returns:
        The EERs (systems, R, K), float64. An EER is NaN if its resample has no
        positive or no negative clip of the tag. With fewer than two segments,
        R is 0.
    """
    num_clips, num_tags = labels.shape
    indices, num_segments = segment_indices(segments, num_clips)
    blocks = [np.empty((len(systems), 0, num_tags))]
    for weights in resample_weights(
        indices, num_segments, num_bootstrap=num_bootstrap, seed=seed
    ):
        block = np.empty((len(systems), len(weights), num_tags))
        for number, scores in enumerate(systems):
            for k in range(num_tags):
                block[number, :, k] = equal_error_rates(
                    labels[:, k], scores[:, k], weights
                )
        blocks.append(block)
    return np.concatenate(blocks, axis=1)


def mean_defined(values: Array, axis: int | None = None) -> Array:
    """Returns the mean of the values that are not NaN; NaN if all are NaN."""
    defined = ~np.isnan(values)
    total = np.sum(np.where(defined, values, 0.0), axis=axis)
    count = np.sum(defined, axis=axis)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def percentile_interval(
    values: Array, *, confidence: float
) -> tuple[float, float]:
    """Returns the interval with the middle share, `confidence`, of the values.

    NaN values are excluded. If no values remain, both ends are NaN.
    """
    values = values[~np.isnan(values)]
    if not len(values):
        return float("nan"), float("nan")
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(values, [tail, 1.0 - tail])
    return float(low), float(high)
