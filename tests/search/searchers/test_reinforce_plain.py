"""Plain REINFORCE against numbers computed by hand and by NumPy."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from audiotag_nas.errors import ConfigError
from audiotag_nas.search import Decision, SearchSpace, make_searcher
from audiotag_nas.search.policy_gradient import (
    evaluate,
    loss_and_gradients,
    sample,
)
from audiotag_nas.search.searchers.lstm_policy import LstmPolicy


def _space(*num_choices: int) -> SearchSpace:
    return SearchSpace(
        tuple(
            Decision(f"decision{i}", tuple(range(num)))
            for i, num in enumerate(num_choices)
        )
    )


def _policy(
    *num_choices: int, scale: float = 1.0, units: int = 5
) -> LstmPolicy:
    """A policy with weights large enough to matter."""
    policy = LstmPolicy(num_choices, units=units, seed=0)
    generator = np.random.default_rng(17)
    for variable in policy.variables:
        variable.assign(scale * generator.normal(size=variable.shape))
    return policy


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def _numpy_log_prob_and_entropy(policy: LstmPolicy, tokens) -> tuple:
    """log p and entropy of a point by the textbook equations of the LSTM."""
    kernel, recurrent, bias, embedding, heads, head_biases = (
        variable.numpy().astype(np.float64) for variable in policy.variables
    )
    hidden = cell = np.zeros(recurrent.shape[0])
    row, offset, log_prob, entropy = 0, 1, 0.0, 0.0
    for decision, token in enumerate(tokens):
        num = policy.num_choices[decision]
        gates = embedding[row] @ kernel + hidden @ recurrent + bias
        i, f, g, o = np.split(gates, 4)
        cell = _sigmoid(f) * cell + _sigmoid(i) * np.tanh(g)
        hidden = _sigmoid(o) * np.tanh(cell)
        logits = (hidden @ heads[decision] + head_biases[decision])[:num]
        p = np.exp(logits) / np.exp(logits).sum()
        log_prob += math.log(p[token])
        entropy -= (p * np.log(p)).sum()
        row = offset + token
        offset += num
    return log_prob, entropy


def _numpy_loss(
    policy: LstmPolicy, tokens, advantages, entropy_weight
) -> float:
    pairs = [_numpy_log_prob_and_entropy(policy, row) for row in tokens]
    log_probs, entropies = np.array(pairs).T
    return -np.mean(advantages * log_probs) - entropy_weight * np.mean(
        entropies
    )


def test_loss_and_gradient_are_those_computed_by_hand():
    # All weights are zero, so the tokens of the two decisions with 2 and 3
    # choices have p = 1/2 and 1/3.
    policy = _policy(2, 3, scale=0.0)
    metrics, gradients = loss_and_gradients(
        policy,
        tf.constant([[0, 2], [1, 2], [0, 1]]),
        advantages=tf.constant([0.6, -0.2, 0.5]),
        entropy_weight=0.1,
    )
    # log p = -ln 6 for each point, the mean advantage is 0.3:
    # loss = 0.3 ln 6 - 0.1 (ln 2 + ln 3) = 0.2 ln 6.
    assert float(metrics["loss"]) == pytest.approx(0.2 * math.log(6), rel=1e-5)
    assert float(metrics["log_prob"]) == pytest.approx(-math.log(6), rel=1e-5)
    assert float(metrics["entropy"]) == pytest.approx(math.log(6), rel=1e-5)
    # d loss / d bias[c] = -mean(advantage * (1[token = c] - p[c])); the
    # gradient of the entropy is zero at its maximum. First decision:
    #   c=0: -(0.6/2 + 0.2/2 + 0.5/2) / 3 = -13/60, 13/60 for c=1. Second:
    #   c=0: (0.6 - 0.2 + 0.5) / 3 / 3 = 0.1
    #   c=1: -(-0.6/3 + 0.2/3 + 0.5 * 2/3) / 3 = -1/15
    #   c=2: -(0.6 * 2/3 - 0.2 * 2/3 - 0.5/3) / 3 = -1/30
    # The first decision has no third choice: 0.
    np.testing.assert_allclose(
        gradients[-1],
        [[-13 / 60, 13 / 60, 0.0], [0.1, -1 / 15, -1 / 30]],
        atol=1e-6,
    )
    # With h = 0 and zero heads all other gradients are zero.
    for gradient in gradients[:-1]:
        np.testing.assert_array_equal(gradient, np.zeros(gradient.shape))
    norm = math.sqrt(2 * (13 / 60) ** 2 + 0.01 + 1 / 225 + 1 / 900)
    assert float(metrics["gradient_norm"]) == pytest.approx(norm, rel=1e-5)


def test_log_prob_and_entropy_are_those_of_numpy():
    policy = _policy(3, 1, 4, 2)
    tokens = [[2, 0, 3, 1], [0, 0, 0, 0], [1, 0, 2, 1]]
    log_prob, entropy = evaluate(policy, tf.constant(tokens))
    expected = [_numpy_log_prob_and_entropy(policy, row) for row in tokens]
    np.testing.assert_allclose(
        np.stack([log_prob, entropy], axis=1), expected, rtol=2e-5
    )


def test_the_gradient_is_that_of_finite_differences_in_numpy():
    policy = _policy(3, 4, 2, scale=0.7, units=3)
    tokens = [[2, 3, 1], [0, 1, 0]]
    advantages = np.array([0.8, -0.3])
    _, gradients = loss_and_gradients(
        policy,
        tf.constant(tokens),
        advantages=tf.constant(advantages, tf.float32),
        entropy_weight=0.2,
    )
    step = 2**-8  # exact in float32
    generator = np.random.default_rng(0)
    for variable, gradient in zip(policy.variables, gradients, strict=True):
        value = variable.numpy().copy()
        for _ in range(4):
            index = tuple(generator.integers(value.shape))
            losses = []
            for sign in (1, -1):
                moved = value.copy()
                moved[index] += sign * step
                variable.assign(moved)
                losses.append(_numpy_loss(policy, tokens, advantages, 0.2))
            variable.assign(value)
            slope = (losses[0] - losses[1]) / (2 * step)
            assert float(gradient[index]) == pytest.approx(slope, abs=2e-5)


def test_points_are_drawn_with_their_probabilities():
    policy = _policy(3, 1, 2)
    num = 6000
    drawn = sample(policy, tf.constant(num), tf.constant([4, 9], tf.int64))
    points, counts = np.unique(drawn.numpy(), axis=0, return_counts=True)
    by_point = {tuple(p): c for p, c in zip(points, counts, strict=True)}
    total = 0.0
    for point in np.ndindex(3, 1, 2):
        p = math.exp(_numpy_log_prob_and_entropy(policy, point)[0])
        total += p
        deviation = math.sqrt(num * p * (1 - p))
        assert abs(by_point.get(point, 0) - num * p) <= 4 * deviation + 1
    assert total == pytest.approx(1.0)
    assert len(set(map(tuple, points)) - set(np.ndindex(3, 1, 2))) == 0


def test_one_update_is_adam_on_the_clipped_gradient_of_the_advantages():
    searcher = make_searcher(
        "reinforce_plain",
        _space(2, 3),
        controller_units=4,
        learning_rate=0.01,
        clip_norm=0.05,
        entropy_weight=0.3,
    )
    policy = searcher.policy
    before = [variable.numpy().copy() for variable in policy.variables]
    tokens, rewards = [(0, 2), (1, 0), (1, 1)], [0.2, 0.9, 0.4]
    _, gradients = loss_and_gradients(
        policy,
        tf.constant(tokens),
        advantages=tf.constant([-0.3, 0.4, -0.1]),  # rewards - their mean
        entropy_weight=0.3,
    )
    searcher.tell(tokens, rewards)

    norm = math.sqrt(sum(float(np.sum(np.square(g))) for g in gradients))
    assert norm > 0.05
    for variable, old, gradient in zip(
        policy.variables, before, gradients, strict=True
    ):
        clipped = np.asarray(gradient) * 0.05 / norm
        # The first step of Adam ("epsilon hat" form of Kingma and Ba): the
        # moments are (1 - 0.9) g and (1 - 0.999) g^2, and the rate is corrected
        # for both.
        moments = 0.1 * clipped, math.sqrt(0.001) * np.abs(clipped)
        rate = 0.01 * math.sqrt(0.001) / 0.1
        expected = old - rate * moments[0] / (moments[1] + 1e-7)
        np.testing.assert_allclose(variable.numpy(), expected, atol=2e-5)


def test_the_return_baseline_is_a_moving_average_of_rewards():
    searcher = make_searcher(
        "reinforce_plain", _space(2, 3), baseline_decay=0.75
    )
    assert searcher.baseline is None
    searcher.tell([(0, 0), (1, 2)], [0.2, 0.6])
    assert searcher.metrics["baseline"] == pytest.approx(0.4)
    assert searcher.baseline == pytest.approx(0.4)
    searcher.tell([(0, 1)], [0.8])
    # Advantages use the old baseline 0.4. The new one is
    # 0.75 * 0.4 + 0.25 * 0.8 = 0.5.
    assert searcher.metrics["baseline"] == pytest.approx(0.4)
    assert searcher.baseline == pytest.approx(0.5)


def test_batches_of_any_size_share_one_trace_of_each_graph():
    searcher = make_searcher("reinforce_plain", _space(3, 2, 4))
    for num in (4, 1, 7, 2):
        asked = searcher.ask(num)
        searcher.tell(asked[1:], [0.5] * (num - 1))
        searcher.tell([*asked, (0, 0, 0)], [0.1] * (num + 1))
    assert (
        searcher._policy_gradient._sample.experimental_get_tracing_count() == 1
    )
    assert (
        searcher._policy_gradient._update.experimental_get_tracing_count() == 1
    )


def test_global_states_of_keras_and_tensorflow_do_not_change_the_points():
    def replay(disturb) -> list:
        searcher = make_searcher("reinforce_plain", _space(3, 2, 4), seed=8)
        rounds = []
        for round_number in range(4):
            disturb(round_number)
            rounds.append(searcher.ask(5))
            searcher.tell(rounds[-1], [0.1 * sum(row) for row in rounds[-1]])
        return [rounds, searcher.metrics]

    def train_something(seed: int) -> None:
        keras.backend.clear_session()
        keras.utils.set_random_seed(seed)
        tf.random.uniform([3])
        keras.layers.Dense(2)(np.ones((1, 3)))

    assert replay(train_something) == replay(lambda seed: None)


def test_every_operation_is_placed_on_the_cpu():
    searcher = make_searcher("reinforce_plain", _space(3, 2))
    searcher.tell(searcher.ask(3), [0.1, 0.2, 0.3])
    for function in (
        searcher._policy_gradient._sample,
        searcher._policy_gradient._update,
    ):
        operations = function.get_concrete_function().graph.get_operations()
        # These operations compute nothing, or run where their variable is.
        free = ("Placeholder", "Identity", "NoOp", "ReadVariableOp")
        devices = {op.device for op in operations if op.type not in free}
        assert devices == {"/device:CPU:0"}
    for variable in searcher.policy.variables:
        assert "CPU:0" in variable.value.device


def test_the_policy_learns_an_additive_reward():
    space = _space(4, 4, 4, 4, 4)

    def reward(tokens) -> float:
        return sum(tokens) / 15  # 0.5 on average over the space

    for seed in (0, 1):
        searcher = make_searcher(
            "reinforce_plain", space, seed=seed, learning_rate=0.02
        )
        means = []
        for _ in range(80):
            asked = searcher.ask(8)
            rewards = [reward(tokens) for tokens in asked]
            searcher.tell(asked, rewards)
            means.append(np.mean(rewards))
        assert 0.4 < np.mean(means[:5]) < 0.6
        assert np.mean(means[-10:]) > 0.8


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        ({"controller_units": 0}, "controller_units: must be at least 1"),
        ({"controller_units": 1.5}, "Received: 1.5"),
        ({"learning_rate": 0.0}, "learning_rate: must be above 0"),
        ({"learning_rate": float("nan")}, "Received: nan"),
        ({"baseline_decay": 1.0}, "at least 0 and below 1. Received: 1.0"),
        ({"entropy_weight": -0.1}, "entropy_weight: must be at least 0"),
        ({"clip_norm": 0}, "clip_norm: must be above 0"),
        ({"clip_norm": "1"}, "Received: '1'"),
    ],
)
def test_an_error_names_the_setting_and_its_range(settings, rule):
    with pytest.raises(ConfigError, match=rule):
        make_searcher("reinforce_plain", _space(2, 3), **settings)
