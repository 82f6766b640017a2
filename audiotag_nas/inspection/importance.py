"""Which decisions matter, by the reward model: its functional ANOVA.

A function of independent decisions is the sum of its mean, a main effect for
each decision, an interaction for each pair, and the rest, all orthogonal
under the uniform distribution; so their variances add up (Hooker, *Generalized
Functional ANOVA Diagnostics*, 2007; for hyperparameters Hutter, Hoos and
Leyton-Brown, *An Efficient Approach for Assessing Hyperparameter Importance*,
ICML 2014). A main effect is the partial dependence (Friedman 2001): the mean
reward of all networks with that choice, less the mean of all.

Of a Gaussian process both have a posterior in closed form (Oakley and O'Hagan,
*Probabilistic Sensitivity Analysis of Complex Models*, 2004): averages of the
function over parts of the space are jointly normal. So here the background is
the whole space, every network counting alike, and not a sample of it: what the
search did not visit counts too, and is what makes an effect unsure. Shares are
ratios of squares; they are sampled from the posterior. Only the variance
beyond main effects needs points to be drawn.

The hyperparameters are held at their most probable values: that they might be
others is not in the deviations. NumPy and SciPy, no TensorFlow.
"""

import dataclasses
import itertools
import math

import numpy as np
import numpy.typing as npt

from audiotag_nas.inspection.average_rows import AverageRows
from audiotag_nas.search.points import draw_points
from audiotag_nas.search.reinforce.reward_model import RewardModel
from audiotag_nas.space import SearchSpace

Array = npt.NDArray[np.float64]

_MAX_POINTS = 512
MAX_CELLS = 2000
"""Combinations of the pairs that are looked at; time grows with the cube."""
_MAX_RANKED = 32  # choices of a decision by which its pairs are ranked
_QUANTILES = (0.05, 0.95)


@dataclasses.dataclass(frozen=True)
class Share:
    """A part of the variance, 0 to 1: posterior mean and 90 % interval."""

    mean: float
    low: float
    high: float


@dataclasses.dataclass(frozen=True)
class Contrast:
    """One choice rather than another of a decision.

    Attributes:
        better, worse: tokens.
        mean, deviation: of how much reward the better one gives more.
    """

    better: int
    worse: int
    mean: float
    deviation: float


@dataclasses.dataclass(frozen=True)
class Effect:
    """The main effect of one decision with n choices.

    Attributes:
        decision: its index.
        mean: (n,), reward of each choice less the average of all.
        covariance: (n, n), of the posterior.
        share: of the variance of the reward over the space.
    """

    decision: int
    mean: Array
    covariance: Array
    share: Share

    @property
    def deviation(self) -> Array:
        """(n,), standard deviations of `mean`."""
        return np.sqrt(np.diag(self.covariance))

    @property
    def contrast(self) -> Contrast:
        """The best choice and the worst."""
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
        decisions: their indices.
        mean, deviation: (n, m), reward of each combination less the average.
        interaction, interaction_deviation: (n, m), what of it is not the sum
            of the main effects.
        share: of the interaction, of the reward's variance over the space.
    """

    decisions: tuple[int, int]
    mean: Array
    deviation: Array
    interaction: Array
    interaction_deviation: Array
    share: Share


@dataclasses.dataclass(frozen=True)
class Importance:
    """What decides the reward.

    Attributes:
        effects: of all decisions, the largest share first.
        pairs: of the strongest pairs, the largest share first.
        main_share: of all main effects together; the rest of the variance is
            pairs and more.
        left_out: the decisions of pairs as strong as those in `pairs`, whose
            combinations are too many (`MAX_CELLS`).
    """

    effects: tuple[Effect, ...]
    pairs: tuple[PairEffect, ...]
    main_share: Share
    left_out: tuple[tuple[int, int], ...] = ()


def importance(
    model: RewardModel,
    space: SearchSpace,
    *,
    seed: int,
    num_pairs: int = 4,
    num_samples: int = 1000,
) -> Importance:
    """The functional ANOVA of what `model` has learned.

    Args:
        model: has learned rewards of points of `space`.
        space: that of the model.
        seed: of the samples and points drawn.
        num_pairs: the strongest, by the posterior mean of the interaction, of
            those that have at most `MAX_CELLS` combinations together.
        num_samples: of the posterior.
    """
    generator = np.random.default_rng(seed)
    layout = AverageRows(space)
    ranked = _strongest_pairs(model, layout)
    pairs = _affordable(ranked, layout)[:num_pairs]
    points = (
        list(itertools.product(*map(range, space.num_choices)))
        if space.size <= _MAX_POINTS
        else draw_points(space, _MAX_POINTS, generator)
    )
    one_hot = layout.one_hot(np.array(points))
    rows = [layout.whole_row(), layout.choice_rows()]
    rows += [layout.pair_rows(*pair) for pair in pairs]
    mean, covariance = model.averages(np.concatenate([*rows, one_hot]))
    mean, covariance = model.scale * mean, model.scale**2 * covariance
    samples = _normal_samples(mean, covariance, num_samples, generator)

    mains = samples @ layout.main_effects(len(mean)).T
    beyond = samples[:, -len(points) :] - samples[:, :1] - mains @ one_hot.T
    main_total = sum(
        np.mean(mains[:, at] ** 2, axis=1) for at in layout.choices_of
    )
    posterior = _Posterior(
        mean, covariance, samples, main_total + np.mean(beyond**2, axis=1)
    )
    effects = [
        _effect(posterior, layout, decision)
        for decision in range(space.num_decisions)
    ]
    starts = np.cumsum([len(part) for part in rows])[1:]
    found = [
        _pair_effect(posterior, layout, pair, int(start))
        for pair, start in zip(pairs, starts, strict=False)
    ]
    return Importance(
        tuple(sorted(effects, key=lambda e: -e.share.mean)),
        tuple(sorted(found, key=lambda p: -p.share.mean)),
        _share(main_total / posterior.total),
        tuple(pair for pair in ranked[:num_pairs] if pair not in pairs),
    )


def explained_share(model: RewardModel) -> float:
    """How much of the rewards' variance is foretold of points left out: R^2.

    1 minus the squared error of the leave-one-out predictions over that of
    predicting the mean of the other points; 0 or less says that the model is
    no better than that mean. The hyperparameters have seen all points, which
    flatters it a little. Of one point alone nothing is foretold.
    """
    return _explained(model)[0]


def explained_error(model: RewardModel) -> float:
    """The standard error of `explained_share`, 0 where nothing can be foretold.

    That of a ratio of means over points, to first order (Cochran, *Sampling
    Techniques*, 1977). Predictions of points left out share most of what was
    learned, which it does not know.
    """
    return _explained(model)[1]


def _explained(model: RewardModel) -> tuple[float, float]:
    """R^2 and its standard error."""
    predicted, told = model.leave_one_out()
    num = len(told)
    if num == 1:
        return 0.0, 0.0
    mean_of_others = (told.sum() - told) / (num - 1)
    baselines = (told - mean_of_others) ** 2
    errors = (told - predicted) ** 2
    baseline = float(np.sum(baselines))
    if not baseline > 0:
        return 0.0, 0.0
    ratio = float(np.sum(errors)) / baseline
    residuals = errors - ratio * baselines
    spread = math.sqrt(num / (num - 1) * float(np.sum(residuals**2)))
    return 1.0 - ratio, spread / baseline


@dataclasses.dataclass(frozen=True)
class _Posterior:
    """Of A averages: the whole space, each choice, pairs, points.

    Attributes:
        mean: (A,).
        covariance: (A, A).
        samples: (samples, A).
        total: (samples,), the variance over the space.
    """

    mean: Array
    covariance: Array
    samples: Array
    total: Array

    def moments(self, to_effect: Array) -> tuple[Array, Array]:
        """Mean and standard deviation of combinations, (effects, A)."""
        variance = np.sum(to_effect @ self.covariance * to_effect, axis=1)
        return to_effect @ self.mean, np.sqrt(np.maximum(variance, 0.0))

    def share(self, to_effect: Array) -> Share:
        """Of the effects' mean square."""
        sampled = self.samples @ to_effect.T
        return _share(np.mean(sampled**2, axis=1) / self.total)


