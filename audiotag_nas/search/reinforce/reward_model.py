"""A Gaussian process over tokens: what a network would earn, and how surely.

The kernel (`token_kernel`) adds up main effects, pairs and triples of
decisions, and whole neighborhoods, and knows which choices are in order.
Trainings are noisy: a reward is the function plus noise, and repeated ones
tell the noise from what the point has of its own.

The hyperparameters are the most probable ones under log-normal priors, found
from those of the fit before. Rewards are standardized, after the lower tail is
cut at three deviations (by the median): a dead child must not set the scale.
One that died when it was trained again must not set the noise, so it is cut
there too. NumPy and SciPy, no TensorFlow.
"""

import dataclasses
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import numpy.typing as npt
from scipy.linalg import cholesky, solve_triangular
from scipy.optimize import minimize

from audiotag_nas.search.reinforce.kernel import (
    JITTER,
    MEAN_VARIANCE,
    NOT_POSITIVE,
    SCALES,
    LearnedMeans,
)
from audiotag_nas.search.reinforce.distance_kernel import make_kernel
from audiotag_nas.space import SearchSpace, Tokens

Array = npt.NDArray[np.float64]

_BOUND = 12.0  # of a hyperparameter's logarithm
_CUT_DEVIATIONS = 3.0
_DEAD_DEVIATIONS = 6.0  # below the median; noise alone does not reach it
_ROUNDING = 1e-12
_MAD_TO_DEVIATION = 1.4826


@dataclasses.dataclass(frozen=True)
class Prediction:
    """What the model believes of some points, in standardized rewards.

    Attributes:
        mean: (points,), of the noise-free reward.
        variance: (points,), of the noise-free reward.
        rows: (points, ...), as the kernel has them.
        projection: (told points, points): the covariance of two points given
            what was told is their kernel minus their projections' product.
        own: (points,), which of the told points each one is; -1 if new.
    """

    mean: Array
    variance: Array
    rows: npt.NDArray
    projection: Array
    own: npt.NDArray[np.int64]

    def joined(self, other: "Prediction") -> "Prediction":
        """Both, one after the other."""
        return Prediction(
            np.concatenate([self.mean, other.mean]),
            np.concatenate([self.variance, other.variance]),
            np.concatenate([self.rows, other.rows]),
            np.concatenate([self.projection, other.projection], axis=1),
            np.concatenate([self.own, other.own]),
        )


