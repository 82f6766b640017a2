"""Importance of decisions: the functional ANOVA of the reward model.

A function of independent decisions is the sum of its mean, one main effect per
decision, one interaction per pair of decisions, and terms of three or more
decisions. All terms are orthogonal under the uniform distribution, so their
variances add up (Hooker, *Generalized Functional ANOVA Diagnostics*, 2007; for
hyperparameters Hutter, Hoos and Leyton-Brown, *An Efficient Approach for
Assessing Hyperparameter Importance*, ICML 2014). The main effect of a choice is
its partial dependence (Friedman 2001): the mean reward of all points with this
choice, minus the mean reward of all points.

Averages of a Gaussian process are jointly normal, so main effects and
interactions have a posterior in closed form (Oakley and O'Hagan, *Probabilistic
Sensitivity Analysis of Complex Models*, 2004). The averages give equal weights
to all points of the space. An effect is therefore uncertain if the search did
not visit some regions. Shares of variance are ratios of squares, which have no
closed form; they are estimated from posterior samples. Only the variance beyond
main effects is estimated from sampled points.

The kernel's hyperparameters are fixed at their most probable values. Standard
deviations and intervals ignore the uncertainty of these values.
"""

import dataclasses
import itertools
import math

import numpy as np
import numpy.typing as npt

from audiotag_nas.inspection.marginal_weights import MarginalWeights
from audiotag_nas.search.points import draw_points
from audiotag_nas.search.reinforce.reward_model import RewardModel
from audiotag_nas.space import SearchSpace

Array = npt.NDArray[np.float64]

_MAX_POINTS = 512
MAX_COMBINATIONS = 2000
"""The maximum number of combinations of choices in all analyzed pairs. The time
of the analysis grows with the cube of this number."""
_MAX_RANKED = 32  # choices per decision that are used to rank the pairs
_QUANTILES = (0.05, 0.95)


@dataclasses.dataclass(frozen=True)
class Share:
    """A share of variance, 0 to 1, and the ends of its credible interval."""

    mean: float
    low: float
    high: float


@dataclasses.dataclass(frozen=True)
class Contrast:
    """The difference between two choices of a decision.

    Attributes:
        better, worse: the tokens of the two choices.
        mean, deviation: the posterior mean and the posterior standard deviation
            of the difference in mean reward.
    """

    better: int
    worse: int
    mean: float
    deviation: float


@dataclasses.dataclass(frozen=True)
class Effect:
    """The main effect of one decision with n choices.

    Attributes:
        decision: the index of the decision.
        mean: (n,), the posterior mean of each choice's effect.
        covariance: (n, n), the posterior covariance of the effects.
        share: the effect's share of the reward's variance over the space.
    """

    decision: int
    mean: Array
    covariance: Array
    share: Share

    @property
    def deviation(self) -> Array:
        """(n,), the posterior standard deviations of the effects."""
        return np.sqrt(np.diag(self.covariance))

    @property
    def contrast(self) -> Contrast:
        """The difference between the best choice and the worst choice."""
        better, worse = int(np.argmax(self.mean)), int(np.argmin(self.mean))
        signs = np.zeros(len(self.mean))
        signs[better] += 1.0
        signs[worse] -= 1.0
        return Contrast(
            better,
            worse,
            float(signs @ self.mean),
            float(np.sqrt(max(0.0, float(signs @ self.covariance @ signs)))),
        )


@dataclasses.dataclass(frozen=True)
class PairEffect:
    """The joint effect of two decisions with n and m choices.

    Attributes:
        decisions: the indices of the two decisions.
        mean, deviation: (n, m), the posterior mean and the posterior standard
            deviation of each joint effect: the combination's mean reward minus
            the mean reward of all points.
        interaction, interaction_deviation: (n, m), the mean and the deviation
            of each interaction: the joint effect minus both main effects.
        share: the interaction's share of the reward's variance.
    """

    decisions: tuple[int, int]
    mean: Array
    deviation: Array
    interaction: Array
    interaction_deviation: Array
    share: Share


