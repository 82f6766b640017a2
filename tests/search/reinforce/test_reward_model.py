"""The reward model: posterior, gradient, noise, and clipped failures."""

import itertools

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from audiotag_nas.search.reinforce.reward_model import RewardModel
from audiotag_nas.space import Decision, SearchSpace

SPACE = SearchSpace(
    (
        Decision("filters", (8, 16, 32, 64)),
        Decision("recurrent", ("bgru", "gated_bgru", "none"), ordinal=False),
        Decision("norm", (False, True)),
        Decision("height", (1, 3, 5, 7, 9)),
    )
)
NUM = SPACE.num_decisions


def draw(num: int, seed: int) -> list[tuple[int, ...]]:
    generator = np.random.default_rng(seed)
    tokens = generator.integers(0, SPACE.num_choices, size=(num, NUM))
    return [tuple(map(int, row)) for row in tokens]


def make_rewards(seed: int = 0) -> dict[tuple[int, ...], list[float]]:
    """Returns rewards of some points; two points were trained repeatedly."""
    generator = np.random.default_rng(seed)
    points = dict.fromkeys(draw(17, seed))
    rewards = {point: [float(generator.normal())] for point in points}
    first, second = list(rewards)[:2]
    rewards[first] += [float(generator.normal()) for _ in range(3)]
    rewards[second] += [float(generator.normal())]
    return rewards


def kernel(model: RewardModel, one, other) -> float:
    """The formula of the docstring of `kernel.py`, for one pair of points."""
    theta = model._theta
    nominal = np.exp(theta[:NUM])
    # Filters and height are ordinal and have more than two choices.
    ordinal = dict(zip((0, 3), np.exp(theta[NUM : NUM + 2]), strict=True))
    likeness = []
    for d, (i, j) in enumerate(zip(one, other, strict=True)):
        length = nominal[d] * (i != j)
        if d in ordinal:
            share = (i - j) / (SPACE.num_choices[d] - 1)
            length = 0.3 * length + 3 * ordinal[d] * share**2
        likeness.append(np.exp(-length))
    scales = model.hyperparameters

    def mean_product(order: int) -> float:
        groups = itertools.combinations(likeness, order)
        return float(np.mean([np.prod(group) for group in groups]))

    return (
        scales["main"] * mean_product(1)
        + scales["pairs"] * mean_product(2)
        + scales["triples"] * mean_product(3)
        + scales["joint"] * np.prod(likeness) ** scales["decay"]
        + scales["nugget"] * (tuple(one) == tuple(other))
    )


def test_the_posterior_is_that_of_all_single_rewards():
    rewards = make_rewards()
    model = RewardModel(SPACE)
    model.learn(rewards)
    singles = [(p, r) for p, values in rewards.items() for r in values]
    points = [point for point, _ in singles]
    values = np.array([reward for _, reward in singles])
    values = (values - model.offset) / model.scale
    new = [p for p in draw(6, 1) if p not in rewards] + points[:1]

    def table(left, right):
        return np.array([[kernel(model, a, b) for b in right] for a in left])

    noise = model.noise_variance
    # The prior of the constant mean has variance 4.
    inverse = np.linalg.inv(
        table(points, points) + 4 + noise * np.eye(len(points))
    )
    cross = table(new, points) + 4
    mean = cross @ inverse @ values
    prediction = model.predict(new)
    assert prediction.mean == pytest.approx(mean, abs=1e-4)
    # The variance excludes the uncertainty of the constant mean.
    inverse = np.linalg.inv(table(points, points) + noise * np.eye(len(points)))
    cross = table(new, points)
    covariance = table(new, new) - cross @ inverse @ cross.T
    assert prediction.variance == pytest.approx(np.diag(covariance), abs=1e-4)
    for index in range(len(new)):
        assert model.covariance(prediction, index) == pytest.approx(
            covariance[index], abs=1e-4
        )
    assert list(prediction.observed_index) == [-1] * (len(new) - 1) + [0]


def test_the_gradient_is_that_of_finite_differences():
    model = RewardModel(SPACE)
    model.learn(make_rewards(3), max_iterations=2)
    loss = model._kernel.negative_log_posterior
    theta = model._theta + np.random.default_rng(0).normal(
        0, 0.2, len(model._theta)
    )
    by_differences = approx_fprime(
        theta, lambda at: loss(at, model._data)[0], 1e-6
    )
    assert loss(theta, model._data)[1] == pytest.approx(
        by_differences, abs=1e-4
    )


