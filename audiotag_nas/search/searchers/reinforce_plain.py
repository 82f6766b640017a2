"""The controller: an LSTM policy over the decisions, trained by REINFORCE.

After Zoph and Le (ICLR 2017, arXiv 1611.01578) and ENAS (Pham et al., ICML
2018, arXiv 1802.03268). One decision a step: the LSTM takes the embedding of
the token before (a learned vector at the first step) and a head of its own
for each decision gives the logits of its choices. Decisions with fewer
choices than the widest are masked.

The update (`policy_gradient`) is Williams' (1992) with a moving-average
baseline b, advantage = reward - b. Then b <- decay b + (1 - decay)
mean(reward); the first batch sets b to its own mean before its advantages are
taken.

All operations are placed on the CPU: the networks searched for own the GPUs.
"""

import math
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from audiotag_nas.config.searchers import PlainReinforceSettings
from audiotag_nas.search.policy_gradient import (
    CPU,
    PolicyGradient,
    choice_mask,
    first_rows,
)
from audiotag_nas.search.searchers.base_searcher import BaseSearcher
from audiotag_nas.space import SearchSpace, Tokens


class Policy:
    """p(tokens), one decision after the other.

    Weights start uniform in [-0.1, 0.1] as in ENAS, biases at zero.

    Attributes:
        cell: the LSTM cell, its input as wide as its state.
        embedding: (1 + sum of choices, units); row 0 is the first input, then
            one row for each choice of each decision.
        head_kernels: (decisions, units, most choices).
        head_biases: (decisions, most choices).
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
        # The global dtype policy is for the networks searched for, not for us.
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
        """The first step's embedding rows (num,) and the LSTM's state."""
        zeros = tf.zeros([num, self.cell.units])
        return tf.zeros([num], tf.int32), [zeros, zeros]

    def step(
        self, decision: int, rows: tf.Tensor, state: list[tf.Tensor]
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """log p of the decision's choices, (num, most choices), and state."""
        output, state = self.cell(tf.gather(self.embedding.value, rows), state)
        logits = (
            tf.matmul(output, self.head_kernels.value[decision])
            + self.head_biases.value[decision]
            + self._mask[decision]
        )
        return tf.nn.log_softmax(logits), state

    def log_probs(self, tokens: tf.Tensor) -> tf.Tensor:
        """log p of every choice given the tokens before it.

        What `step` gives at every decision, with all that does not depend on
        the step before done at once: a much smaller graph to differentiate.

        Args:
            tokens: (num, decisions), int32.

        Returns:
            (num, decisions, most choices).
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

    def rows(self, decision: int, tokens: tf.Tensor) -> tf.Tensor:
        """The embedding rows of a decision's tokens, (num,)."""
        return tokens + self._first_rows[decision]


class PlainReinforceSearcher(BaseSearcher):
    """The plain controller of the paper; see `Searcher` for the contract.

    A round's draw depends on (seed, round) and the weights, and those on the
    seed and what was told. `recommend` gives the tokens of the best mean
    reward told, not the policy's mode: with few trainings the policy is still
    far from having settled.

    Args:
        space: what to search.
        seed: of the first weights and of every draw.
        settings: checked already, as by `make_searcher`.

    Attributes:
        baseline: the moving average of rewards; None before the first.
        metrics: of the last update: `loss`, `log_prob`, `entropy`,
            `gradient_norm`, `baseline` (the one it was measured against).
    """

    def __init__(
        self,
        space: SearchSpace,
        *,
        seed: int = 0,
        settings: PlainReinforceSettings,
    ) -> None:
        super().__init__(space, seed=seed)
        self._settings = settings
        self.baseline: float | None = None
        self.metrics: dict[str, float] = {}
        with tf.device(CPU):
            self.policy = Policy(
                space.num_choices, units=settings.controller_units, seed=seed
            )
        self._policy_gradient = PolicyGradient(
            self.policy,
            learning_rate=settings.learning_rate,
            clip_norm=settings.clip_norm,
        )

    def _propose(self, num: int) -> list[Tokens]:
        tokens = self._policy_gradient.sample(
            num, (self._seed, self._num_rounds)
        )
        return [tuple(map(int, row)) for row in tokens]

    def _learn(self, points: list[Tokens], values: list[float]) -> None:
        mean = math.fsum(values) / len(values)
        if self.baseline is None:
            self.baseline = mean
        baseline = self.baseline
        self.metrics = self._policy_gradient.update(
            points,
            [value - baseline for value in values],
            entropy_weight=self._settings.entropy_weight,
        )
        decay = self._settings.baseline_decay
        self.baseline = decay * baseline + (1 - decay) * mean
        self.metrics["baseline"] = baseline
