"""Importance against analytic ANOVA; the model's averages by hand."""

import itertools

import numpy as np
import pytest

from audiotag_nas.inspection.importance import (
    MAX_COMBINATIONS,
    importance,
    leave_one_out_fit,
)
from audiotag_nas.inspection.marginal_weights import (
    MarginalWeights,
    _evenly_spaced,
)
from audiotag_nas.search.points import draw_points
from audiotag_nas.search.reinforce.reward_model import RewardModel
from audiotag_nas.space import Decision, SearchSpace

SMALL = SearchSpace(
    (
        Decision("width", (1, 3, 5)),
        Decision("kind", ("a", "b", "c", "d"), ordinal=False),
        Decision("gated", (False, True)),
    )
)
FIVE = SearchSpace(
    tuple(
        Decision(name, tuple(range(size)))
        for name, size in zip("abcde", (4, 3, 5, 2, 4), strict=True)
    )
)


def prior_kernel(left, right) -> float:
    """The kernel's formula for `SMALL` at its priors' medians, by loops.

    Every length scale is 0.3, decay 1, main 0.5, pairs 0.25, triples 0.1,
    joint 0.7.
    """
    lengths = []
    for decision, (i, j) in zip(
        SMALL.decisions, zip(left, right, strict=True), strict=True
    ):
        n = len(decision.choices)
        if decision.ordinal and n > 2:
            length = 0.3 * (0.3 * (i != j) + 3.0 * ((i - j) / (n - 1)) ** 2)
        else:
            length = 0.3 * (i != j)
        lengths.append(length)
    s = [np.exp(-length) for length in lengths]
    pairs = sum(a * b for a, b in itertools.combinations(s, 2))
    joint = np.exp(-sum(lengths))
    triple = s[0] * s[1] * s[2]
    return 0.5 / 3 * sum(s) + 0.25 / 3 * pairs + 0.1 * triple + 0.7 * joint


def kernel_table(left, right) -> np.ndarray:
    return np.array([[prior_kernel(x, y) for y in right] for x in left])


def model_at_its_priors(num: int) -> tuple[RewardModel, np.ndarray, np.ndarray]:
    """Returns a model, its standardized means and their covariance.

    Nugget 0.05 and noise 0.1; the third point was observed four times.
    """
    rng = np.random.default_rng(3)
    points = list(dict.fromkeys(draw_points(SMALL, 2 * num, rng)))[:num]
    rewards = {
        point: list(rng.normal(0.7, 0.1, size=4 if i == 2 else 1))
        for i, point in enumerate(points)
    }
    model = RewardModel(SMALL)
    model.learn(rewards, max_iterations=0)
    means = np.array([np.mean(r) for r in rewards.values()])
    assert (means > np.median(means) - 0.3).all()  # no lower tail to clip
    observed = (means - model.offset) / model.scale
    counts = np.array([len(r) for r in rewards.values()])
    covariance = kernel_table(points, points)
    covariance += np.diag(0.05 + 0.1 / counts + 1e-6)
    return model, observed, covariance


def test_averages_equal_the_means_over_all_points():
    model, observed, covariance = model_at_its_priors(9)
    everything = list(itertools.product(range(3), range(4), range(2)))
    to_observed = kernel_table(everything, model.points)
    inverse = np.linalg.inv(covariance)
    constant = inverse.sum(axis=0) @ observed / (inverse.sum() + 1 / 4)
    mean = constant + to_observed @ inverse @ (observed - constant)
    posterior = (
        kernel_table(everything, everything)
        - to_observed @ inverse @ to_observed.T
    )
    weights = [
        [0, 1, 0, *[1 / 4] * 4, 1 / 2, 1 / 2],  # width 3
        [1 / 3] * 3 + [1 / 4] * 4 + [1 / 2] * 2,  # everything
        [0.2, 0.3, 0.5, 0, 0, 1, 0, 0.9, 0.1],  # any distribution
        [0, 0, 1, 1, 0, 0, 0, 0, 1],  # one point
    ]
    by_point = np.array(
        [
            [w[i] * w[3 + j] * w[7 + k] for i, j, k in everything]
            for w in weights
        ]
    )
    averages, their_covariance = model.averages(weights)
    np.testing.assert_allclose(averages, by_point @ mean, atol=1e-9)
    assert (model.average_means(weights) == averages).all()
    np.testing.assert_allclose(
        their_covariance, by_point @ posterior @ by_point.T, atol=1e-9
    )


