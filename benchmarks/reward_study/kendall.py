"""Kendall's rank correlation (tau-b)."""

import numpy as np
import numpy.typing as npt
from scipy import stats


def kendall_tau(x: npt.NDArray, y: npt.NDArray) -> float:
    """Returns Kendall's tau-b; NaN if all values in `x` or in `y` are equal."""
    return float(stats.kendalltau(x, y).statistic)


def resampled_taus(
    x: npt.NDArray, y: npt.NDArray, counts: npt.NDArray
) -> npt.NDArray:
    """Returns Kendall's tau-b of bootstrap resamples.

    Calls of `kendall_tau` for each resample would give the same results, but
    would take a hundred times as long.

    Args:
        x, y: arrays of shape (n,).
        counts: array of shape (resamples, n) with the number of times that
            each pair (x[i], y[i]) was drawn.

    Returns:
        An array of shape (resamples,).
    """
    # For n below 4096, sums of up to n^2 signs are exact in float32.
    weights = counts.astype(np.float32)
    signs_x, signs_y = (
        np.sign(v[:, None] - v[None, :]).astype(np.float32) for v in (x, y)
    )

    def total(pairs: npt.NDArray) -> npt.NDArray:
        return np.einsum("ri,ri->r", weights @ pairs, weights).astype(float)

    untied = total(np.abs(signs_x)) * total(np.abs(signs_y))
    return total(signs_x * signs_y) / np.sqrt(untied)