def test_repeated_trainings_determine_the_noise():
    generator = np.random.default_rng(5)
    truth = np.array([0.0, 0.1, 0.3, 0.4])

    def learned(noise: float) -> float:
        rewards = {
            point: list(truth[point[0]] + noise * generator.normal(size=6))
            for point in dict.fromkeys(draw(30, 6))
        }
        model = RewardModel(SPACE)
        model.learn(rewards, max_iterations=60)
        return float(np.sqrt(model.noise_variance) * model.scale)

    assert learned(0.05) == pytest.approx(0.05, rel=0.15)
    assert learned(0.2) == pytest.approx(0.2, rel=0.15)


def test_an_additive_reward_is_predicted_at_new_points():
    effects = [
        np.random.default_rng(d).normal(size=n)
        for d, n in enumerate(SPACE.num_choices)
    ]

    def reward(point) -> float:
        return float(sum(e[t] for e, t in zip(effects, point, strict=True)))

    points = list(dict.fromkeys(draw(45, 7)))
    model = RewardModel(SPACE)
    model.learn({p: [reward(p)] for p in points}, max_iterations=60)
    new = [p for p in draw(200, 8) if p not in points]
    predicted = model.offset + model.scale * model.predict(new).mean
    truth = np.array([reward(p) for p in new])
    assert np.corrcoef(predicted, truth)[0, 1] > 0.99


@pytest.mark.parametrize("num_decisions", [1, 2, 3])
def test_repeated_points_without_noise_have_a_small_variance(num_decisions):
    # One decision has no pairs, and two decisions have no triples.
    space = SearchSpace(
        tuple(Decision(f"d{i}", (1, 2, 4)) for i in range(num_decisions))
    )
    points = [tuple([i] * num_decisions) for i in range(3)]
    model = RewardModel(space)
    model.learn({p: [float(i)] * 9 for i, p in enumerate(points)})
    prediction = model.predict(points)
    assert model.noise_variance < 0.01
    for index in range(3):
        variance = model.covariance(prediction, index)[index]
        assert prediction.variance[index] == pytest.approx(variance, abs=1e-6)
        assert prediction.variance[index] < 0.01


def test_a_failed_training_does_not_set_the_scale():
    points = list(dict.fromkeys(draw(30, 9)))[:12]
    rewards = {p: [0.7 + 0.01 * i] for i, p in enumerate(points)}
    rewards[points[0]] = [-1e6]
    model = RewardModel(SPACE)
    model.learn(rewards)
    # The median of 0.71, 0.72 ... 0.81 and the failure is 0.755, the median
    # absolute deviation is 0.03. So the failure counts as 0.755 - 3 * 0.0445.
    counted = [0.755 - 3 * 1.4826 * 0.03, *(0.7 + 0.01 * np.arange(1, 12))]
    assert model.scale == pytest.approx(np.std(counted))
    assert model.offset == pytest.approx(np.mean(counted))


def test_a_failed_retraining_does_not_set_the_noise():
    points = list(dict.fromkeys(draw(30, 9)))[:11]
    steady = {p: [0.7 + 0.01 * i] * 2 for i, p in enumerate(points)}

    def learned(second: float) -> RewardModel:
        model = RewardModel(SPACE)
        model.learn(steady | {points[8]: [0.78, second]})
        return model

    # 0.70, 0.71 ... 0.80 have the median 0.75 and the median absolute deviation
    # 0.03. Any penalty counts as three standard deviations below the median.
    counted = 0.75 - 3 * 1.4826 * 0.03
    model, same = learned(-1e6), learned(counted)
    means = [0.7 + 0.01 * i for i in range(11)]
    means[8] = (0.78 + counted) / 2
    assert model.scale == pytest.approx(np.std(means))
    assert model.offset == pytest.approx(np.mean(means))
    # The squares of two rewards x and y about their mean are (x - y)^2 / 2.
    within = (0.78 - counted) ** 2 / 2 / np.var(means)
    assert model._data.squares_within == pytest.approx(within)
    assert model.hyperparameters == same.hyperparameters
    # A reward up to six standard deviations below the median counts in full.
    # Six of them are 1.4826 * 0.03 * 6 = 0.267; 0.49 is 0.26 below the median.
    within = learned(0.49)._data.squares_within * learned(0.49).scale ** 2
    assert within == pytest.approx((0.78 - 0.49) ** 2 / 2)


