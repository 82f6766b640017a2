"""A policy that is fast to train: its logits are linear in preceding tokens.

    logits_d = bias_d + sum_{e < d} W_{e, d}[token_e]

The policy is a fully visible belief network (Frey, 1998) over categories. It
can represent the effects of single decisions and of pairs of decisions. One
matrix product computes all conditional distributions; an LSTM takes a step per
decision. The policy can therefore be trained on thousands of samples between
two rounds. It implements `TokenPolicy`.
"""

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from audiotag_nas.search.policy_gradient import choice_mask, first_rows


class AutoregressivePolicy:
    """A distribution over points, one factor per decision; initially uniform.

    In shapes, "most choices" is the largest number of choices of any decision.

    Attributes:
        weights: (1 + sum of choices, decisions * most choices). Row 0 is the
            bias; every other row is the W of one choice of one decision.
    """

    def __init__(self, num_choices: Sequence[int]) -> None:
        self.num_choices = tuple(num_choices)
        self._num, self._width = len(self.num_choices), max(self.num_choices)
        self.weights = keras.Variable(
            np.zeros(
                (1 + sum(self.num_choices), self._num * self._width), np.float32
            )
        )
        self._mask = choice_mask(self.num_choices)
        self._first_rows = first_rows(self.num_choices)
        # Entry [e, d] is 1 if decision d comes after decision e, else 0.
        self._after = np.triu(np.ones((self._num, self._num), np.float32), k=1)

    @property
    def variables(self) -> list[keras.Variable]:
        return [self.weights]

    def start(self, num: tf.Tensor) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """Returns the index of the bias row per sample, and logits of zero."""
        logits = tf.zeros([num, self._num * self._width])
        return tf.zeros([num], tf.int32), [logits]

    def step(
        self, decision: int, rows: tf.Tensor, state: list[tf.Tensor]
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """Returns log p of the choices, (num, most choices), and the state."""
        logits = state[0] + tf.gather(self.weights.value, rows)
        begin = decision * self._width
        return (
            tf.nn.log_softmax(
                logits[:, begin : begin + self._width] + self._mask[decision]
            ),
            [logits],
        )

    def log_probs(self, tokens: tf.Tensor) -> tf.Tensor:
        """Returns log p of each choice, given the tokens of earlier decisions.

        Args:
            tokens: (num, decisions), int32.

        Returns:
            (num, decisions, most choices).
        """
        shape = [-1, self._num, self._num, self._width]
        terms = tf.reshape(
            tf.gather(self.weights.value, tokens + self._first_rows), shape
        )
        bias = tf.reshape(self.weights.value[0], [self._num, self._width])
        logits = tf.einsum("nedc,ed->ndc", terms, self._after) + bias
        return tf.nn.log_softmax(logits + self._mask)
