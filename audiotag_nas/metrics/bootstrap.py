"""Bootstrap intervals of equal error rates, by resampling segments.

Clips cut from the same segment (recording) are not independent. Therefore
segments are drawn with replacement, and a clip counts as often as its segment
was drawn. A resample is a row of weights, so that one sort of the scores gives
the EERs of all resamples.

Shapes: n clips, S segments, R resamples, K tags.
"""

from collections.abc import Hashable, Iterator, Sequence

import numpy as np

from audiotag_nas.errors import ConfigError
from audiotag_nas.metrics.curves import Array
from audiotag_nas.metrics.eer import equal_error_rates

_BLOCK_BYTES = 2**25  # size of one array of weights


def check_settings(num_bootstrap: int, confidence: float) -> None:
    """Checks the settings of intervals.

    Raises:
        ConfigError: `num_bootstrap` < 0, or `confidence` outside (0, 1).
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
    """Numbers the segments.

    Args:
        segments: one name per clip; None makes each clip its own segment.
        num_clips: n.

    Returns:
        The index of each clip's segment (n,), and the number of segments S.

    Raises:
        ConfigError: not one segment per clip.
    """
    if segments is None:
        return np.arange(num_clips), num_clips
    if len(segments) != num_clips:
        raise ConfigError(
            f"there must be one segment per clip, {num_clips}. "
            f"Received: {len(segments)}"
        )
    numbers: dict[Hashable, int] = {}
    indices = [numbers.setdefault(name, len(numbers)) for name in segments]
    return np.array(indices, np.int64), len(numbers)


def resample_weights(
    indices: Array, num_segments: int, *, num_bootstrap: int, seed: int
) -> Iterator[Array]:
    """Yields R rows of weights (n,) in blocks of bounded size.

    The rows depend on the seed and the segments only, not on the size of the
    blocks. There are none if fewer than two segments exist.
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
        labels: (n, K) bool, checked.
        systems: the scores of each system, (n, K), checked.
        segments: one name per clip, or None.
        num_bootstrap: R.
        seed: of the resampling.

    Returns:
        (systems, R, K) float64; NaN if a resample has no positive or no
        negative clip of a tag. R is 0 if there are fewer than two segments.
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
    """Returns the mean of the values that are not NaN, or NaN."""
    defined = ~np.isnan(values)
    total = np.sum(np.where(defined, values, 0.0), axis=axis)
    count = np.sum(defined, axis=axis)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def percentile_interval(
    values: Array, *, confidence: float
) -> tuple[float, float]:
    """Returns the interval with the middle share `confidence` of `values`.

    NaN in `values` (R,) is excluded; without other values, both ends are NaN.
    """
    values = values[~np.isnan(values)]
    if not len(values):
        return float("nan"), float("nan")
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(values, [tail, 1.0 - tail])
    return float(low), float(high)
