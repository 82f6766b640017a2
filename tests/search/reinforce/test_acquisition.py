"""Acquisition functions against numerical integration."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from audiotag_nas.search.reinforce.acquisition import (
    KNOWLEDGE_GRADIENT,
    CandidatePool,
    acquisition_at,
    knowledge_gradient,
)
from audiotag_nas.search.reinforce.reward_model import RewardModel
from tests.search.reinforce.test_reward_model import SPACE, draw, make_rewards


def expected_rise(means, known, index: int, step: float) -> float:
    """E[best of the known means and `index` after training] - best known."""
    others = [m for i, m in enumerate(means) if known[i] and i != index]

    def best_after(z: float) -> float:
        return max([*others, means[index] + step * z]) * norm.pdf(z)

    before = max(m for i, m in enumerate(means) if known[i])
    if known[index]:
        before = max([*others, means[index]])
    points = [(m - means[index]) / step for m in others]
    inside = [p for p in points if abs(p) < 9]
    return quad(best_after, -9, 9, points=inside or None, limit=200)[0] - before


def test_the_knowledge_gradient_is_the_expected_rise_of_the_best_mean():
    means = np.array([0.3, 0.25, -0.4, 0.5, 0.1])
    variances = np.array([0.04, 0.2, 1.0, 0.3, 0.5])
    known = np.array([True, True, False, False, True])
    gains = knowledge_gradient(
        means, variances, noise_variance=0.15, is_known=known
    )
    for index, gain in enumerate(gains):
        step = variances[index] / np.sqrt(variances[index] + 0.15)
        expected = expected_rise(means, known, index, step)
        # A new point with a higher mean raises the best known mean without a
        # training. The gradient does not include this rise.
        certain = max(0.0, means[index] - means[known].max())
        if known[index]:
            certain = 0.0
        assert gain == pytest.approx(expected - certain, abs=1e-6)


def test_the_gradient_of_certain_points_is_zero():
    gains = knowledge_gradient(
        np.array([0.5, 0.4]),
        np.array([1e-10, 1e-10]),
        noise_variance=1e-6,
        is_known=np.array([True, True]),
    )
    assert gains == pytest.approx([0, 0], abs=1e-12)


def test_the_gradient_without_known_points_is_zero():
    gains = knowledge_gradient(
        np.zeros(3), np.ones(3), noise_variance=0.1, is_known=np.zeros(3, bool)
    )
    assert list(gains) == [0, 0, 0]


def test_fantasy_values_change_variances_as_observations_do():
    rewards = make_rewards(4)
    model = RewardModel(SPACE)
    model.learn(rewards)
    new = [p for p in dict.fromkeys(draw(40, 5)) if p not in rewards][:9]
    pool = CandidatePool(model, new)
    for point in (new[2], new[5], new[2]):
        pool.add_fantasy(pool.index_of[point])

    # A model with the same hyperparameters that observes the fantasy values.
    prediction = model.predict(new)
    outcome = dict(
        zip(new, model.offset + model.scale * prediction.mean, strict=True)
    )
    more = rewards | {
        new[2]: [float(outcome[new[2]])] * 2,
        new[5]: [float(outcome[new[5]])],
    }
    after = RewardModel(SPACE)
    after._theta = model._theta
    after.points = np.array(list(more))
    after.num_rewards = np.array([len(r) for r in more.values()], float)
    means = np.array([np.mean(r) for r in more.values()])
    after._data = type(model._data)(
        rows=after._kernel.rows(after.points),
        means=(means - model.offset) / model.scale,
        counts=after.num_rewards,
        squares_within=0.0,
    )
    after._condition()
    expected = after.predict(new).variance
    assert pool._variance == pytest.approx(expected, rel=1e-3, abs=1e-5)
    assert list(pool.is_known) == [p in (new[2], new[5]) for p in new]


def test_the_bound_of_a_known_point_is_minus_infinity():
    rewards = make_rewards(6)
    model = RewardModel(SPACE)
    model.learn(rewards)
    old = next(iter(rewards))
    new = [p for p in dict.fromkeys(draw(20, 7)) if p not in rewards]
    pool = CandidatePool(model, [old, *new])
    assert not pool.add([old, new[0]])
    scores = pool.values(2.0)
    prediction = model.predict(new)
    assert scores[0] == -np.inf
    assert scores[1:] == pytest.approx(
        prediction.mean + 2 * np.sqrt(prediction.variance)
    )
    assert pool.best_known_mean == pytest.approx(model.predict([old]).mean[0])
    assert pool.values(KNOWLEDGE_GRADIENT)[0] >= 0


def test_most_early_positions_use_bounds():
    acquisitions = [acquisition_at(position, 4) for position in range(14)]
    # 4 decisions have 6 pairs, so the late schedule begins at position 6.
    assert acquisitions[:6] == [0, 2, 2, 3, 0, 2]
    assert acquisitions[6:] == [3, 3, 0, 0, 3, 3, 0, 0]
    assert [acquisition_at(place, 1) for place in range(4)] == [0, 0, 3, 3]