@dataclasses.dataclass(frozen=True)
class Importance:
    """The decomposition of the reward's variance.

    Attributes:
        effects: the main effects of all decisions, the largest share first.
        pairs: the strongest pairs, the largest share first.
        main_share: the share of all main effects together. The rest of the
            variance is due to interactions.
        skipped_pairs: the strong pairs left out because of `MAX_COMBINATIONS`.
    """

    effects: tuple[Effect, ...]
    pairs: tuple[PairEffect, ...]
    main_share: Share
    skipped_pairs: tuple[tuple[int, int], ...] = ()


def importance(
    model: RewardModel,
    space: SearchSpace,
    *,
    seed: int,
    num_pairs: int = 4,
    num_samples: int = 1000,
) -> Importance:
    """Computes the functional ANOVA of a fitted reward model.

    Args:
        model: a reward model that was fitted to points of `space`.
        space: the search space.
        seed: the seed of the posterior samples and of the sampled points.
        num_pairs: the number of pairs to analyze. Pairs are ranked by the
            posterior means of their interactions.
        num_samples: the number of posterior samples.
    """
    generator = np.random.default_rng(seed)
    weights = MarginalWeights(space)
    ranked = _ranked_pairs(model, weights)
    pairs = _within_limit(ranked, weights)[:num_pairs]
    points = (
        list(itertools.product(*map(range, space.num_choices)))
        if space.size <= _MAX_POINTS
        else draw_points(space, _MAX_POINTS, generator)
    )
    one_hot = weights.one_hot(np.array(points))
    rows = [weights.whole_row(), weights.choice_rows()]
    rows += [weights.pair_rows(*pair) for pair in pairs]
    mean, covariance = model.averages(np.concatenate([*rows, one_hot]))
    mean, covariance = model.scale * mean, model.scale**2 * covariance
    samples = _normal_samples(mean, covariance, num_samples, generator)

    mains = samples @ weights.main_effects(len(mean)).T
    beyond = samples[:, -len(points) :] - samples[:, :1] - mains @ one_hot.T
    main_total = sum(
        np.mean(mains[:, at] ** 2, axis=1) for at in weights.choices_of
    )
    posterior = _Posterior(
        mean, covariance, samples, main_total + np.mean(beyond**2, axis=1)
    )
    effects = [
        _effect(posterior, weights, decision)
        for decision in range(space.num_decisions)
    ]
    starts = np.cumsum([len(part) for part in rows])[1:]
    pair_effects = [
        _pair_effect(posterior, weights, pair, int(start))
        for pair, start in zip(pairs, starts, strict=False)
    ]
    return Importance(
        tuple(sorted(effects, key=lambda e: -e.share.mean)),
        tuple(sorted(pair_effects, key=lambda p: -p.share.mean)),
        _share(main_total / posterior.total),
        tuple(pair for pair in ranked[:num_pairs] if pair not in pairs),
    )


@dataclasses.dataclass(frozen=True)
class LeaveOneOutFit:
    """How well a model predicts each point from the other points.

    Attributes:
        r2: 1 - (squared error of the leave-one-out predictions) / (squared
            error of the mean of the other points). If `r2` is 0 or less, the
            model predicts no better than that mean. `r2` is 0 for a single
            point. `r2` is slightly optimistic, because the hyperparameters were
            fitted to all points.
        r2_error: the standard error of `r2`: the first-order error of a ratio
            of means (Cochran, *Sampling Techniques*, 1977), without the
            correlations between predictions.
        rmse: the root mean square error of the predictions, in rewards.
    """

    r2: float
    r2_error: float
    rmse: float


def leave_one_out_fit(model: RewardModel) -> LeaveOneOutFit:
    """Evaluates the leave-one-out predictions of a fitted model."""
    predicted, observed = model.leave_one_out()
    errors = (observed - predicted) ** 2
    rmse = model.scale * float(np.mean(errors)) ** 0.5
    num = len(observed)
    if num == 1:
        return LeaveOneOutFit(0.0, 0.0, rmse)
    mean_of_others = (observed.sum() - observed) / (num - 1)
    baselines = (observed - mean_of_others) ** 2
    baseline = float(np.sum(baselines))
    if not baseline > 0:
        return LeaveOneOutFit(0.0, 0.0, rmse)
    ratio = float(np.sum(errors)) / baseline
    residuals = errors - ratio * baselines
    spread = math.sqrt(num / (num - 1) * float(np.sum(residuals**2)))
    return LeaveOneOutFit(1.0 - ratio, spread / baseline, rmse)