def test_leave_one_out_equals_a_refit_without_the_point():
    model, observed, covariance = model_at_its_priors(11)
    expected = []
    for index in range(11):
        others = np.arange(11) != index
        inverse = np.linalg.inv(covariance[np.ix_(others, others)])
        rest = observed[others]
        constant = inverse.sum(axis=0) @ rest / (inverse.sum() + 1 / 4)
        expected.append(
            constant + covariance[index, others] @ inverse @ (rest - constant)
        )
    predicted, means = model.leave_one_out()
    np.testing.assert_allclose(predicted, expected, atol=1e-9)
    np.testing.assert_allclose(means, observed, atol=1e-9)
    error = np.sum((np.array(expected) - observed) ** 2)
    baseline = sum(
        (observed[i] - np.delete(observed, i).mean()) ** 2 for i in range(11)
    )
    fit = leave_one_out_fit(model)
    assert fit.r2 == pytest.approx(1 - error / baseline)
    assert fit.rmse == pytest.approx(model.scale * (error / 11) ** 0.5)


def test_the_standard_error_of_r2_is_that_of_the_jackknife():
    model = learned(lambda t: 0.5 * t[0] + t[1] * t[2], 60, noise=1.0)
    predicted, observed = model.leave_one_out()
    errors = (observed - predicted) ** 2
    # The error of the mean of the other n - 1 points is n / (n - 1) times the
    # error of the mean of all n points.
    num = len(observed)
    baselines = ((observed - observed.mean()) * num / (num - 1)) ** 2
    without = [
        1 - np.delete(errors, i).sum() / np.delete(baselines, i).sum()
        for i in range(num)
    ]
    jackknife = np.std(without) * (num - 1) ** 0.5
    assert 0.01 < jackknife < 0.3
    assert leave_one_out_fit(model).r2_error == pytest.approx(
        jackknife, rel=0.1
    )


def learned(function, num: int, *, noise: float = 0.0) -> RewardModel:
    rng = np.random.default_rng(5)
    model = RewardModel(FIVE)
    model.learn(
        {
            point: [function(point) + noise * rng.normal()]
            for point in draw_points(FIVE, num, rng)
        },
        max_iterations=100,
    )
    return model


def test_shares_of_an_additive_function_equal_the_analytic_ones():
    effects = {
        0: np.array([-0.03, -0.01, 0.01, 0.03]),  # variance 5e-4
        2: np.array([0.0, 0.02, 0.0, -0.02, 0.0]),  # 1.6e-4
        3: np.array([0.01, -0.01]),  # 1e-4
    }

    def function(point):
        return 0.8 + sum(effects[d][point[d]] for d in effects)

    found = importance(learned(function, 110), FIVE, seed=0, num_pairs=2)
    assert [effect.decision for effect in found.effects[:3]] == [0, 2, 3]
    for effect, share in zip(
        found.effects, (5 / 7.6, 1.6 / 7.6, 1 / 7.6, 0, 0), strict=True
    ):
        assert effect.share.mean == pytest.approx(share, abs=0.02)
        assert effect.share.low - 0.01 <= share <= effect.share.high + 0.01
    for effect in found.effects[:3]:
        np.testing.assert_allclose(
            effect.mean, effects[effect.decision], atol=0.003
        )
    contrast = found.effects[1].contrast
    assert (contrast.better, contrast.worse) == (1, 3)
    assert contrast.mean == pytest.approx(0.04, abs=0.004)
    assert found.main_share.mean > 0.97
    assert all(pair.share.high < 0.02 for pair in found.pairs)


