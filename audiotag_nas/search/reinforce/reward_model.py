"""A Gaussian process over tokens: the posterior of the reward of each point.

A reward is the value of the function plus the noise of one training; repeated
trainings separate the noise from the nugget. The hyperparameters maximize the
posterior under log-normal priors; a fit starts from the previous one.

Rewards are standardized after the lower tail is clipped at three standard
deviations, estimated by medians, so that a failed training does not set the
scale. A failed retraining of a good point is clipped too, so that it does not
set the noise variance. NumPy and SciPy, no TensorFlow.
"""

import dataclasses
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import numpy.typing as npt
from scipy.linalg import cholesky, solve_triangular
from scipy.optimize import minimize

from audiotag_nas.search.reinforce.distance_kernel import make_kernel
from audiotag_nas.search.reinforce.kernel import (
    JITTER,
    MEAN_VARIANCE,
    NOT_POSITIVE,
    SCALES,
    ObservedMeans,
)
from audiotag_nas.space import SearchSpace, Tokens

Array = npt.NDArray[np.float64]

_BOUND = 12.0  # of a hyperparameter's logarithm
_CLIP_DEVIATIONS = 3.0
_FAILED_DEVIATIONS = 6.0  # below the median; noise alone does not reach it
_ROUNDING = 1e-12
_MAD_TO_DEVIATION = 1.4826


@dataclasses.dataclass(frozen=True)
class Prediction:
    """The posterior at some points, in standardized rewards.

    Attributes:
        mean: (points,), of the noise-free reward.
        variance: (points,), of the noise-free reward.
        rows: (points, ...), as the kernel encodes them.
        projection: (observed points, points): the posterior covariance of two
            points is their kernel minus the product of their projections.
        observed_index: (points,), index of each point among the observed
            points; -1 if it is new.
    """

    mean: Array
    variance: Array
    rows: npt.NDArray
    projection: Array
    observed_index: npt.NDArray[np.int64]

    def joined(self, other: "Prediction") -> "Prediction":
        """Concatenates both predictions."""
        return Prediction(
            np.concatenate([self.mean, other.mean]),
            np.concatenate([self.variance, other.variance]),
            np.concatenate([self.rows, other.rows]),
            np.concatenate([self.projection, other.projection], axis=1),
            np.concatenate([self.observed_index, other.observed_index]),
        )


