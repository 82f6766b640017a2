"""Early stopping of trials, and the rewards told for stopped trials.

An `EarlyStopper` learns from the learning curves observed so far and gives each
new trial a stop rule: the least quality that is required after some epochs.
Early stopping works with every runner, because the rule is part of the trial
and the training applies the rule. A search remains a function of its seed and
results, because a rule depends only on the rounds observed before its trial was
made. The published methods instead decide during the training of the trial.

`halving` is asynchronous successive halving (Li et al., *A System for Massively
Parallel Hyperparameter Tuning*, MLSys 2020). Its rungs (fidelities) are the
epochs eta, eta^2, ... A trial continues after a rung (is promoted) if its
reward is among the best 1 / eta of the rewards observed at this rung. A stopped
trial is never resumed.

`curve` extrapolates learning curves (Domhan et al., *Speeding up Automatic
Hyperparameter Optimization of Deep Neural Networks by Extrapolation of Learning
Curves*, IJCAI 2015), here by regression. Domhan et al. stop a trial if
P(final > best so far | curve) is below a threshold. Before the n-th trial
starts, this probability is 1 / n. Late in a search, it is therefore below any
threshold, and all trials are stopped. This package's own rule limits the risk,
the probability of stopping a trial that would have been *as good as the best so
far*. Each epoch gets a share of the risk, proportional to the square of the
number of epochs saved by a stop. The least quality after epoch t is a quantile
of the distribution

    quality after epoch t | final quality = best so far

The level of the quantile is the share of epoch t. The distribution is estimated
by regression over all observed trials (`learning_curves`). After few trials the
rule is cautious, because the quantile uses Student's t distribution and the
standard error of the prediction. The shares add up to the risk. If rewards are
normally distributed about the regression line, the probability of a wrong stop
at any epoch is therefore at most the risk (Bonferroni).

No trial is stopped before `min_trials` trials were trained in full, or before
`min_epochs` epochs.

The searcher is told an estimate of a stopped trial's final reward. The reward
at the stop would understate the architecture. The final reward predicted by the
regression would be shrunk towards the mean of all trials, and a searcher with a
reward model would shrink the prediction once more. The classical calibration
estimate (`EpochFit.calibrated_final`) does not shrink and is used instead. The
estimate is limited to the best reward of a full training.

On recorded learning curves of 729 networks (docs/results/early_stopping.md),
random search of 100 trials reaches the same regret with about half of the
epochs under either rule. In searches of 50 trials, `halving` saves more epochs
(48 % against 43 %). `curve` stops fewer trials that would have become the best
(9 % against 21 to 31 %).
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from audiotag_nas.errors import ConfigError
from audiotag_nas.search.learning_curves import (
    MIN_WHOLE,
    EpochFit,
    LearningCurves,
)
from audiotag_nas.trial import MAX_REWARD, TrialResult, TrialStatus

EARLY_STOPPERS = ("none", "halving", "curve")

Rule = list[list[float]]
"""A `trial.StopRule` as nested lists, as in a journal."""


class EarlyStopper(Protocol):
    """Makes stop rules from the results observed so far.

    Rules and estimates depend only on the settings, the results told before,
    and the order of these results.
    """

    def rule(self) -> Rule:
        """The [epoch, least reward] pairs of a trial that is made now.

        Each reward is the quality after the epoch, minus the trial's costs.
        """
        ...

    def tell(self, results: Sequence[TrialResult]) -> None:
        """Learns from the results of one round, except those of failed trials.

        Raises:
            ConfigError: a result has no curve named `quality`.
        """
        ...

    def estimated_final_reward(self, result: TrialResult) -> float:
        """The estimated final reward; for a trial not stopped, its reward."""
        ...


class _RegressionStopper:
    """Base class of both stoppers; estimates the final rewards."""

    def __init__(
        self, *, num_epochs: int, min_trials: int, min_epochs: int
    ) -> None:
        self._num_epochs = num_epochs
        self._min_trials = max(min_trials, MIN_WHOLE)
        self._min_epochs = min_epochs
        self._curves = LearningCurves(num_epochs)
        self._fits: dict[int, EpochFit] = {}
        self._rule: Rule = []

    def rule(self) -> Rule:
        return [list(pair) for pair in self._rule]

    def tell(self, results: Sequence[TrialResult]) -> None:
        for result in results:
            if result.status is TrialStatus.COMPLETED:
                self._curves.add(
                    _reward_curve(result), stopped_epoch=result.stopped_epoch
                )
        self._fits = self._curves.fits()
        if self._curves.num_whole >= self._min_trials:
            self._rule = [
                [epoch, least]
                for epoch, least in self._thresholds()
                if epoch < self._num_epochs
            ]

    def estimated_final_reward(self, result: TrialResult) -> float:
        if result.reward is None:
            raise ConfigError(
                f"{result.trial_id}: a failed trial has no final reward."
            )
        fit = self._fits.get(result.stopped_epoch)
        if fit is None:
            return result.reward
        estimate = fit.calibrated_final(result.reward)
        return min(estimate, self._curves.best_final)

    def _thresholds(self) -> list[tuple[int, float]]:
        """The rule, as (epoch, least reward after this epoch) pairs."""
        raise NotImplementedError


class HalvingStopper(_RegressionStopper):
    """Promotes the best 1 / eta of the trials at each rung (see the module).

    Args:
        num_epochs: number of epochs of a full training.
        min_trials: number of full trainings before any trial is stopped.
        min_epochs: the first epoch that may be a rung.
        eta: the factor between a rung and the next rung. The number of epochs
            is multiplied by eta, and the number of trials is divided by eta.
    """

    def __init__(
        self,
        *,
        num_epochs: int,
        min_trials: int = 8,
        min_epochs: int = 2,
        eta: float = 3.0,
    ) -> None:
        super().__init__(
            num_epochs=num_epochs, min_trials=min_trials, min_epochs=min_epochs
        )
        self._eta = eta

    def _thresholds(self) -> list[tuple[int, float]]:
        rungs = {}
        epoch = self._eta
        while round(epoch) < self._num_epochs:
            if round(epoch) >= self._min_epochs:
                observed = np.sort(self._curves.rewards_after(round(epoch)))
                num_promoted = max(1, int(len(observed) / self._eta))
                rungs[round(epoch)] = float(observed[-num_promoted])
            epoch *= self._eta
        return list(rungs.items())


class CurveStopper(_RegressionStopper):
    """Stops trials that are unlikely to equal the best (see the module).

    Args:
        num_epochs: number of epochs of a full training.
        min_trials: number of full trainings before any trial is stopped.
        min_epochs: the first epoch after which a trial may be stopped.
        risk: probability of stopping, at any epoch, a trial that would have
            been as good as the best so far.
    """

    def __init__(
        self,
        *,
        num_epochs: int,
        min_trials: int = 8,
        min_epochs: int = 2,
        risk: float = 0.1,
    ) -> None:
        super().__init__(
            num_epochs=num_epochs, min_trials=min_trials, min_epochs=min_epochs
        )
        self._risk = risk

    def _thresholds(self) -> list[tuple[int, float]]:
        # Imported only when used, since the import takes a quarter of a second.
        from scipy.special import stdtrit

        degrees_of_freedom = self._curves.num_whole - 2
        best = self._curves.best_final
        epochs = np.arange(self._min_epochs, self._num_epochs)
        saved = (self._num_epochs - epochs) ** 2
        quantiles = stdtrit(
            degrees_of_freedom, self._risk * saved / saved.sum()
        )
        thresholds = []
        for epoch, quantile in zip(
            epochs.tolist(), quantiles.tolist(), strict=True
        ):
            fit = self._fits[epoch]
            # Without a positive correlation, this epoch gets no threshold.
            if fit.covariance > 0:
                mean, deviation = _current_given_final(fit, best)
                thresholds.append((epoch, mean + quantile * deviation))
        return thresholds


def make_early_stopper(
    name: str,
    *,
    num_epochs: int,
    min_trials: int = 8,
    min_epochs: int = 2,
    eta: float = 3.0,
    risk: float = 0.1,
) -> EarlyStopper | None:
    """Makes the early stopper called `name`, or returns None for "none".

    Raises:
        ConfigError: there is no early stopper of this name.
    """
    if name == "none":
        return None
    if name == "halving":
        return HalvingStopper(
            num_epochs=num_epochs,
            min_trials=min_trials,
            min_epochs=min_epochs,
            eta=eta,
        )
    if name == "curve":
        return CurveStopper(
            num_epochs=num_epochs,
            min_trials=min_trials,
            min_epochs=min_epochs,
            risk=risk,
        )
    raise ConfigError(
        f"an early stopper must be one of {list(EARLY_STOPPERS)}. "
        f"Received: {name!r}"
    )


def _current_given_final(fit: EpochFit, final: float) -> tuple[float, float]:
    """Mean and standard deviation of the current reward, given the final one.

    Both values are for a new trial, which `fit` has not observed.
    """
    slope = fit.covariance / fit.variance_final
    mean = fit.mean_current + slope * (final - fit.mean_final)
    variance = max(0.0, fit.variance_current - slope * fit.covariance)
    variance *= fit.num / (fit.num - 2)
    leverage = (final - fit.mean_final) ** 2 / fit.variance_final
    return mean, (variance * (1 + (1 + leverage) / fit.num)) ** 0.5


def _reward_curve(result: TrialResult) -> list[float]:
    """The rewards after each epoch: the qualities minus the trial's cost."""
    if not result.history.get("quality") or result.reward is None:
        raise ConfigError(
            f"{result.trial_id}: early stopping needs the curve `quality` in "
            f"the trial's history. Received: {sorted(result.history)}"
        )
    quality = result.curve("quality")
    for value in (*quality, result.reward):
        if not abs(value) <= MAX_REWARD:
            raise ConfigError(
                f"{result.trial_id}: its reward and the curve `quality` must "
                f"be at most {MAX_REWARD:g} in magnitude. Received: {value:g}"
            )
    # With this order of subtractions, a cost of 0 leaves the qualities exact.
    cost = quality[-1] - result.reward
    return [value - cost for value in quality]