def test_a_pure_interaction_is_found_as_a_pair():
    def function(point):
        # The parity of a + d decides the sign; neither alone changes the mean.
        return 0.8 + 0.02 * (-1) ** (point[0] + point[3]) + 0.01 * point[1]

    # Variances: 4e-4 of the pair, 1e-4 * 2 / 3 of b.
    found = importance(learned(function, 130), FIVE, seed=0, num_pairs=3)
    pair = found.pairs[0]
    assert pair.decisions == (0, 3)
    assert pair.share.mean == pytest.approx(4 / (4 + 2 / 3), abs=0.08)
    expected = [[0.02 * (-1) ** (i + j) for j in range(2)] for i in range(4)]
    np.testing.assert_allclose(pair.interaction, expected, atol=0.005)
    np.testing.assert_allclose(pair.mean, expected, atol=0.006)
    assert found.effects[0].decision == 1
    assert found.effects[0].share.mean == pytest.approx(1 / 7, abs=0.05)


def test_a_pair_with_too_many_combinations_is_reported_and_skipped():
    sizes = (61, 47, 3)
    space = SearchSpace(
        tuple(Decision(f"d{i}", tuple(range(n))) for i, n in enumerate(sizes))
    )

    def function(point):
        # A saddle of the first two, and a main effect of the third.
        x, y = point[0] / 60 - 0.5, point[1] / 46 - 0.5
        return x * y + 0.1 * point[2]

    rng = np.random.default_rng(6)
    model = RewardModel(space)
    points = draw_points(space, 90, rng)
    model.learn({p: [function(p)] for p in points}, max_iterations=60)
    found = importance(model, space, seed=0, num_pairs=2)
    assert 61 * 47 > MAX_COMBINATIONS > 47 * 3 + 61 * 3
    assert found.skipped_pairs == ((0, 1),)
    assert {pair.decisions for pair in found.pairs} == {(0, 2), (1, 2)}
    # A uniform variable over n steps from -0.5 to 0.5 has the variance
    # (n + 1) / (n - 1) / 12. The variance of a product is the product.
    saddle = (62 / 60 / 12) * (48 / 46 / 12)
    third = 0.01 * 2 / 3
    assert found.main_share.mean == pytest.approx(
        third / (third + saddle), abs=0.1
    )


def test_some_of_many_choices_represent_a_decision():
    spread = _evenly_spaced(256, 32)
    assert len(set(spread)) == 32
    assert (spread[0], spread[-1]) == (0, 255)
    assert list(_evenly_spaced(5, 32)) == [0, 1, 2, 3, 4]
    rows = MarginalWeights(FIVE).pair_rows(0, 2, max_choices=3)
    # Choices 0, 2 (1.5 rounded to even) and 3 of four; 0, 2 and 4 of five.
    assert rows.shape == (9, sum(FIVE.num_choices))
    assert list(rows[1]) == [1, 0, 0, 0, *[1 / 3] * 3, 0, 0, 1, 0, 0] + (
        [1 / 2] * 2 + [1 / 4] * 4
    )


def test_deviations_cover_the_true_effects():
    truth = np.array([-0.03, -0.01, 0.01, 0.03])
    model = learned(lambda p: truth[p[0]], 60, noise=0.03)
    found = importance(model, FIVE, seed=0, num_pairs=1)
    by_decision = {effect.decision: effect for effect in found.effects}
    first = by_decision[0]
    assert (np.abs(first.mean - truth) < 3 * first.deviation).all()
    # With 15 trainings per choice, the deviation is 0.03 / sqrt(15) = 0.0077.
    assert (first.deviation > 0.004).all()
    assert (first.deviation < 0.012).all()
    for decision in (1, 2, 3, 4):
        effect = by_decision[decision]
        assert (np.abs(effect.mean) < 3 * effect.deviation).all()


def test_the_same_seed_gives_the_same_shares():
    model = learned(lambda p: float(p[0]), 20, noise=1.0)
    found = [importance(model, FIVE, seed=s).main_share for s in (1, 1, 2)]
    assert found[0] == found[1] != found[2]


def test_r2_of_a_single_point_is_0():
    model = RewardModel(SMALL)
    model.learn({(0, 1, 0): [0.1, 0.2, 0.3]})
    with np.errstate(all="raise"):
        assert leave_one_out_fit(model).r2 == 0.0
