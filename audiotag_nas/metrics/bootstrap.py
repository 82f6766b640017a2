"""Resampling over segments: how far a number could lie by chance.

Clips cut from one segment (recording) are not independent, so whole segments
are drawn with replacement and every clip counts as often as its segment was
drawn. A resample is a row of weights; nothing is copied, and the EERs of all
resamples come from one sort of the scores.

Shapes: n clips, S segments, R resamples, K tags.
"""

from collections.abc import Hashable, Iterator, Sequence

import numpy as np

from audiotag_nas.errors import ConfigError
from audiotag_nas.metrics.curves import Array, equal_error_rates

_CHUNK_BYTES = 2**25  # of one array of weights


def segment_indices(
    segments: Sequence[Hashable] | Array | None, num_clips: int
) -> tuple[Array, int]:
    """Numbers each clip's segment.

    Args:
        segments: one name a clip; None makes each clip its own segment.
        num_clips: n.

    Returns:
        (n,) ints from 0, and the number of segments S.

    Raises:
        ConfigError: not one segment a clip.
    """
    if segments is None:
        return np.arange(num_clips), num_clips
    if len(segments) != num_clips:
        raise ConfigError(
            f"there must be one segment a clip, {num_clips}. "
            f"Received: {len(segments)}"
        )
    numbers: dict[Hashable, int] = {}
    indices = [numbers.setdefault(name, len(numbers)) for name in segments]
    return np.array(indices, np.int64), len(numbers)


def resample_weights(
    indices: Array, num_segments: int, *, num_bootstrap: int, seed: int
) -> Iterator[Array]:
    """Yields (r, n) weights in blocks of bounded size, R rows in all.

    The rows depend on the seed and the segments only, not on the blocks, so
    that two systems can be compared on the same resamples.
    """
    rng = np.random.default_rng(seed)
    if num_segments == 0:
        return
    rows = max(1, _CHUNK_BYTES // (8 * max(len(indices), num_segments)))
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
    """The EERs of each system's tags in the same resamples.

    Args:
        labels: (n, K) bool, checked.
        systems: (n, K) scores each, checked.
        segments: one name a clip, or None.

    Returns:
        (systems, R, K) float64; NaN where a resample leaves a tag without a
        positive or without a negative clip.
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
    """The mean of what is not NaN; NaN where nothing is left."""
    defined = ~np.isnan(values)
    total = np.sum(np.where(defined, values, 0.0), axis=axis)
    count = np.sum(defined, axis=axis)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def percentile_interval(
    values: Array, *, confidence: float
) -> tuple[float, float]:
    """The middle `confidence` share of `values` (R,), NaN left out.

    (NaN, NaN) where nothing is left.

    Raises:
        ConfigError: a confidence outside (0, 1).
    """
    if not 0.0 < confidence < 1.0:
        raise ConfigError(
            f"`confidence` must be between 0 and 1. Received: {confidence}"
        )
    values = values[~np.isnan(values)]
    if not len(values):
        return float("nan"), float("nan")
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(values, [tail, 1.0 - tail])
    return float(low), float(high)