@dataclasses.dataclass(frozen=True)
class _Posterior:
    """The joint posterior of A averages of the reward.

    Each average is over the whole space, the points with one choice, the points
    with one combination of a pair's choices, or one sampled point.

    Attributes:
        mean: (A,), the posterior means.
        covariance: (A, A), the posterior covariances.
        samples: (samples, A), samples of the averages.
        total: (samples,), the variance of the reward over the space.
    """

    mean: Array
    covariance: Array
    samples: Array
    total: Array

    def moments(self, coefficients: Array) -> tuple[Array, Array]:
        """Returns the posterior means and standard deviations of effects.

        Each row of `coefficients`, (effects, A), defines one effect.
        """
        variance = np.sum(coefficients @ self.covariance * coefficients, axis=1)
        return coefficients @ self.mean, np.sqrt(np.maximum(variance, 0.0))

    def share(self, coefficients: Array) -> Share:
        """Returns the share of variance of all effects in `coefficients`."""
        sampled = self.samples @ coefficients.T
        return _share(np.mean(sampled**2, axis=1) / self.total)


def _effect(
    posterior: _Posterior, weights: MarginalWeights, decision: int
) -> Effect:
    at = weights.choices_of[decision]
    coefficients = weights.main_effects(len(posterior.mean))[at]
    return Effect(
        decision,
        coefficients @ posterior.mean,
        coefficients @ posterior.covariance @ coefficients.T,
        posterior.share(coefficients),
    )


def _pair_effect(
    posterior: _Posterior,
    weights: MarginalWeights,
    pair: tuple[int, int],
    start: int,
) -> PairEffect:
    """Returns the effect of the pair whose averages begin at index `start`."""
    shape = weights.shape(*pair)
    joint, interaction = weights.pair_effects(pair, start, len(posterior.mean))
    mean, deviation = posterior.moments(joint)
    beyond, beyond_deviation = posterior.moments(interaction)
    return PairEffect(
        pair,
        mean.reshape(shape),
        deviation.reshape(shape),
        beyond.reshape(shape),
        beyond_deviation.reshape(shape),
        posterior.share(interaction),
    )


def _ranked_pairs(
    model: RewardModel, weights: MarginalWeights
) -> list[tuple[int, int]]:
    """Returns all pairs of decisions, the strongest first.

    The posterior mean of a pair's interaction depends on two choices. Its
    variance over at most `_MAX_RANKED` choices per decision is the strength.
    """
    variances = {}
    num = len(weights.choices_of)
    for first, second in itertools.combinations(range(num), 2):
        rows = weights.pair_rows(first, second, max_choices=_MAX_RANKED)
        num_first = min(weights.shape(first, second)[0], _MAX_RANKED)
        means = model.average_means(rows).reshape(num_first, -1)
        interaction = (
            means
            - means.mean(axis=0)
            - means.mean(axis=1, keepdims=True)
            + means.mean()
        )
        variances[first, second] = float(np.mean(interaction**2))
    return sorted(variances, key=lambda pair: -variances[pair])


def _within_limit(
    ranked: list[tuple[int, int]], weights: MarginalWeights
) -> list[tuple[int, int]]:
    """Returns pairs with at most `MAX_COMBINATIONS` combinations in total.

    A pair is left out if it would exceed the limit. The limit is needed because
    combinations are sampled jointly: 10,000 take gigabytes and many minutes.
    """
    left = MAX_COMBINATIONS
    pairs = []
    for pair in ranked:
        num = math.prod(weights.shape(*pair))
        if num <= left:
            left -= num
            pairs.append(pair)
    return pairs


def _normal_samples(
    mean: Array, covariance: Array, num: int, generator: np.random.Generator
) -> Array:
    """Draws samples of a normal distribution, (num, len(mean)).

    The covariance is singular, because some averages are averages of other
    averages. Rounding can make eigenvalues of the covariance slightly negative.
    """
    variances, directions = np.linalg.eigh(covariance)
    root = directions * np.sqrt(np.maximum(variances, 0.0))
    return mean + generator.normal(size=(num, len(mean))) @ root.T


def _share(samples: Array) -> Share:
    low, high = np.quantile(samples, _QUANTILES)
    return Share(float(np.mean(samples)), float(low), float(high))
