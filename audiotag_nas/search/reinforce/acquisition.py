"""Acquisition functions, and the pool of candidates that they choose from.

Two acquisition functions take turns in choosing the points of a round:

- **Knowledge gradient** (Frazier et al. 2009): the expected rise of the best
  posterior mean after one more training of a point. Observed points have a
  knowledge gradient too. The noisier the rewards are, the more often this
  function chooses a good observed point again.
- **Upper confidence bound** (Srinivas et al., ICML 2010): the posterior mean
  plus some standard deviations. A point with a high bound differs from all
  observed points in many uncertain decisions, and informs about all of these.

At first, bounds choose most points. The knowledge gradient looks only one
training ahead, which is too short while the interactions of decisions are
unknown. Later, the knowledge gradient chooses half of the points, because
bounds continue to try points that cannot be much better. This project's own
choice: the second phase begins when the number of trainings reaches the number
of pairs of decisions. An earlier second phase was better on tables of real
networks with 5 to 7 decisions, but not on synthetic spaces with at least 10.

The points of a round are chosen one by one. For each chosen point, the
posterior mean is assumed as the reward (a fantasy value; GP-BUCB, Desautels et
al., JMLR 2014). Fantasy values lower variances, but change no means.
"""

import math
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from audiotag_nas.search.reinforce.reward_model import Prediction, RewardModel
from audiotag_nas.space import Tokens

Array = npt.NDArray[np.float64]

KNOWLEDGE_GRADIENT = 0.0
"""This number stands for the knowledge gradient. Any other number stands for
the upper confidence bound with so many standard deviations."""

WIDEST_BOUND = 3.0

_EARLY = (KNOWLEDGE_GRADIENT, 2.0, 2.0, WIDEST_BOUND)
_LATE = (KNOWLEDGE_GRADIENT, KNOWLEDGE_GRADIENT, WIDEST_BOUND, WIDEST_BOUND)


def acquisition_at(position: int, num_decisions: int) -> float:
    """Returns the acquisition function that chooses the point at `position`.

    Args:
        position: the index of the training in the order of asking, from 0.
        num_decisions: the number of decisions of the space.
    """
    is_early = position < math.comb(num_decisions, 2)
    schedule = _EARLY if is_early else _LATE
    return schedule[position % len(schedule)]


class CandidatePool:
    """The observed and new points from which a round is chosen.

    Args:
        model: a fitted reward model.
        points: the first candidates; at least one, all different.

    Attributes:
        points: all candidates.
        index_of: the index of each point in `points`.
        is_known: (points,), whether each is observed or has a fantasy value.
    """

    def __init__(self, model: RewardModel, points: Iterable[Tokens]) -> None:
        self._model = model
        self.points = list(points)
        self.index_of = {point: i for i, point in enumerate(self.points)}
        self._set_prediction(model.predict(self.points))

    @property
    def best_known_mean(self) -> float:
        """The highest posterior mean of known points; -inf without any."""
        return float(
            np.max(self._prediction.mean[self.is_known], initial=-np.inf)
        )

    def add(self, points: Iterable[Tokens]) -> bool:
        """Adds the points that are new; no point may have a fantasy value yet.

        Returns:
            True if at least one of the points was new.
        """
        new = [p for p in dict.fromkeys(points) if p not in self.index_of]
        if not new:
            return False
        for point in new:
            self.index_of[point] = len(self.points)
            self.points.append(point)
        self._set_prediction(self._prediction.joined(self._model.predict(new)))
        return True

    def _set_prediction(self, prediction: Prediction) -> None:
        self._prediction = prediction
        self._variance = prediction.variance.copy()
        self._updates = np.zeros((0, len(self.points)))
        self.is_known = prediction.observed_index >= 0

    def values(self, acquisition: float) -> Array:
        """Returns the acquisition value of each point, (points,).

        The bound of a known point is -inf, so that bounds choose new points.
        """
        mean = self._prediction.mean
        if acquisition == KNOWLEDGE_GRADIENT:
            return knowledge_gradient(
                mean,
                self._variance,
                noise_variance=self._model.noise_variance,
                is_known=self.is_known,
            )
        bound = mean + acquisition * np.sqrt(self._variance)
        return np.where(self.is_known, -np.inf, bound)

    def add_fantasy(self, index: int) -> None:
        """Gives the point at `index` its posterior mean as a fantasy value."""
        row = self._model.covariance(self._prediction, index)
        row = row - self._updates[:, index] @ self._updates
        row /= np.sqrt(self._variance[index] + self._model.noise_variance)
        self._updates = np.vstack([self._updates, row])
        self._variance = np.maximum(self._variance - row**2, 1e-10)
        self.is_known[index] = True


def knowledge_gradient(
    mean: Array,
    variance: Array,
    *,
    noise_variance: float,
    is_known: npt.NDArray[np.bool_],
) -> Array:
    """Returns, per point, the expected rise of the best known mean, (points,).

    One training moves the point's posterior mean by a normally distributed
    step, with the standard deviation variance / sqrt(variance + noise
    variance). Let b be the best mean of all other known points. For the best
    known point, the gradient is the expected distance by which the mean falls
    below b. For any other point, it is the expected distance by which the mean
    exceeds b.

    Args:
        mean: (points,), posterior means.
        variance: (points,), posterior variances of the noise-free reward.
        noise_variance: the variance of the noise of one training.
        is_known: (points,), whether each point can already be recommended.
    """
    step = variance / np.sqrt(variance + noise_variance)
    best_other = np.full(len(mean), -np.inf)
    known = np.flatnonzero(is_known)
    if len(known):
        order = known[np.argsort(-mean[known], kind="stable")]
        best_other[:] = mean[order[0]]
        best_other[order[0]] = mean[order[1]] if len(order) > 1 else -np.inf
    z = -np.abs(mean - best_other) / step
    density = np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)
    with np.errstate(invalid="ignore"):
        rise = step * (z * ndtr(z) + density)
    return np.where(np.isfinite(best_other), rise, 0.0)
