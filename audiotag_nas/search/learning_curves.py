"""Regression of final rewards on the learning curves of a search.

Trials stopped early have no final reward, and they are not a random sample,
because their curves were low. But the curve determines the stop, so final
rewards are missing at random (Little and Rubin, *Statistical Analysis with
Missing Data*). Curves only end early and never begin late (monotone
missingness), so sequential regression is enough. Its steps go back from the
last epoch. The trials that trained beyond an epoch give a regression of the
final reward on the reward after this epoch. The trials stopped at this epoch
get the predicted final reward and its variance, and take part in the
regressions at earlier epochs. A regression over full trainings alone would be
biased upwards: among trials with a poor start, only those that recovered were
trained in full.

A curve has one reward per epoch, the trial's reward if it had ended there. If a
trial ends before the last epoch without being stopped, its final reward also
counts for the epochs that are left.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from audiotag_nas.errors import ConfigError

MIN_WHOLE = 4
"""Number of full curves for a regression with two degrees of freedom."""

_LEAST_R2 = 0.25
"""Lower bound of R² in `calibrated_final`, which divides by R²."""

_ROUNDING = 1e-9


@dataclasses.dataclass(frozen=True)
class EpochFit:
    """The joint distribution of the current reward and the final reward.

    The current reward of a trial is the reward after one given epoch. Moments
    divide by the number of trials. Final rewards are observed or predicted;
    `variance_final` includes the variance of the predictions.

    Attributes:
        num: number of trials that trained for this epoch.
        mean_current, variance_current: mean and variance, current rewards.
        mean_final, variance_final: mean and variance of the final rewards.
        covariance: covariance of the current and the final reward.
        slope, intercept: regression of the final on the current reward, over
            the trials that trained longer. The slope is not negative.
        residual_variance: variance of the regression's residuals.
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

    def predicted_final(self, current: float) -> float:
        """The regression's prediction, which is shrunk towards the mean."""
        return self.intercept + self.slope * current

    def calibrated_final(self, current: float) -> float:
        """The classical calibration estimate (Krutchkoff 1967).

        The estimate inverts the regression of the current on the final reward.
        It is not shrunk towards the mean: over trials with the same final
        reward, the mean estimate is this reward. In return, the estimate is
        noisier than `predicted_final`, above all if R² is small. An R² below
        `_LEAST_R2` therefore counts as `_LEAST_R2`.
        """
        predicted = self.predicted_final(current)
        spread = self.variance_current * self.variance_final
        if spread == 0:
            return predicted
        r2 = min(1.0, max(_LEAST_R2, self.covariance**2 / spread))
        return self.mean_final + (predicted - self.mean_final) / r2


class LearningCurves:
    """The learning curves of the trials observed so far.

    Args:
        num_epochs: number of epochs of a full training.
    """

    def __init__(self, num_epochs: int) -> None:
        self._num_epochs = num_epochs
        self._curves = np.empty((0, num_epochs))
        self._ends = np.empty(0, int)

    @property
    def num_whole(self) -> int:
        """The number of trials that were not stopped."""
        return int(np.sum(self._ends == self._num_epochs))

    @property
    def best_final(self) -> float:
        """The highest final reward of full trainings; -inf without one."""
        whole = self._curves[self._ends == self._num_epochs, -1]
        return float(whole.max(initial=-math.inf))

    def add(self, rewards: Sequence[float], *, stopped_epoch: int = 0) -> None:
        """Adds the curve of a trial.

        Args:
            rewards: one reward per epoch, and at least one.
            stopped_epoch: the epoch after which the trial was stopped, or 0 if
                the trial was not stopped.

        Raises:
            ConfigError: the curve has no epochs, has too many epochs, or does
                not end at `stopped_epoch`.
        """
        num = len(rewards)
        if not 1 <= num <= self._num_epochs or stopped_epoch not in (0, num):
            raise ConfigError(
                f"a learning curve must have 1 to {self._num_epochs} epochs, "
                f"and end at the epoch of its stop ({stopped_epoch}). "
                f"Received: {num} epochs"
            )
        curve = np.full(self._num_epochs, rewards[-1], float)
        curve[:num] = rewards
        self._curves = np.vstack([self._curves, curve])
        self._ends = np.append(self._ends, stopped_epoch or self._num_epochs)

    def rewards_after(self, epoch: int) -> np.ndarray:
        """The rewards after `epoch` of all trials that trained for it."""
        return self._curves[self._ends >= epoch, epoch - 1]

    def fits(self) -> dict[int, EpochFit]:
        """Maps each epoch before the last one to its fit.

        The result is empty if there are fewer than `MIN_WHOLE` full curves.
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
            # Rounding errors of equal values must not give a covariance.
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
    """Whether all values are equal up to rounding."""
    return bool(np.ptp(values) <= _ROUNDING * np.abs(values).max())


def _regress(
    x: np.ndarray, y: np.ndarray, variances: np.ndarray
) -> tuple[float, float, float]:
    """Slope, intercept and residual variance of a regression of y on x.

    Args:
        x: current rewards, (num,).
        y: observed or predicted final rewards, (num,).
        variances: the variance of each y, (num,); 0 if y is observed.
    """
    centered = x - x.mean()
    is_flat = _is_flat(x)
    slope = 0.0 if is_flat else float(centered @ y) / float(centered @ centered)
    # A negative slope is noise. It would give bad starts high predictions.
    slope = max(0.0, slope)
    intercept = float(y.mean() - slope * x.mean())
    residuals = y - intercept - slope * x
    total = float(residuals @ residuals + variances.sum())
    return slope, intercept, total / (len(x) - 2)
