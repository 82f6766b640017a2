"""The policy's practice on the reward model, between two rounds of trainings.

A step samples points from the policy, rewards each by what the model
promises - the mean plus some deviations, for what is uncertain may be better
than it looks - and takes one step of REINFORCE with the batch's median as the
baseline and its median deviation as the unit, bounded, plus an entropy bonus
that keeps the policy from collapsing onto one point of a model that will
change. The points that were wished for in the rounds before are learned from
along with the samples, as in priority-queue training (Abolafia et al. 2018).
"""

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from audiotag_nas.config.searchers import MAX_POLICY_STEPS
from audiotag_nas.search.policy_gradient import PolicyGradient
from audiotag_nas.search.reinforce.policy import AutoregressivePolicy
from audiotag_nas.search.reinforce.reward_model import RewardModel
from audiotag_nas.space import SearchSpace, Tokens

_NUM_SAMPLES = 64  # a step
_NUM_REMEMBERED = 16
_OPTIMISM = 2.0  # deviations
_LEARNING_RATE, _CLIP_NORM = 0.1, 10.0
_ADVANTAGE_BOUND = 3.0


class Practice:
    """A policy and what it remembers.

    Args:
        space: the points.
        num_steps: policy-gradient steps a round, at most
            `MAX_POLICY_STEPS`.
        entropy_weight: of the entropy bonus, per nat.

    Attributes:
        policy_gradient: the policy with its optimizer.
        metrics: of the last step.
    """

    def __init__(
        self, space: SearchSpace, *, num_steps: int, entropy_weight: float
    ) -> None:
        self._num_steps = num_steps
        self._entropy_weight = entropy_weight
        self._remembered: list[Tokens] = []
        self.policy_gradient = PolicyGradient(
            AutoregressivePolicy(space.num_choices),
            learning_rate=_LEARNING_RATE,
            clip_norm=_CLIP_NORM,
        )
        self.metrics: dict[str, float] = {}

    def remember(self, points: Iterable[Tokens]) -> None:
        """Keeps the latest points that were wished for."""
        latest = dict.fromkeys((*points, *self._remembered))
        self._remembered = list(latest)[:_NUM_REMEMBERED]

    def samples(self, model: RewardModel, seed: Sequence[int]) -> list[Tokens]:
        """Practises on `model`; gives every point sampled, each once.

        Args:
            model: fitted.
            seed: two ints, the second that of the round.
        """
        points: dict[Tokens, None] = {}
        for step in range(self._num_steps):
            drawn = self.policy_gradient.sample(
                _NUM_SAMPLES, (seed[0], seed[1] * MAX_POLICY_STEPS + step)
            )
            batch = np.concatenate(
                [drawn, np.array(self._remembered, drawn.dtype)]
                if self._remembered
                else [drawn]
            )
            belief = model.predict(batch)
            promise = belief.mean + _OPTIMISM * np.sqrt(belief.variance)
            self.metrics = self.policy_gradient.update(
                batch,
                standardized_advantages(promise),
                entropy_weight=self._entropy_weight,
            )
            points |= dict.fromkeys(tuple(map(int, row)) for row in drawn)
        return list(points)


def standardized_advantages(rewards: npt.NDArray) -> npt.NDArray:
    """(reward - median) / median absolute deviation, within +-3.

    All 0 where more than half of the rewards are equal.
    """
    distances = rewards - np.median(rewards)
    deviation = np.median(np.abs(distances))
    if deviation == 0:
        return np.zeros_like(distances)
    return np.clip(distances / deviation, -_ADVANTAGE_BOUND, _ADVANTAGE_BOUND)
