"""An LSTM policy over the decisions of a search space.

The policy follows Zoph and Le (ICLR 2017, arXiv 1611.01578) and ENAS (Pham et
al., ICML 2018, arXiv 1802.03268). The LSTM makes one decision per step. Its
input is the embedding of the previous token (a learned vector at the first
step). Each decision has a head, which gives the logits of the choices. The
logits of all decisions have the same width; logits beyond a decision's number
of choices are masked.
"""

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from audiotag_nas.search.policy_gradient import choice_mask, first_rows


class LstmPolicy:
    """A distribution over points, sampled one decision at a time.

    Initial weights are uniform in [-0.1, 0.1], which ENAS uses too; biases are
    zero. The width of the logits is the largest number of choices.

    Attributes:
        cell: the LSTM cell; its input and its state have the same width.
        embedding: the inputs, (1 + number of all choices, units). Row 0 is the
            first input. Each other row is for one choice of one decision.
        head_kernels: the heads' weights, (decisions, units, width).
        head_biases: the heads' biases, (decisions, width).
    """

    def __init__(
        self, num_choices: Sequence[int], *, units: int, seed: int
    ) -> None:
        self.num_choices = tuple(num_choices)
        num_decisions, width = len(self.num_choices), max(self.num_choices)
        seeds = np.random.SeedSequence(seed).generate_state(4)
        kernel, recurrent, embedding, heads = (
            keras.initializers.RandomUniform(-0.1, 0.1, seed=int(s))
            for s in seeds
        )
        # The dtype is given, since Keras' global dtype policy is for trials.
        self.cell = keras.layers.LSTMCell(
            units,
            kernel_initializer=kernel,
            recurrent_initializer=recurrent,
            unit_forget_bias=False,
            dtype="float32",
        )
        self.cell.build((None, units))
        self.embedding = keras.Variable(
            embedding((1 + sum(self.num_choices), units), dtype="float32")
        )
        self.head_kernels = keras.Variable(
            heads((num_decisions, units, width), dtype="float32")
        )
        self.head_biases = keras.Variable(
            np.zeros((num_decisions, width), np.float32)
        )
        self._mask = choice_mask(self.num_choices)
        self._first_rows = first_rows(self.num_choices)

    @property
    def variables(self) -> list[keras.Variable]:
        return [
            *self.cell.trainable_variables,
            self.embedding,
            self.head_kernels,
            self.head_biases,
        ]

    def start(self, num: tf.Tensor) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """Returns the first step's embedding rows, (num,), and the state."""
        zeros = tf.zeros([num, self.cell.units])
        return tf.zeros([num], tf.int32), [zeros, zeros]

    def step(
        self, decision: int, rows: tf.Tensor, state: list[tf.Tensor]
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """Returns log p of the choices, (num, width), and the new state."""
        output, state = self.cell(tf.gather(self.embedding.value, rows), state)
        logits = (
            tf.matmul(output, self.head_kernels.value[decision])
            + self.head_biases.value[decision]
            + self._mask[decision]
        )
        return tf.nn.log_softmax(logits), state

    def log_probs(self, tokens: tf.Tensor) -> tf.Tensor:
        """Returns log p of every choice, given the earlier tokens.

        The values equal those of `step` at each decision. The graph is much
        smaller, because everything except the LSTM cell is computed for all
        decisions at once.

        Args:
            tokens: the points, (num, decisions), int32.

        Returns:
            log p, (num, decisions, width).
        """
        first, state = self.start(tf.shape(tokens)[0])
        rows = tf.concat(
            [first[:, None], (tokens + self._first_rows)[:, :-1]], axis=1
        )
        inputs = tf.unstack(tf.gather(self.embedding.value, rows), axis=1)
        outputs = []
        for step_inputs in inputs:
            output, state = self.cell(step_inputs, state)
            outputs.append(output)
        logits = (
            tf.einsum(
                "dnu,duc->ndc", tf.stack(outputs), self.head_kernels.value
            )
            + self.head_biases.value
            + self._mask
        )
        return tf.nn.log_softmax(logits)
