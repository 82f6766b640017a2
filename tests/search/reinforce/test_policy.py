"""The autoregressive policy."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from audiotag_nas.search.policy_gradient import PolicyGradient, evaluate
from audiotag_nas.search.reinforce.policy import AutoregressivePolicy

CHOICES = (3, 2, 4)
EVERY_POINT = np.array(list(itertools.product(*map(range, CHOICES))))


def random_policy(seed: int) -> AutoregressivePolicy:
    policy = AutoregressivePolicy(CHOICES)
    shape = policy.weights.shape
    policy.weights.assign(np.random.default_rng(seed).normal(size=shape))
    return policy


def test_probabilities_sum_to_1_and_are_initially_uniform():
    log_prob, _ = evaluate(AutoregressivePolicy(CHOICES), EVERY_POINT)
    assert np.exp(log_prob) == pytest.approx(np.full(24, 1 / 24))
    log_prob, _ = evaluate(random_policy(1), EVERY_POINT)
    assert np.sum(np.exp(log_prob)) == pytest.approx(1, abs=1e-5)


def test_points_are_drawn_with_their_probabilities():
    policy = random_policy(2)
    drawn = PolicyGradient(policy, learning_rate=0.1, clip_norm=1.0).sample(
        20000, (3, 4)
    )
    assert len(np.unique(drawn, axis=0)) > 15
    log_prob, _ = evaluate(policy, tf.constant(EVERY_POINT, tf.int32))
    for point, p in zip(EVERY_POINT, np.exp(log_prob), strict=True):
        share = np.mean(np.all(drawn == point, axis=1))
        deviation = np.sqrt(p * (1 - p) / 20000)
        assert abs(share - p) <= 4.5 * deviation + 1e-4


def test_the_policy_learns_an_interaction_without_main_effects():
    # The reward depends only on whether the two tokens are equal.
    policy = AutoregressivePolicy((2, 2))
    steps = PolicyGradient(policy, learning_rate=0.1, clip_norm=10.0)
    for step in range(60):
        drawn = steps.sample(64, (0, step))
        agree = (drawn[:, 0] == drawn[:, 1]).astype(float)
        steps.update(drawn, agree - 0.5, entropy_weight=0.1)
    log_prob, _ = evaluate(policy, np.array([(0, 0), (1, 1)]))
    assert np.sum(np.exp(log_prob)) > 0.9
    assert np.min(np.exp(log_prob)) > 0.2  # entropy keeps both
