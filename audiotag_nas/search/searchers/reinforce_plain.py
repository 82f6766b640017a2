"""Plain REINFORCE: the controller of Zoph and Le (ICLR 2017, arXiv 1611.01578).

An LSTM policy (`lstm_policy`) is trained on the observed rewards alone
(`policy_gradient`), with a moving-average return baseline b: advantage =
reward - b. After the update b <- decay b + (1 - decay) mean(reward). The first
batch sets b to its mean before its advantages are computed.
"""

import functools
import math

import tensorflow as tf

from audiotag_nas.search.policy_gradient import CPU, PolicyGradient
from audiotag_nas.search.searchers.base_searcher import BaseSearcher
from audiotag_nas.search.searchers.lstm_policy import LstmPolicy
from audiotag_nas.search.settings import check_setting
from audiotag_nas.space import SearchSpace, Tokens
from audiotag_nas.trial import MAX_REWARD


class PlainReinforceSearcher(BaseSearcher):
    """The controller of the paper; see `Searcher` for the contract.

    The points of a round depend on (seed, round) and the weights, which depend
    on the seed and the observed rewards. `recommend` returns the point of the
    best mean reward and not the mode of the policy, which is far from converged
    after few trainings.

    Args:
        space: what to search.
        seed: of the initial weights and of every draw.
        controller_units: width of LSTM and embedding.
        learning_rate: of Adam.
        baseline_decay: weight of the old return baseline in an update.
        entropy_weight: of the entropy bonus, per nat.
        clip_norm: maximum global norm of the gradient.

    Attributes:
        baseline: the return baseline, a moving average of rewards; None before
            the first reward.
        metrics: of the last update: `loss`, `log_prob`, `entropy`,
            `gradient_norm`, `baseline` (the one of its advantages).

    Raises:
        ConfigError: a setting is out of its range.
    """

    def __init__(
        self,
        space: SearchSpace,
        *,
        seed: int = 0,
        controller_units: int = 64,
        learning_rate: float = 5e-3,
        baseline_decay: float = 0.9,
        entropy_weight: float = 0.01,
        clip_norm: float = 1.0,
    ) -> None:
        check = functools.partial(check_setting, "reinforce_plain")
        # As large as rewards, no larger: what overflows single precision turns
        # every weight into NaN.
        positive = functools.partial(
            check, low=0.0, open_low=True, most=MAX_REWARD
        )
        controller_units = check(
            "controller_units", controller_units, low=1, whole=True
        )
        learning_rate = positive("learning_rate", learning_rate)
        baseline_decay = check(
            "baseline_decay", baseline_decay, low=0.0, below=1.0
        )
        entropy_weight = check(
            "entropy_weight", entropy_weight, low=0.0, most=MAX_REWARD
        )
        clip_norm = positive("clip_norm", clip_norm)
        super().__init__(space, seed=seed)
        self._baseline_decay = baseline_decay
        self._entropy_weight = entropy_weight
        self.baseline: float | None = None
        self.metrics: dict[str, float] = {}
        with tf.device(CPU):
            self.policy = LstmPolicy(
                space.num_choices, units=controller_units, seed=seed
            )
        self._policy_gradient = PolicyGradient(
            self.policy, learning_rate=learning_rate, clip_norm=clip_norm
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
            entropy_weight=self._entropy_weight,
        )
        decay = self._baseline_decay
        self.baseline = decay * baseline + (1 - decay) * mean
        self.metrics["baseline"] = baseline
