"""Policy gradients over tokens: sampling, the REINFORCE loss, the update.

The functions accept any policy that makes one decision after the other
(`TokenPolicy`). The loss is that of Williams (1992), with an entropy bonus:

    loss = -mean(advantage * log_prob) - entropy_weight * mean(entropy)

log_prob is log p of a point. Each token of a point is drawn from a distribution
over the choices of one decision. The point's entropy is the sum of the
entropies (nats) of these distributions. Means are over the batch. The gradient
is clipped by its global norm and applied by Adam. The logits of all decisions
have the same width; logits beyond a decision's number of choices are masked.

All operations are placed on the CPU, because the GPUs are for trials.
"""

from collections.abc import Sequence
from typing import Protocol

import keras
import numpy as np
import tensorflow as tf

CPU = "/CPU:0"
_MASKED = -1e9  # finite, since 0 * -inf would make the entropy NaN


class TokenPolicy(Protocol):
    """A distribution over points, sampled one decision at a time."""

    num_choices: tuple[int, ...]

    @property
    def variables(self) -> list[keras.Variable]: ...

    def start(self, num: tf.Tensor) -> tuple[tf.Tensor, list[tf.Tensor]]: ...

    def step(
        self, decision: int, rows: tf.Tensor, state: list[tf.Tensor]
    ) -> tuple[tf.Tensor, list[tf.Tensor]]: ...

    def log_probs(self, tokens: tf.Tensor) -> tf.Tensor: ...


def choice_mask(num_choices: Sequence[int]) -> np.ndarray:
    """Returns a term for the logits: 0 for choices, very low elsewhere.

    The shape of the term is (decisions, largest number of choices).
    """
    allowed = np.arange(max(num_choices)) < np.array(num_choices)[:, None]
    return np.where(allowed, 0.0, _MASKED).astype(np.float32)


def first_rows(num_choices: Sequence[int]) -> np.ndarray:
    """Returns, for each decision, the embedding row of the first choice.

    Embedding row 0 is the input of the first decision.
    """
    return np.cumsum((1, *num_choices[:-1])).astype(np.int32)


def sample(policy: TokenPolicy, num: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Draws `num` points as tokens of shape (num, decisions), int32.

    Args:
        policy: the distribution of the points.
        num: the number of points, a scalar int32.
        seed: two int64. Only `seed` and the policy's weights affect the draw.
    """
    num_decisions = len(policy.num_choices)
    seeds = tf.random.split(seed, num_decisions)
    begins = first_rows(policy.num_choices)
    rows, state = policy.start(num)
    columns = []
    for decision in range(num_decisions):
        log_probs, state = policy.step(decision, rows, state)
        tokens = tf.random.stateless_categorical(
            log_probs, 1, seed=seeds[decision], dtype=tf.int32
        )[:, 0]
        columns.append(tokens)
        rows = tokens + begins[decision]
    return tf.stack(columns, axis=1)


def evaluate(
    policy: TokenPolicy, tokens: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns log p and the entropy (nats) of each point, both (num,).

    Args:
        policy: the distribution of the points.
        tokens: the points, (num, decisions), int32.
    """
    log_probs = policy.log_probs(tokens)
    log_prob = tf.gather(log_probs, tokens, batch_dims=2)
    entropy = -tf.reduce_sum(tf.exp(log_probs) * log_probs, axis=2)
    return tf.reduce_sum(log_prob, axis=1), tf.reduce_sum(entropy, axis=1)


def loss_and_gradients(
    policy: TokenPolicy,
    tokens: tf.Tensor,
    *,
    advantages: tf.Tensor,
    entropy_weight: float | tf.Tensor,
) -> tuple[dict[str, tf.Tensor], list[tf.Tensor]]:
    """Returns metrics of the REINFORCE loss, and one gradient per variable.

    Args:
        policy: the distribution of the points.
        tokens: the points, (num, decisions), int32.
        advantages: each point's reward minus the return baseline, (num,).
        entropy_weight: the weight of the entropy bonus.

    Returns:
        The scalar metrics `loss`, `log_prob`, `entropy` and `gradient_norm`,
        and the gradients, all before clipping.
    """
    variables = [variable.value for variable in policy.variables]
    with tf.GradientTape() as tape:
        log_prob, entropy = evaluate(policy, tokens)
        mean_entropy = tf.reduce_mean(entropy)
        loss = -tf.reduce_mean(advantages * log_prob)
        loss -= entropy_weight * mean_entropy
    # The embedding's gradient is sparse, but the optimizer needs a dense one.
    gradients = [
        tf.convert_to_tensor(gradient)
        for gradient in tape.gradient(
            loss, variables, unconnected_gradients="zero"
        )
    ]
    metrics = {
        "loss": loss,
        "log_prob": tf.reduce_mean(log_prob),
        "entropy": mean_entropy,
        "gradient_norm": tf.linalg.global_norm(gradients),
    }
    return metrics, gradients


class PolicyGradient:
    """A policy and its optimizer; sampling and updates run as graphs.

    Args:
        policy: the distribution to train.
        learning_rate: the learning rate of Adam.
        clip_norm: maximum global norm of the gradient.
    """

    def __init__(
        self, policy: TokenPolicy, *, learning_rate: float, clip_norm: float
    ) -> None:
        self.policy = policy
        with tf.device(CPU):
            self._optimizer = keras.optimizers.Adam(
                learning_rate, global_clipnorm=clip_norm
            )
            self._optimizer.build(policy.variables)
        # With an open batch dimension, one graph serves every batch size.
        self._sample = tf.function(
            self._sample_step,
            input_signature=[
                tf.TensorSpec([], tf.int32),
                tf.TensorSpec([2], tf.int64),
            ],
            autograph=False,
        )
        self._update = tf.function(
            self._update_step,
            input_signature=[
                tf.TensorSpec([None, len(policy.num_choices)], tf.int32),
                tf.TensorSpec([None], tf.float32),
                tf.TensorSpec([], tf.float32),
            ],
            autograph=False,
        )

    def sample(self, num: int, seed: Sequence[int]) -> np.ndarray:
        """Draws `num` points, (num, decisions); the seed is two ints."""
        with tf.device(CPU):
            return self._sample(
                tf.constant(num, tf.int32), tf.constant(seed, tf.int64)
            ).numpy()

    def update(
        self,
        tokens: Sequence[Sequence[int]] | np.ndarray,
        advantages: Sequence[float] | np.ndarray,
        *,
        entropy_weight: float,
    ) -> dict[str, float]:
        """Takes one optimizer step; returns metrics of the loss as floats."""
        with tf.device(CPU):
            metrics = self._update(
                tf.constant(tokens, tf.int32),
                tf.constant(advantages, tf.float32),
                tf.constant(entropy_weight, tf.float32),
            )
        return {name: float(value) for name, value in metrics.items()}

    def _sample_step(self, num: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        with tf.device(CPU):
            return sample(self.policy, num, seed)

    def _update_step(
        self,
        tokens: tf.Tensor,
        advantages: tf.Tensor,
        entropy_weight: tf.Tensor,
    ) -> dict[str, tf.Tensor]:
        with tf.device(CPU):
            metrics, gradients = loss_and_gradients(
                self.policy,
                tokens,
                advantages=advantages,
                entropy_weight=entropy_weight,
            )
            self._optimizer.apply(gradients, self.policy.variables)
            return metrics