class RewardModel:
    """The posterior over the rewards of a space's points.

    Args:
        space: whose tokens are told and asked.

    Attributes:
        points: (told points, decisions), each once.
        num_rewards: (told points,), how often each was told.
        offset, scale: reward = offset + scale * standardized reward.
    """

    def __init__(self, space: SearchSpace) -> None:
        self._kernel = make_kernel(space)
        self._theta = self._kernel.prior_mean.copy()
        self.points = np.zeros((0, space.num_decisions), np.int64)
        self.num_rewards = np.zeros(0)
        self.offset, self.scale = 0.0, 1.0

    @property
    def noise_variance(self) -> float:
        """Of one training, in standardized rewards."""
        return float(np.exp(self._theta[-1]))

    @property
    def hyperparameters(self) -> dict[str, float]:
        """The kernel's scales by name, in standardized rewards."""
        return dict(
            zip(
                SCALES,
                map(float, np.exp(self._theta[-len(SCALES) :])),
                strict=True,
            )
        )

    def learn(
        self,
        rewards: Mapping[Tokens, list[float]],
        *,
        max_iterations: int = 15,
        restart: bool = False,
    ) -> None:
        """Learns all rewards told so far, each point's own list of them.

        Args:
            rewards: at least one point.
            max_iterations: of the search for hyperparameters, which starts
                where the last fit ended; 0 keeps them.
            restart: also start from the priors, and take the better end.
        """
        self.points = np.array(list(rewards), np.int64)
        self.num_rewards = np.array([len(r) for r in rewards.values()], float)
        values = _dead_raised([np.array(r) for r in rewards.values()])
        means = np.array([np.mean(r) for r in values])
        within = sum(float(np.sum((r - np.mean(r)) ** 2)) for r in values)
        self._data = self._standardized(means, within)
        if max_iterations:
            self._find_hyperparameters(max_iterations, restart)
        self._condition()

    def predict(self, points: Sequence[Tokens] | npt.NDArray) -> Prediction:
        """What is believed of `points`, (points, decisions)."""
        points = np.asarray(points, np.int64)
        rows = self._kernel.rows(points)
        row_of = {tuple(point): row for row, point in enumerate(self.points)}
        own = np.array([row_of.get(tuple(p), -1) for p in points], np.int64)
        covariance = self._kernel.of(self._theta, self._data.rows, rows)
        told = np.flatnonzero(own >= 0)
        scales = self.hyperparameters
        covariance[own[told], told] += scales["own"]
        projection = solve_triangular(
            self._factor, covariance, lower=True, check_finite=False
        )
        prior = sum(scales[name] for name in self._kernel.parts)
        variance = prior - np.sum(projection**2, axis=0)
        return Prediction(
            self._mean + projection.T @ self._weights,
            np.maximum(variance, 1e-10),
            rows,
            projection,
            own,
        )

    def best_observed(self, among: Collection[Tokens] | None = None) -> Tokens:
        """Of the points learned, the one of the highest posterior mean.

        A point that was lucky once is believed less than one that did well
        twice, or whose neighbors do well too.

        Args:
            among: only these are considered, if given; at least one of them
                must have been learned.
        """
        points = [tuple(map(int, point)) for point in self.points]
        if among is not None:
            points = [point for point in points if point in among]
        return points[int(np.argmax(self.predict(points).mean))]

    def covariance(self, prediction: Prediction, index: int) -> Array:
        """Of point `index` with all points of `prediction`, (points,)."""
        row = self._kernel.of(
            self._theta,
            prediction.rows[index : index + 1],
            prediction.rows,
        )[0]
        row = row - prediction.projection[:, index] @ prediction.projection
        same = np.all(prediction.rows == prediction.rows[index], axis=1)
        return row + self.hyperparameters["own"] * same

    def averages(self, weights: npt.ArrayLike) -> tuple[Array, Array]:
        """What is believed of the reward's averages over parts of the space.

        Exact, by averages of the kernel (Oakley and O'Hagan 2004). Left out is
        what only single points have of their own: it is no part of a trend.
        As in `predict`, the constant mean is held at its estimate.

        Args:
            weights: (averages, choices of all decisions); for each decision a
                distribution over its choices, independent of the others'.
                All on one choice each is a point, all equal the whole space.

        Returns:
            mean, (averages,), and covariance, (averages, averages), in
            standardized rewards.
        """
        weights = np.asarray(weights, float)
        projection = self._average_projection(weights)
        prior = self._kernel.average(self._theta, weights, weights)
        return (
            self._mean + projection.T @ self._weights,
            prior - projection.T @ projection,
        )

    def average_means(self, weights: npt.ArrayLike) -> Array:
        """The means of `averages` alone, for many of them, (averages,)."""
        projection = self._average_projection(np.asarray(weights, float))
        return self._mean + projection.T @ self._weights

    def _average_projection(self, weights: Array) -> Array:
        """(told points, averages), as in `Prediction`."""
        told = self._kernel.one_hot(self.points)
        return solve_triangular(
            self._factor,
            self._kernel.average(self._theta, told, weights),
            lower=True,
        )

    def leave_one_out(self) -> tuple[Array, Array]:
        """What would be predicted of each told point without its rewards.

        The closed form of Rasmussen and Williams (2006, eq. 5.12); the
        hyperparameters stay as they are, the constant mean is found anew.

        Returns:
            predicted and told means, (told points,) each, in standardized
            rewards (of which the lower tail is cut).
        """
        told = self._data.means
        covariance = self._factor @ self._factor.T + MEAN_VARIANCE
        inverse = np.linalg.inv(covariance)
        return told - inverse @ told / np.diag(inverse), told

    def _find_hyperparameters(self, max_iterations: int, restart: bool) -> None:
        starts = [self._theta]
        if restart:
            starts.append(self._kernel.prior_mean)
        fits = [
            minimize(
                self._kernel.negative_log_posterior,
                start,
                args=(self._data,),
                jac=True,
                method="L-BFGS-B",
                bounds=[(-_BOUND, _BOUND)] * len(start),
                options={"maxiter": max_iterations},
            )
            for start in starts
        ]
        best = min(fits, key=lambda fit: fit.fun)
        # What suited fewer points may be singular with more of them.
        failed = best.fun >= NOT_POSITIVE
        self._theta = self._kernel.prior_mean if failed else best.x

    def _standardized(self, means: Array, within: float) -> LearnedMeans:
        means = cut_below(means, _CUT_DEVIATIONS)
        self.offset = float(np.mean(means))
        deviation = float(np.std(means))
        # Equal rewards may differ from their mean by rounding.
        is_flat = deviation <= _ROUNDING * float(np.max(np.abs(means)))
        self.scale = 1.0 if is_flat else deviation
        return LearnedMeans(
            rows=self._kernel.rows(self.points),
            means=(means - self.offset) / self.scale,
            counts=self.num_rewards,
            squares_within=within / self.scale**2,
        )

    def _condition(self) -> None:
        """The posterior's factors under the hyperparameters found."""
        data, scales = self._data, self.hyperparameters
        covariance = self._kernel.of(self._theta, data.rows, data.rows)
        covariance += np.diag(
            scales["own"] + scales["noise"] / data.counts + JITTER
        )
        self._factor = cholesky(covariance, lower=True)
        ones, means = solve_triangular(
            self._factor,
            np.stack([np.ones(len(data.means)), data.means], axis=1),
            lower=True,
        ).T
        self._mean = (ones @ means) / (ones @ ones + 1 / MEAN_VARIANCE)
        self._weights = means - self._mean * ones


