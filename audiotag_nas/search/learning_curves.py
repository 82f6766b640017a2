"""What the learning curves of a search say of one that is not finished.

Children that were stopped early have no final reward, and they are not a
random sample: those with low curves were stopped. But what stopped a child is
in its curve, so final rewards are missing at random (Little and Rubin,
*Statistical Analysis with Missing Data*), and with curves that only ever end,
never begin late (monotone missingness), regression by regression is enough:
from the last epoch back, the final reward is regressed on the reward after an
epoch over the children that went beyond it, and those that were stopped at it
get the final reward that this expects, and its variance. Children stopped
late thus count, with what was expected of them, where earlier epochs are
judged. Regressed over the finished children alone, final rewards would be too
high: of those with a poor start, only the ones that recovered were finished.

A curve has one reward an epoch: what the child's reward would have been had
it ended there. One that ended by itself before the last epoch stays at its
final reward.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from audiotag_nas.errors import ConfigError

MIN_WHOLE = 4
"""Whole curves from which regressions are taken: two degrees of freedom."""

_LEAST_SHARE = 0.25
"""Of the variance explained; with less, likeliest finals would be far out."""

_ROUNDING = 1e-9


@dataclasses.dataclass(frozen=True)
class EpochFit:
    """Rewards after one epoch and final rewards, over the children with both.

    Variances and the covariance are sums over the number of children. Final
    rewards are observed or expected; `variance_final` has the variance of
    those expected in it.

    Attributes:
        num: children that trained for this epoch.
        mean_current, variance_current: of the rewards after it.
        mean_final, variance_final: of the final rewards.
        covariance: of the two.
        slope, intercept: of the final reward, regressed on the current one
            over the children that went beyond this epoch. The slope is not
            negative.
        residual_variance: of that regression.
    """

    num: int
    mean_current: float
    variance_current: float
    mean_final: float
    variance_final: float
    covariance: float
    slope: float
    intercept: float
    residual_variance: float

    def expected_final(self, current: float) -> float:
        """The final reward to expect of a child with this current one.

        By what all children become: the less a start says of the end, the
        nearer to their mean.
        """
        return self.intercept + self.slope * current

    def likeliest_final(self, current: float) -> float:
        """The final reward of which this current one is most typical.

        The regression of the current on the final reward, read backwards
        (the classical estimator of calibration, Krutchkoff 1967). It is not
        drawn to the mean of all children: its mean, over children of one
        final reward, is that reward. Hence it is noisier, and where the two
        share less than a quarter of their variance, it is drawn to the mean
        as far as with a quarter.
        """
        expected = self.expected_final(current)
        spread = self.variance_current * self.variance_final
        if spread == 0:
            return expected
        share = min(1.0, max(_LEAST_SHARE, self.covariance**2 / spread))
        return self.mean_final + (expected - self.mean_final) / share


class LearningCurves:
    """The curves of the children told so far.

    Args:
        num_epochs: of a child that is not stopped.
    """

    def __init__(self, num_epochs: int) -> None:
        self._num_epochs = num_epochs
        self._curves = np.empty((0, num_epochs))
        self._ends = np.empty(0, int)

    @property
    def num_whole(self) -> int:
        """Children that were not stopped."""
        return int(np.sum(self._ends == self._num_epochs))

    @property
    def best_final(self) -> float:
        """The highest final reward of a whole curve; -inf if there is none."""
        whole = self._curves[self._ends == self._num_epochs, -1]
        return float(whole.max(initial=-math.inf))

    def add(self, rewards: Sequence[float], *, stopped_epoch: int = 0) -> None:
        """Takes in one child's curve.

        Args:
            rewards: one an epoch, at least one.
            stopped_epoch: after which it was stopped; 0 if it was not.

        Raises:
            ConfigError: more epochs than a child has, or none; or a child
                that was stopped has not as many rewards.
        """
        num = len(rewards)
        if not 1 <= num <= self._num_epochs or stopped_epoch not in (0, num):
            raise ConfigError(
                f"a learning curve must have 1 to {self._num_epochs} epochs, "
                f"and end where it was stopped ({stopped_epoch}). "
                f"Received: {num} epochs"
            )
        curve = np.full(self._num_epochs, rewards[-1], float)
        curve[:num] = rewards
        self._curves = np.vstack([self._curves, curve])
        self._ends = np.append(self._ends, stopped_epoch or self._num_epochs)

    def rewards_after(self, epoch: int) -> np.ndarray:
        """The rewards after `epoch` of the children that trained so long."""
        return self._curves[self._ends >= epoch, epoch - 1]

    def fits(self) -> dict[int, EpochFit]:
        """Epoch, from 1 to the last but one -> its fit.

        Empty with fewer than `MIN_WHOLE` whole curves.
        """
        if self.num_whole < MIN_WHOLE:
            return {}
        finals = self._curves[:, -1].copy()
        variances = np.zeros(len(finals))
        fits: dict[int, EpochFit] = {}
        for epoch in range(self._num_epochs - 1, 0, -1):
            beyond = self._ends > epoch
            current = self._curves[:, epoch - 1]
            slope, intercept, residual = _regress(
                current[beyond], finals[beyond], variances[beyond]
            )
            here = self._ends == epoch
            finals[here] = intercept + slope * current[here]
            variances[here] = residual
            reached = self._ends >= epoch
            x, y = current[reached], finals[reached]
            # Rounding would make equal values vary together.
            is_flat = _is_flat(x) or _is_flat(y)
            product = (x - x.mean()) * (y - y.mean())
            fits[epoch] = EpochFit(
                num=len(x),
                mean_current=float(x.mean()),
                variance_current=float(x.var()),
                mean_final=float(y.mean()),
                variance_final=float(y.var() + variances[reached].mean()),
                covariance=0.0 if is_flat else float(product.mean()),
                slope=slope,
                intercept=intercept,
                residual_variance=residual,
            )
        return fits


def _is_flat(values: np.ndarray) -> bool:
    """Whether all are equal; such differ by rounding from their mean."""
    return bool(np.ptp(values) <= _ROUNDING * np.abs(values).max())


def _regress(
    x: np.ndarray, y: np.ndarray, variances: np.ndarray
) -> tuple[float, float, float]:
    """Slope, intercept and residual variance of y on x.

    Args:
        x: (num,).
        y: (num,), observed or expected.
        variances: (num,), of the expected ones; 0 where observed.
    """
    centred = x - x.mean()
    is_flat = _is_flat(x)
    slope = 0.0 if is_flat else float(centred @ y) / float(centred @ centred)
    # Better now and worse in the end is noise: it would reward bad starts.
    slope = max(0.0, slope)
    intercept = float(y.mean() - slope * x.mean())
    residuals = y - intercept - slope * x
    total = float(residuals @ residuals + variances.sum())
    return slope, intercept, total / (len(x) - 2)