def _effect(
    posterior: _Posterior, layout: AverageRows, decision: int
) -> Effect:
    at = layout.choices_of[decision]
    to_effect = layout.main_effects(len(posterior.mean))[at]
    return Effect(
        decision,
        to_effect @ posterior.mean,
        to_effect @ posterior.covariance @ to_effect.T,
        posterior.share(to_effect),
    )


def _pair_effect(
    posterior: _Posterior,
    layout: AverageRows,
    pair: tuple[int, int],
    start: int,
) -> PairEffect:
    """That of the pair whose averages begin at `start`."""
    shape = layout.shape(*pair)
    joint, interaction = layout.pair_effects(pair, start, len(posterior.mean))
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


def _strongest_pairs(
    model: RewardModel, layout: AverageRows
) -> list[tuple[int, int]]:
    """All pairs, that of the greatest mean interaction first.

    Of decisions with many choices, some stand for all.
    """
    variances = {}
    num = len(layout.choices_of)
    for first, second in itertools.combinations(range(num), 2):
        rows = layout.pair_rows(first, second, most=_MAX_RANKED)
        num_left = min(layout.shape(first, second)[0], _MAX_RANKED)
        cells = model.average_means(rows).reshape(num_left, -1)
        interaction = (
            cells
            - cells.mean(axis=0)
            - cells.mean(axis=1, keepdims=True)
            + cells.mean()
        )
        variances[first, second] = float(np.mean(interaction**2))
    return sorted(variances, key=lambda pair: -variances[pair])


def _affordable(
    ranked: list[tuple[int, int]], layout: AverageRows
) -> list[tuple[int, int]]:
    """Those that come first and have `MAX_CELLS` combinations together.

    The posterior of all combinations is sampled jointly: 10,000 of them would
    take gigabytes and many minutes.
    """
    left = MAX_CELLS
    pairs = []
    for pair in ranked:
        num = math.prod(layout.shape(*pair))
        if num <= left:
            left -= num
            pairs.append(pair)
    return pairs


def _normal_samples(
    mean: Array, covariance: Array, num: int, generator: np.random.Generator
) -> Array:
    """(num, len(mean)).

    The covariance is singular (averages are averages of others), and rounding
    may have left it slightly negative where nothing is unsure.
    """
    variances, directions = np.linalg.eigh(covariance)
    root = directions * np.sqrt(np.maximum(variances, 0.0))
    return mean + generator.normal(size=(num, len(mean))) @ root.T


def _share(samples: Array) -> Share:
    low, high = np.quantile(samples, _QUANTILES)
    return Share(float(np.mean(samples)), float(low), float(high))