def cut_below(values: Array, num_deviations: float) -> Array:
    """`values` with those far below raised to so many deviations below.

    From the median, and by the median deviation; see `_middle`.
    """
    median, deviation = _middle(values)
    return np.maximum(values, median - num_deviations * deviation)


def _middle(values: Array) -> tuple[float, float]:
    """The median, and the standard deviation by the median.

    Where more than half of the values are equal, the latter is 0; the range
    of all but the lowest takes its place ([own]). The lowest may be failures,
    told one penalty: with it the range would be of its size. Where failures
    are the majority, the median is that of the others too. Two different
    values have an infinite deviation: standardized they are the same, however
    far apart.
    """
    median = float(np.median(values))
    deviation = _MAD_TO_DEVIATION * float(np.median(np.abs(values - median)))
    least = _ROUNDING * abs(median)
    if deviation > least:
        return median, deviation
    lowest = np.min(values)
    others = values[values > lowest]
    if len(others) == 0 or np.ptp(others) <= least:
        return median, np.inf
    if median == lowest:
        median = float(np.median(others))
    return median, float(np.ptp(others))


def _dead_raised(rewards: list[Array]) -> list[Array]:
    """Each point's rewards; of repeated ones, failures raised.

    A failed training is told a penalty far below what any network earns. As
    noise it would drown all else, and the point's mean would be the penalty's.
    It counts as three deviations below the median, as it does where a point
    was trained once. The median is that of each point's best reward: a point
    that failed once of twice is no failure.
    """
    median, deviation = _middle(np.array([np.max(r) for r in rewards]))
    if np.isinf(deviation):
        # Nearly all are equal: the rest of what was told has a range.
        median, deviation = _middle(np.concatenate(rewards))
    if np.isinf(deviation):
        return rewards
    dead = median - _DEAD_DEVIATIONS * deviation
    counted = median - _CUT_DEVIATIONS * deviation
    return [
        np.where(r < dead, counted, r) if len(r) > 1 else r for r in rewards
    ]
