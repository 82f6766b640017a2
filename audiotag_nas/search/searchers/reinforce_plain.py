"""Plain REINFORCE, the searcher of Zoph and Le (ICLR 2017, arXiv 1611.01578).

An LSTM policy (`lstm_policy`) is trained by policy gradients
(`policy_gradient`), without a reward model. The advantage of a point is its
reward minus the return baseline b, a moving average. After each update of the
policy, b becomes decay b + (1 - decay) mean(reward). For the first update, b is
the mean reward of the first batch.
"""

import math

import tensorflow as tf

from audiotag_nas.config.searchers import PlainReinforceSettings
from audiotag_nas.search.policy_gradient import CPU, PolicyGradient
from audiotag_nas.search.searchers.base_searcher import BaseSearcher
from audiotag_nas.search.searchers.lstm_policy import LstmPolicy
from audiotag_nas.space import SearchSpace, Tokens


class PlainReinforceSearcher(BaseSearcher):
    """Proposes points drawn from the LSTM policy.

    The points of a round depend on the seed, the round's number and the
    weights. The weights depend on the seed and the observed rewards. A policy
    has not converged after few trainings. Therefore, `recommend` returns the
    point of the best mean reward instead of the most probable point.

    Args:
        space: the search space.
        seed: the seed of the initial weights and of all draws.
        settings: the settings, already checked (see `make_searcher`).

    Attributes:
        baseline: the return baseline, a moving average of rewards; None before
            the first reward.
        metrics: `loss`, `log_prob`, `entropy` and `gradient_norm` of the last
            update, and `baseline`, the return baseline used in the update.
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
            self.policy = LstmPolicy(
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
