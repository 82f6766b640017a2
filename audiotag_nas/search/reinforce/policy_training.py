"""Training of the policy on the reward model, between two rounds of a search.

Each step samples points from the policy and updates the policy by REINFORCE.
The reward of a point is its upper confidence bound under the reward model,
because an uncertain point may be better than its posterior mean. The advantages
are the rewards, standardized by median and median absolute deviation, and
bounded. An entropy bonus keeps the policy from collapsing onto one point,
because the model may prefer another point later. The points chosen last are
added to each step's samples (priority-queue training, Abolafia et al. 2018).
"""

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from audiotag_nas.config.searchers import MAX_POLICY_STEPS
from audiotag_nas.search.policy_gradient import PolicyGradient
from audiotag_nas.search.reinforce.policy import AutoregressivePolicy
from audiotag_nas.search.reinforce.reward_model import RewardModel
from audiotag_nas.space import SearchSpace, Tokens

_NUM_SAMPLES = 64  # per step
_NUM_REPLAYED = 16
_BOUND_DEVIATIONS = 2.0
_LEARNING_RATE, _CLIP_NORM = 0.1, 10.0
_ADVANTAGE_BOUND = 3.0


class PolicyTraining:
    """A policy, and the points that are replayed in its training.

    Args:
        space: the search space.
        num_steps: policy-gradient steps per round, at most `MAX_POLICY_STEPS`.
        entropy_weight: the weight of the entropy bonus, per nat.

    Attributes:
        policy_gradient: the policy with its optimizer.
        metrics: the metrics of the last step.
    """

    def __init__(
        self, space: SearchSpace, *, num_steps: int, entropy_weight: float
    ) -> None:
        self._num_steps = num_steps
        self._entropy_weight = entropy_weight
        self._replayed: list[Tokens] = []
        self.policy_gradient = PolicyGradient(
            AutoregressivePolicy(space.num_choices),
            learning_rate=_LEARNING_RATE,
            clip_norm=_CLIP_NORM,
        )
        self.metrics: dict[str, float] = {}

    def add_to_replay(self, points: Iterable[Tokens]) -> None:
        """Puts the newly chosen `points` first among the replayed points."""
        latest = dict.fromkeys((*points, *self._replayed))
        self._replayed = list(latest)[:_NUM_REPLAYED]

    def train(self, model: RewardModel, seed: Sequence[int]) -> list[Tokens]:
        """Trains the policy on `model` and returns the samples without repeats.

        Args:
            model: a fitted reward model.
            seed: two ints; the second is the number of the round.
        """
        points: dict[Tokens, None] = {}
        for step in range(self._num_steps):
            samples = self.policy_gradient.sample(
                _NUM_SAMPLES, (seed[0], seed[1] * MAX_POLICY_STEPS + step)
            )
            batch = samples
            if self._replayed:
                replayed = np.array(self._replayed, samples.dtype)
                batch = np.concatenate([samples, replayed])
            prediction = model.predict(batch)
            bounds = prediction.mean + _BOUND_DEVIATIONS * np.sqrt(
                prediction.variance
            )
            self.metrics = self.policy_gradient.update(
                batch,
                standardized_advantages(bounds),
                entropy_weight=self._entropy_weight,
            )
            points |= dict.fromkeys(tuple(map(int, row)) for row in samples)
        return list(points)


def standardized_advantages(rewards: npt.NDArray) -> npt.NDArray:
    """Returns (reward - median) / median absolute deviation, within +-3.

    All advantages are 0 if more than half of the rewards are equal.
    """
    distances = rewards - np.median(rewards)
    deviation = np.median(np.abs(distances))
    if deviation == 0:
        return np.zeros_like(distances)
    return np.clip(distances / deviation, -_ADVANTAGE_BOUND, _ADVANTAGE_BOUND)