class RewardModel:
    """The posterior over the rewards of a space's points.

    Args:
        space: the points.

    Attributes:
        points: (observed points, decisions), each once.
        num_rewards: (observed points,), the number of rewards of each.
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
        """The variance of one training, in standardized rewards."""
        return float(np.exp(self._theta[-1]))

    @property
    def hyperparameters(self) -> dict[str, float]:
        """The kernel's scales by name, in standardized rewards."""
        scales = map(float, np.exp(self._theta[-len(SCALES) :]))
        return dict(zip(SCALES, scales, strict=True))

    def learn(
        self,
        rewards: Mapping[Tokens, list[float]],
        *,
        max_iterations: int = 15,
        restart: bool = False,
    ) -> None:
        """Replaces the data and fits the hyperparameters.

        Args:
            rewards: all rewards of each observed point; at least one point.
            max_iterations: of the optimizer, which starts at the previous fit;
                0 keeps the hyperparameters.
            restart: also start from the priors, and take the better result.
        """
        self.points = np.array(list(rewards), np.int64)
        self.num_rewards = np.array([len(r) for r in rewards.values()], float)
        values = _clip_failed_repeats([np.array(r) for r in rewards.values()])
        means = np.array([np.mean(r) for r in values])
        within = sum(float(np.sum((r - np.mean(r)) ** 2)) for r in values)
        self._data = self._standardized(means, within)
        if max_iterations:
            self._fit_hyperparameters(max_iterations, restart)
        self._condition()

    def predict(self, points: Sequence[Tokens] | npt.NDArray) -> Prediction:
        """Returns the posterior at `points`, (points, decisions)."""
        points = np.asarray(points, np.int64)
        rows = self._kernel.rows(points)
        index_of = {tuple(point): i for i, point in enumerate(self.points)}
        observed_index = np.array(
            [index_of.get(tuple(point), -1) for point in points], np.int64
        )
        covariance = self._kernel.matrix(self._theta, self._data.rows, rows)
        observed = np.flatnonzero(observed_index >= 0)
        scales = self.hyperparameters
        covariance[observed_index[observed], observed] += scales["nugget"]
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
            observed_index,
        )

    def best_observed(self, among: Collection[Tokens] | None = None) -> Tokens:
        """Returns the observed point of the highest posterior mean.

        A point with one lucky reward has a lower mean than a point with two
        good rewards or with good neighbors.

        Args:
            among: the points to choose from; at least one must be observed.
                None stands for all observed points.
        """
        points = [tuple(map(int, point)) for point in self.points]
        if among is not None:
            points = [point for point in points if point in among]
        return points[int(np.argmax(self.predict(points).mean))]

    def covariance(self, prediction: Prediction, index: int) -> Array:
        """Returns the posterior covariances of point `index`, (points,)."""
        row = self._kernel.matrix(
            self._theta, prediction.rows[index : index + 1], prediction.rows
        )[0]
        row = row - prediction.projection[:, index] @ prediction.projection
        same = np.all(prediction.rows == prediction.rows[index], axis=1)
        return row + self.hyperparameters["nugget"] * same

    def averages(self, weights: npt.ArrayLike) -> tuple[Array, Array]:
        """Returns the posterior of averages of the reward over the space.

        Exact, by averages of the kernel (Oakley and O'Hagan 2004). The nugget
        is left out, because it is no part of a trend. As in `predict`, the
        constant mean is fixed at its estimate.

        Args:
            weights: (averages, choices of all decisions): one distribution over
                the choices per decision, independent of the other decisions.
                One-hot distributions give a point, uniform ones the average
                over the space.

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
        """Returns only the means of `averages`, for many averages."""
        projection = self._average_projection(np.asarray(weights, float))
        return self._mean + projection.T @ self._weights

    def _average_projection(self, weights: Array) -> Array:
        """Returns (observed points, averages), as in `Prediction`."""
        observed = self._kernel.one_hot(self.points)
        return solve_triangular(
            self._factor,
            self._kernel.average(self._theta, observed, weights),
            lower=True,
        )

    def leave_one_out(self) -> tuple[Array, Array]:
        """Returns leave-one-out predictions and the observed means.

        The closed form of Rasmussen and Williams (2006, eq. 5.12). The
        hyperparameters are fixed; the constant mean is estimated again.

        Returns:
            predicted and observed mean rewards, (observed points,) each, in
            standardized rewards with the lower tail clipped.
        """
        observed = self._data.means
        covariance = self._factor @ self._factor.T + MEAN_VARIANCE
        inverse = np.linalg.inv(covariance)
        return observed - inverse @ observed / np.diag(inverse), observed

    def _fit_hyperparameters(self, max_iterations: int, restart: bool) -> None:
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
        # The previous fit may give a singular covariance of more points.
        failed = best.fun >= NOT_POSITIVE
        self._theta = self._kernel.prior_mean if failed else best.x

    def _standardized(self, means: Array, within: float) -> ObservedMeans:
        means = clip_below(means, _CLIP_DEVIATIONS)
        self.offset = float(np.mean(means))
        deviation = float(np.std(means))
        # Equal rewards may differ from their mean by rounding.
        is_flat = deviation <= _ROUNDING * float(np.max(np.abs(means)))
        self.scale = 1.0 if is_flat else deviation
        return ObservedMeans(
            rows=self._kernel.rows(self.points),
            means=(means - self.offset) / self.scale,
            counts=self.num_rewards,
            squares_within=within / self.scale**2,
        )

    def _condition(self) -> None:
        """Computes the factors of the posterior for the hyperparameters."""
        data, scales = self._data, self.hyperparameters
        covariance = self._kernel.matrix(self._theta, data.rows, data.rows)
        covariance += np.diag(
            scales["nugget"] + scales["noise"] / data.counts + JITTER
        )
        self._factor = cholesky(covariance, lower=True)
        ones, means = solve_triangular(
            self._factor,
            np.stack([np.ones(len(data.means)), data.means], axis=1),
            lower=True,
        ).T
        self._mean = (ones @ means) / (ones @ ones + 1 / MEAN_VARIANCE)
        self._weights = means - self._mean * ones


def clip_below(values: Array, num_deviations: float) -> Array:
    """Clips `values` at `num_deviations` standard deviations below the median.

    `_robust_location_and_scale` estimates both.
    """
    median, deviation = _robust_location_and_scale(values)
    return np.maximum(values, median - num_deviations * deviation)


def _robust_location_and_scale(values: Array) -> tuple[float, float]:
    """Returns the median, and the standard deviation estimated by medians.

    The median absolute deviation is 0 where more than half of the values are
    equal. Then the range of all values except the lowest replaces it ([own]):
    the lowest may be the penalty of failed trainings, which must not set the
    scale. Where most values are the penalty, the median is of the others too.
    Two different values have an infinite deviation: standardized they are the
    same at any distance.
    """
    median = float(np.median(values))
    deviation = _MAD_TO_DEVIATION * float(np.median(np.abs(values - median)))
    min_deviation = _ROUNDING * abs(median)
    if deviation > min_deviation:
        return median, deviation
    lowest = np.min(values)
    others = values[values > lowest]
    if len(others) == 0 or np.ptp(others) <= min_deviation:
        return median, np.inf
    if median == lowest:
        median = float(np.median(others))
    return median, float(np.ptp(others))


def _clip_failed_repeats(rewards: list[Array]) -> list[Array]:
    """Clips the failed trainings of points that were trained repeatedly.

    The penalty of a failed training is far below the reward of any network. As
    noise it would hide all differences, and it would dominate the mean of its
    point. It counts as three standard deviations below the median, the same as
    for a point that was trained once. The median is over the best reward of
    each point, because a point that failed once of twice is no failure.
    """
    median, deviation = _robust_location_and_scale(
        np.array([np.max(r) for r in rewards])
    )
    if np.isinf(deviation):
        # Nearly all best rewards are equal: use the range of all rewards.
        median, deviation = _robust_location_and_scale(np.concatenate(rewards))
    if np.isinf(deviation):
        return rewards
    failed = median - _FAILED_DEVIATIONS * deviation
    counted = median - _CLIP_DEVIATIONS * deviation
    return [
        np.where(r < failed, counted, r) if len(r) > 1 else r for r in rewards
    ]
