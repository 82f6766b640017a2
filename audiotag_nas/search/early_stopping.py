"""Early stopping of trials, and the rewards told for stopped trials.

An `EarlyStopper` learns from the learning curves observed so far and gives each
new trial a stop rule, the least quality required after some epochs. The rule is
part of the trial, and the training itself applies the rule, so early stopping
works with every runner. The rule depends only on the rounds observed before the
trial was made, so a search remains a function of its seed and results. The
published methods instead decide on a stop at the epoch itself.

`halving` is asynchronous successive halving (Li et al., *A System for Massively
Parallel Hyperparameter Tuning*, MLSys 2020). It has rungs (fidelities) at the
epochs eta, eta^2, ... A trial is promoted beyond a rung if its reward is among
the best 1 / eta of the rewards observed there. A stopped trial is never
resumed.

`curve` is learning curve extrapolation (Domhan et al., *Speeding up Automatic
Hyperparameter Optimization of Deep Neural Networks by Extrapolation of Learning
Curves*, IJCAI 2015), by regression. Domhan et al. stop a trial if
P(final > best so far | curve) is below a threshold. This probability is 1 / n
before the n-th trial, so with any threshold all trials are stopped in the end.
In this package's own rule, the risk is the probability of stopping a trial that
would have been *as good as the best so far*. Every epoch gets a share of the
risk in proportion to the square of the number of saved epochs, since late stops
save little. The least quality after epoch t is the quantile, at the share of
this epoch, of

    quality after epoch t | final quality = best so far

by regression over all observed trials (`learning_curves`). The quantile uses
Student's t distribution and the prediction's standard error, so few trials give
a cautious rule. The shares add up to the risk. So the risk bounds the
probability of a wrong stop at any epoch (Bonferroni), if curves are normal
about the regression.

No trial is stopped before `min_trials` trials were trained in full, or before
`min_epochs` epochs.

The searcher is told an estimate of a stopped trial's final reward. The reward
at the stop would understate the architecture. The regression prediction of the
final reward would be shrunk towards the mean of all trials, and a searcher with
a reward model would shrink the prediction once more. So the estimate is the
classical calibration estimator (`EpochFit.calibrated_final`), which does not
shrink. The estimate is at most the best reward of a trial that was trained in
full.

On recorded learning curves of 729 networks (docs/results/early_stopping.md),
random search of 100 trials reaches the same regret with about half of the
epochs by either rule. `halving` saves more epochs in searches of 50 trials
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
"""A `trial.StopRule` of lists, the form in which a journal stores it."""


class EarlyStopper(Protocol):
    """Makes stop rules from the results observed so far.

    Rules and estimates are a function of the settings and of the results told
    before, in their order.
    """

    def rule(self) -> Rule:
        """The [epoch, least reward] pairs of a trial that is made now.

        The reward after an epoch is the quality minus the trial's costs.
        """
        ...

    def tell(self, results: Sequence[TrialResult]) -> None:
        """Learns from the results of one round; ignores failed trials.

        Raises:
            ConfigError: a result has no curve named `quality`.
        """
        ...

    def estimated_final_reward(self, result: TrialResult) -> float:
        """The estimated final reward of a stopped trial, else its reward."""
        ...


class _RegressionStopper:
    """Base of both rules: learning curves and estimates of final rewards."""

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
        """The rule's pairs of an epoch and the least reward after it."""
        raise NotImplementedError


class HalvingStopper(_RegressionStopper):
    """Promotes the best 1 / eta of the trials at each rung; see the module.

    Args:
        num_epochs: number of epochs of a full training.
        min_trials: number of full trainings before any trial is stopped.
        min_epochs: the first epoch that may be a rung.
        eta: the factor from rung to rung by which the number of epochs grows
            and the number of trials shrinks.
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
    """Stops trials that are unlikely to equal the best; see the module.

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
        # Imported here, because the import takes a quarter of a second.
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
            # Without a positive correlation the epoch has no threshold.
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

    They hold for a new trial, which `fit` has not observed.
    """
    slope = fit.covariance / fit.variance_final
    mean = fit.mean_current + slope * (final - fit.mean_final)
    variance = max(0.0, fit.variance_current - slope * fit.covariance)
    variance *= fit.num / (fit.num - 2)
    leverage = (final - fit.mean_final) ** 2 / fit.variance_final
    return mean, (variance * (1 + (1 + leverage) / fit.num)) ** 0.5


def _reward_curve(result: TrialResult) -> list[float]:
    """The reward after each epoch, which is the quality minus the costs."""
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
    # In this order, rewards without costs equal the qualities bit for bit.
    cost = quality[-1] - result.reward
    return [value - cost for value in quality]