@pytest.mark.parametrize(
    ("observed", "counted"),
    [
        # Seven of eleven rewards are equal, so the median absolute deviation is
        # 0. The range without the lowest is 0.3, and 0.5 - 3 * 0.3 = -0.4.
        ([0.5] * 7 + [0.6, 0.4, 0.3, -1e3], [0.5] * 7 + [0.6, 0.4, 0.3, -0.4]),
        # A lowest reward within that range is not clipped.
        ([0.5] * 7 + [0.6, 0.4, 0.3, 0.1], [0.5] * 7 + [0.6, 0.4, 0.3, 0.1]),
        # Most rewards are failures. The median of the other rewards is 0.7,
        # and 0.7 - 3 * 0.2 = 0.1.
        ([-1e3] * 8 + [0.6, 0.7, 0.8], [0.1] * 8 + [0.6, 0.7, 0.8]),
    ],
)
def test_a_penalty_among_equal_rewards_does_not_set_the_scale(
    observed, counted
):
    points = list(dict.fromkeys(draw(30, 9)))[:11]
    model = RewardModel(SPACE)
    model.learn({p: [r] for p, r in zip(points, observed, strict=True)})
    assert model.scale == pytest.approx(np.std(counted))
    assert model.offset == pytest.approx(np.mean(counted))


def test_a_failed_retraining_among_equal_rewards_is_not_noise():
    points = list(dict.fromkeys(draw(30, 9)))[:4]
    observed = ([0.5, -1e6], [0.6, 0.5], [0.5], [0.5])
    model = RewardModel(SPACE)
    model.learn(dict(zip(points, observed, strict=True)))
    # The range without the lowest reward is 0.1, so the penalty counts as 0.5 -
    # 0.3. The median absolute deviation of the means .35, .55, .5, .5 is .025.
    means = np.array([0.5 - 3 * 1.4826 * 0.025, 0.55, 0.5, 0.5])
    assert model.scale == pytest.approx(np.std(means), rel=1e-4)
    assert model.predict(points).mean * model.scale + model.offset == (
        pytest.approx(means, abs=0.1)
    )


def test_means_that_differ_by_rounding_are_equal():
    points = list(dict.fromkeys(draw(30, 9)))[:8]
    observed = [[0.1]] * 3 + [[0.1] * 3] * 3 + [[0.05], [0.02]]
    assert np.mean([0.1] * 3) != 0.1
    model = RewardModel(SPACE)
    model.learn(dict(zip(points, observed, strict=True)))
    # The range without 0.02 is 0.05. No reward is 0.15 below the median.
    assert model.scale == pytest.approx(np.std([0.1] * 6 + [0.05, 0.02]))


def test_the_distance_of_two_different_rewards_has_no_effect():
    points = list(dict.fromkeys(draw(30, 9)))[:11]

    def predicted(low: float) -> np.ndarray:
        model = RewardModel(SPACE)
        model.learn({p: [low if p[2] else 1.0] for p in points})
        return model.predict(points).mean

    assert predicted(-1e6) == pytest.approx(predicted(0.0), abs=1e-6)


def test_equal_rewards_with_a_rounded_mean_have_scale_1():
    # The mean of eleven floats 0.1 is 0.10000000000000002.
    points = list(dict.fromkeys(draw(30, 9)))[:11]
    model = RewardModel(SPACE)
    model.learn({p: [0.1] * 3 for p in points})
    assert model.scale == 1.0
    assert model.offset == pytest.approx(0.1)


def test_equal_rewards_are_no_error():
    model = RewardModel(SPACE)
    model.learn({point: [0.5] for point in draw(5, 2)})
    prediction = model.predict(draw(4, 3))
    assert np.isfinite(prediction.mean).all()
    assert model.offset + model.scale * prediction.mean == pytest.approx(0.5)


def test_a_singular_fit_is_replaced_by_the_priors():
    points = list(dict.fromkeys(draw(60, 4)))
    model = RewardModel(SPACE)
    model.learn({point: [float(point[0])] for point in points[:3]})
    # With these hyperparameters all points are similar and there is no noise.
    model._theta = np.full_like(model._theta, -12.0)
    model._theta[-6] = 40.0
    model.learn({point: [float(point[0])] for point in points})
    prediction = model.predict(points)
    assert np.isfinite(prediction.mean).all()
    observed = np.array([float(point[0]) for point in points])
    predicted = model.offset + model.scale * prediction.mean
    assert np.corrcoef(predicted, observed)[0, 1] > 0.9
