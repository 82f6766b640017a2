"""Children stopped early: when, and what the searcher is told of them.

An `EarlyStopper` learns from the curves of the children told so far and gives
each new child a rule: the least quality that it must have after some epochs.
The rule is plain values within the trial and the child itself obeys it, so it
works with every runner, and a search stays a function of its seed and
results: a child's rule depends on the rounds told before it was asked for and
on nothing that happens meanwhile. Here this differs from the published
methods, which decide when a child gets there.

`halving`, after asynchronous successive halving (Li et al., *A System for
Massively Parallel Hyperparameter Tuning*, MLSys 2020): rungs at the epochs
eta, eta^2, ...; a child goes on beyond a rung if it is in the best 1 / eta of
those told there. A child is judged once at a rung; a stopped one
is never gone on with.

`curve`, after curve extrapolation (Domhan et al., *Speeding up Automatic
Hyperparameter Optimization of Deep Neural Networks by Extrapolation of
Learning Curves*, IJCAI 2015), by regression. They stop a child where
P(final > best so far | curve) is below a threshold. This probability is small
for every child once many were trained (a priori 1 / n for the n-th), so
that a threshold comes to stop all. Here ([own]) the risk is stated the other
way round: the probability that a child is stopped that would have been *as
good as the best so far*. It is shared out to the epochs in proportion to the
square of the epochs that stopping there saves: late ones save little, and
losses there are as large. The least quality is the lower quantile of

    quality after epoch t | final quality = best so far

by the regression over all children told (`learning_curves`), Student's t with
the prediction's own error, so that few children make it careful. The shares
add up to the risk, which thus holds over all epochs (Bonferroni), as far as
curves are normal about their regression.

Nothing is stopped before `min_trials` children were trained whole, or before
`min_epochs` epochs.

The fair reward of a stopped child is the final reward of which its current one
is the most typical, by regression over all children. Told its bare reward, a
searcher would learn that its architecture is far worse than it is. Told the
final reward to be *expected*, it would learn little of how architectures
differ: where starts say little of ends, all are expected near the mean of all.
What an architecture is worth by what is known of others is for the searcher to
weigh, and one with a reward model does; a mean in what it is told would count
twice. It never exceeds the best whole child's: nothing that was not trained to
its end leads.
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
"""A `trial.StopRule`, as it will be read from a journal."""


class EarlyStopper(Protocol):
    """Decides which children are stopped, by those told so far.

    What `rule` and `fair_reward` give is a function of the settings and of
    what was told before, in that order.
    """

    def rule(self) -> Rule:
        """[epoch, least reward] pairs for a child asked for now.

        Rewards here are qualities less the child's costs, where it has any.
        """
        ...

    def tell(self, results: Sequence[TrialResult]) -> None:
        """Learns the results of one round; failed ones say nothing.

        Raises:
            ConfigError: a result has no curve named `quality`.
        """
        ...

    def estimated_final_reward(self, result: TrialResult) -> float:
        """What a searcher is to be told of a completed child."""
        ...


class _CurveStopper:
    """What both have in common: the curves and the fair reward."""

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
        return [list(rung) for rung in self._rule]

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
                for epoch, least in self._rungs()
                if epoch < self._num_epochs
            ]

    def estimated_final_reward(self, result: TrialResult) -> float:
        if result.reward is None:
            raise ConfigError(
                f"{result.trial_id}: failed, it has no reward to make fair."
            )
        fit = self._fits.get(result.stopped_epoch)
        if fit is None:
            return result.reward
        likeliest = fit.likeliest_final(result.reward)
        return min(likeliest, self._curves.best_final)

    def _rungs(self) -> list[tuple[int, float]]:
        raise NotImplementedError


class HalvingStopper(_CurveStopper):
    """The best 1 / eta at each rung go on; see the module.

    Args:
        num_epochs: of a child that is not stopped.
        min_trials: children trained whole before any is stopped.
        min_epochs: no rung is before this epoch.
        eta: from rung to rung, epochs grow by this factor and children shrink
            by it.
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

    def _rungs(self) -> list[tuple[int, float]]:
        rungs = {}
        epoch = self._eta
        while round(epoch) < self._num_epochs:
            if round(epoch) >= self._min_epochs:
                told = np.sort(self._curves.rewards_after(round(epoch)))
                num_going_on = max(1, int(len(told) / self._eta))
                rungs[round(epoch)] = float(told[-num_going_on])
            epoch *= self._eta
        return list(rungs.items())


class CurveStopper(_CurveStopper):
    """Stops what is not on the way to the best so far; see the module.

    Args:
        num_epochs: of a child that is not stopped.
        min_trials: children trained whole before any is stopped.
        min_epochs: the first epoch that may be the last.
        risk: of stopping, at any epoch, a child that would end as good as
            the best so far.
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

    def _rungs(self) -> list[tuple[int, float]]:
        # Here: most commands would wait for it in vain, a quarter of a second.
        from scipy.special import stdtrit

        num_free = self._curves.num_whole - 2
        best = self._curves.best_final
        epochs = np.arange(self._min_epochs, self._num_epochs)
        saved = (self._num_epochs - epochs) ** 2
        quantiles = stdtrit(num_free, self._risk * saved / saved.sum())
        rungs = []
        for epoch, quantile in zip(
            epochs.tolist(), quantiles.tolist(), strict=True
        ):
            fit = self._fits[epoch]
            # With no sign that a good start means a good end, none is stopped.
            if fit.covariance > 0:
                mean, deviation = _current_given_final(fit, best)
                rungs.append((epoch, mean + quantile * deviation))
        return rungs


def make_early_stopper(
    name: str,
    *,
    num_epochs: int,
    min_trials: int = 8,
    min_epochs: int = 2,
    eta: float = 3.0,
    risk: float = 0.1,
) -> EarlyStopper | None:
    """The early stopper called `name`; None for `none`.

    Raises:
        ConfigError: no such stopper; names those there are.
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
    """Mean and deviation of a new child's current reward, if it ends so."""
    slope = fit.covariance / fit.variance_final
    mean = fit.mean_current + slope * (final - fit.mean_final)
    variance = max(0.0, fit.variance_current - slope * fit.covariance)
    variance *= fit.num / (fit.num - 2)
    leverage = (final - fit.mean_final) ** 2 / fit.variance_final
    return mean, (variance * (1 + (1 + leverage) / fit.num)) ** 0.5


def _reward_curve(result: TrialResult) -> list[float]:
    """What the reward would have been after each epoch: costs do not change."""
    if not result.history.get("quality") or result.reward is None:
        raise ConfigError(
            f"{result.trial_id}: children can be stopped early only where "
            "their history has the curve `quality`. "
            f"Received: {sorted(result.history)}"
        )
    quality = result.curve("quality")
    for value in (*quality, result.reward):
        if not abs(value) <= MAX_REWARD:
            raise ConfigError(
                f"{result.trial_id}: its reward and the curve `quality` must "
                f"be at most {MAX_REWARD:g} in magnitude. Received: {value:g}"
            )
    # In this order a child without costs keeps its qualities to the last bit.
    cost = quality[-1] - result.reward
    return [value - cost for value in quality]
