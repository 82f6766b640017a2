"""Regression of final rewards on the learning curves of a search.

Trials stopped early have no final reward. They are not a random sample, because
their curves were low. The final rewards are nevertheless missing at random,
because the curve alone determines the stop (Little and Rubin, *Statistical
Analysis with Missing Data*). Sequential regression is enough, because curves
only end early and never begin late (monotone missingness). This regression goes
back from the last epoch. At each epoch, the final reward is regressed on the
reward after this epoch, over the trials that trained longer. Then the trials
stopped at this epoch get the predicted final reward and its variance, and are
included in the regressions at earlier epochs. A regression over full trainings
alone would be biased upwards: among trials with a poor start, only those that
recovered were trained in full.

For each epoch, a curve has the reward that the trial would have if its training
ended there. If a trial ends before the last epoch without being stopped, its
final reward also counts for the remaining epochs.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from audiotag_nas.errors import ConfigError

MIN_WHOLE = 4
"""Least number of full curves; leaves a regression 2 degrees of freedom."""

_LEAST_R2 = 0.25
"""Lower bound of R² in `calibrated_final`, which divides by R²."""

_ROUNDING = 1e-9


@dataclasses.dataclass(frozen=True)
class EpochFit:
    """The joint distribution of the current reward and the final reward.

    The current reward of a trial is the reward after one given epoch. Variances
    and the covariance are sums divided by the number of trials. Final rewards
    are observed or predicted.

    Attributes:
        num: number of trials that trained for this epoch.
        mean_current, variance_current: moments of the current rewards.
        mean_final, variance_final: moments of the final rewards. The variance
            includes that of the predictions.
        covariance: covariance of the current and the final reward.
        slope, intercept: the regression line of the final on the current
            reward, over the trials that trained longer. The slope is 0 or more.
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
        The estimate is not shrunk towards the mean: over trials with the same
        final reward, the mean estimate equals this reward. However, the
        estimate is noisier than `predicted_final`, above all for a small R². An
        R² below `_LEAST_R2` is therefore replaced by `_LEAST_R2`.
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
        """The highest final reward of all full trainings; -inf if none."""
        whole = self._curves[self._ends == self._num_epochs, -1]
        return float(whole.max(initial=-math.inf))

    def add(self, rewards: Sequence[float], *, stopped_epoch: int = 0) -> None:
        """Adds the curve of a trial.

        Args:
            rewards: one reward per epoch, for at least one epoch.
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
        """The reward after `epoch`, of each trial that trained for `epoch`."""
        return self._curves[self._ends >= epoch, epoch - 1]

    def fits(self) -> dict[int, EpochFit]:
        """Returns the fit of each epoch before the last one.

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
            # Equal values have no covariance, despite rounding errors.
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
    """Whether all values are equal, apart from rounding errors."""
    return bool(np.ptp(values) <= _ROUNDING * np.abs(values).max())


def _regress(
    x: np.ndarray, y: np.ndarray, variances: np.ndarray
) -> tuple[float, float, float]:
    """Slope, intercept and residual variance of a regression of y on x.

    Args:
        x: current rewards, (num,).
        y: observed or predicted final rewards, (num,).
        variances: the variance of each y, (num,); 0 for an observed y.
    """
    centered = x - x.mean()
    is_flat = _is_flat(x)
    slope = 0.0 if is_flat else float(centered @ y) / float(centered @ centered)
    # A negative slope is noise, and would predict high rewards for bad starts.
    slope = max(0.0, slope)
    intercept = float(y.mean() - slope * x.mean())
    residuals = y - intercept - slope * x
    total = float(residuals @ residuals + variances.sum())
    return slope, intercept, total / (len(x) - 2)
