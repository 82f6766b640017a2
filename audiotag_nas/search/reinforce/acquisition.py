"""Which points to train next, by what a reward model believes of them.

Two kinds of wishes take turns over the places of a batch:

- **Knowledge gradient** (Frazier et al. 2009), of one training of one point:
  by how much the best posterior mean is expected to rise. It is defined for
  points trained before as for new ones, so how much is spent on training a
  good network again follows the noise that is seen.
- **Upper confidence bound** (Srinivas et al., ICML 2010): mean plus some
  deviations. A point of high bound differs from the trained ones in many
  uncertain decisions at once, so that one training says something about each.

Bounds have most of the places at first and half of them later. The knowledge
gradient looks one training ahead, which is too short as long as it is not
known how decisions act on one another; later, bounds go on trying what can't be
much better. The turn comes when there were as many trainings as pairs of
decisions ([own]; on tables of real networks, of 5 to 7 decisions, turning
early was better, on made-up spaces of 10 and more it was not).

The points of a batch are chosen one by one; each is taken as seen with the
outcome believed of it (GP-BUCB, Desautels et al., JMLR 2014): means stay,
variances fall.
"""

import math
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from audiotag_nas.search.reinforce.reward_model import Prediction, RewardModel
from audiotag_nas.space import Tokens

Array = npt.NDArray[np.float64]

GRADIENT = 0.0
"""The wish for knowledge; any other wish is a number of deviations."""

WIDEST = 3.0
"""The wish for what is least known of all that may be good."""

_WISHES_AT_FIRST = (GRADIENT, 2.0, 2.0, WIDEST)
_WISHES_LATER = (GRADIENT, GRADIENT, WIDEST, WIDEST)


def wish(place: int, num_decisions: int) -> float:
    """What a training is for.

    Args:
        place: in the order of asking, from 0.
        num_decisions: of the space.
    """
    is_first = place < math.comb(num_decisions, 2)
    wishes = _WISHES_AT_FIRST if is_first else _WISHES_LATER
    return wishes[place % len(wishes)]


class Pool:
    """Points, told and new ones, from which a batch is chosen.

    Args:
        model: fitted.
        points: at least one, all different.

    Attributes:
        points: the points.
        is_known: (points,), whether it was told or believed.
    """

    def __init__(self, model: RewardModel, points: Iterable[Tokens]) -> None:
        self._model = model
        self.points = list(points)
        self._index = {point: i for i, point in enumerate(self.points)}
        self._take(model.predict(self.points))

    @property
    def best_known_mean(self) -> float:
        """Of the points told or believed; -inf if there are none."""
        return float(
            np.max(self._prediction.mean[self.is_known], initial=-np.inf)
        )

    def __contains__(self, point: Tokens) -> bool:
        return point in self._index

    def index(self, point: Tokens) -> int:
        """Where `point` stands."""
        return self._index[point]

    def add(self, points: Iterable[Tokens]) -> bool:
        """Adds those that are not there yet, before any is believed.

        Returns:
            Whether there were any.
        """
        new = [p for p in dict.fromkeys(points) if p not in self._index]
        if not new:
            return False
        for point in new:
            self._index[point] = len(self.points)
            self.points.append(point)
        self._take(self._prediction.joined(self._model.predict(new)))
        return True

    def _take(self, prediction: Prediction) -> None:
        self._prediction = prediction
        self._variance = prediction.variance.copy()
        self._updates = np.zeros((0, len(self.points)))
        self.is_known = prediction.own >= 0

    def scores(self, wish: float) -> Array:
        """How well each candidate serves a wish; -inf where it can't."""
        mean = self._prediction.mean
        if wish == GRADIENT:
            return knowledge_gradient(
                mean,
                self._variance,
                noise_variance=self._model.noise_variance,
                is_known=self.is_known,
            )
        bound = mean + wish * np.sqrt(self._variance)
        return np.where(self.is_known, -np.inf, bound)

    def believe(self, index: int) -> None:
        """Takes candidate `index` as trained, with the outcome believed."""
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
    """The expected rise of the best known mean by one training of each point.

    Training a point moves its posterior mean by a normal step of deviation
    variance / sqrt(variance + noise). What counts is how often the step
    crosses the best other known mean: upwards for a point below it, downwards
    for the best one itself, and by how much.

    Args:
        mean: (points,).
        variance: (points,), of the noise-free reward.
        noise_variance: of a training.
        is_known: (points,), points that may be recommended already.

    Returns:
        (points,), 0 or more.
    """
    step = variance / np.sqrt(variance + noise_variance)
    rival = np.full(len(mean), -np.inf)
    known = np.flatnonzero(is_known)
    if len(known):
        order = known[np.argsort(-mean[known], kind="stable")]
        rival[:] = mean[order[0]]
        rival[order[0]] = mean[order[1]] if len(order) > 1 else -np.inf
    z = -np.abs(mean - rival) / step
    density = np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)
    with np.errstate(invalid="ignore"):
        rise = step * (z * ndtr(z) + density)
    return np.where(np.isfinite(rival), rise, 0.0)
