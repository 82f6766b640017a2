"""A Gaussian process over points: the posterior of the reward of each point.

A reward is a function of the point, plus the noise of one training. The nugget
is the part of the function that no other point shares. Repeated trainings show
which part is noise. The hyperparameters maximize their posterior under
log-normal priors. Each fit starts at the result of the previous fit.

Before rewards are standardized, they are clipped at three standard deviations
below the median. The standard deviation is estimated from medians, so that
failed trainings do not determine the scale. If the retraining of a good point
fails, its reward is clipped too, so that the noise variance stays small.
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

_BOUND = 12.0  # largest magnitude of a hyperparameter's logarithm
_CLIP_DEVIATIONS = 3.0
_FAILED_DEVIATIONS = 6.0  # a reward so far below the median is a failure
_ROUNDING = 1e-12
_MAD_TO_DEVIATION = 1.4826


@dataclasses.dataclass(frozen=True)
class Prediction:
    """The posterior at some points, in standardized rewards.

    Attributes:
        mean: (points,), the mean of the noise-free reward.
        variance: (points,), the variance of the noise-free reward.
        rows: (points, ...), the points as the kernel encodes them.
        projection: (observed points, points). The posterior covariance of two
            points is their kernel value minus the product of their projections.
        observed_index: (points,), the index of each point among the observed
            points; -1 for a new point.
    """

    mean: Array
    variance: Array
    rows: npt.NDArray
    projection: Array
    observed_index: npt.NDArray[np.int64]

    def joined(self, other: "Prediction") -> "Prediction":
        """Returns this prediction, continued by the points of `other`."""
        return Prediction(
            np.concatenate([self.mean, other.mean]),
            np.concatenate([self.variance, other.variance]),
            np.concatenate([self.rows, other.rows]),
            np.concatenate([self.projection, other.projection], axis=1),
            np.concatenate([self.observed_index, other.observed_index]),
        )


class RewardModel:
    """The posterior of the rewards of all points in a space.

    Args:
        space: the search space.

    Attributes:
        points: (observed points, decisions), each observed point once.
        num_rewards: (observed points,), the number of rewards of each point.
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
        """The noise variance of one training, in standardized rewards."""
        return float(np.exp(self._theta[-1]))

    @property
    def hyperparameters(self) -> dict[str, float]:
        """The values of `SCALES` by name, for standardized rewards."""
        scales = map(float, np.exp(self._theta[-len(SCALES) :]))
        return dict(zip(SCALES, scales, strict=True))

    def learn(
        self,
        rewards: Mapping[Tokens, list[float]],
        *,
        max_iterations: int = 15,
        restart: bool = False,
    ) -> None:
        """Replaces the observed rewards and fits the hyperparameters.

        Args:
            rewards: all rewards of each observed point; at least one point.
            max_iterations: the maximum number of iterations of the optimizer;
                0 keeps the hyperparameters.
            restart: whether to try a second fit that starts at the medians of
                the priors; the better fit is kept.
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
        """Returns the observed point with the highest posterior mean.

        One good reward, which may be luck, raises the posterior mean less than
        two good rewards, or than good rewards of neighbors.

        Args:
            among: the points to choose from; at least one must be observed.
                None stands for all observed points.
        """
        points = [tuple(map(int, point)) for point in self.points]
        if among is not None:
            points = [point for point in points if point in among]
        return points[int(np.argmax(self.predict(points).mean))]

    def covariance(self, prediction: Prediction, index: int) -> Array:
        """Returns the covariances of the point `index` with all points."""
        row = self._kernel.matrix(
            self._theta, prediction.rows[index : index + 1], prediction.rows
        )[0]
        row = row - prediction.projection[:, index] @ prediction.projection
        same = np.all(prediction.rows == prediction.rows[index], axis=1)
        return row + self.hyperparameters["nugget"] * same

    def averages(self, weights: npt.ArrayLike) -> tuple[Array, Array]:
        """Returns the posterior of averages of the reward over the space.

        The posterior is exact, because the kernel itself is averaged (Oakley
        and O'Hagan 2004). The averages exclude the nugget, which points do not
        share. As in `predict`, the constant mean is fixed at its estimate.

        Args:
            weights: (averages, choices of all decisions). Each row has one
                distribution per decision, over the choices of this decision.
                The decisions are independent. One-hot rows give the reward of
                one point; uniform rows give the average over the space.

        Returns:
            The mean, (averages,), and the covariance, (averages, averages), in
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
        """Returns the means that `averages` returns, in less time."""
        projection = self._average_projection(np.asarray(weights, float))
        return self._mean + projection.T @ self._weights

    def _average_projection(self, weights: Array) -> Array:
        """Returns the projection (see `Prediction`) of averages."""
        observed = self._kernel.one_hot(self.points)
        return solve_triangular(
            self._factor,
            self._kernel.average(self._theta, observed, weights),
            lower=True,
        )

    def leave_one_out(self) -> tuple[Array, Array]:
        """Returns leave-one-out predictions and the observed means.

        The closed form is eq. 5.12 of Rasmussen and Williams (2006). The
        hyperparameters are fixed, but the constant mean is estimated again
        without each point.

        Returns:
            The predicted and the observed mean rewards, (observed points,)
            each, in standardized rewards after clipping.
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
        # The previous hyperparameters can make the covariance singular.
        failed = best.fun >= NOT_POSITIVE
        self._theta = self._kernel.prior_mean if failed else best.x

    def _standardized(self, means: Array, within: float) -> ObservedMeans:
        means = clip_below(means, _CLIP_DEVIATIONS)
        self.offset = float(np.mean(means))
        deviation = float(np.std(means))
        # Because of rounding, equal rewards may differ from their mean.
        is_flat = deviation <= _ROUNDING * float(np.max(np.abs(means)))
        self.scale = 1.0 if is_flat else deviation
        return ObservedMeans(
            rows=self._kernel.rows(self.points),
            means=(means - self.offset) / self.scale,
            counts=self.num_rewards,
            squares_within=within / self.scale**2,
        )

    def _condition(self) -> None:
        """Computes the parts of the posterior that all predictions need."""
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

    `_robust_location_and_scale` estimates the standard deviation.
    """
    median, deviation = _robust_location_and_scale(values)
    return np.maximum(values, median - num_deviations * deviation)


def _robust_location_and_scale(values: Array) -> tuple[float, float]:
    """Returns the median, and the standard deviation estimated by medians.

    The median absolute deviation is 0 if more than half of the values are
    equal. This project's own choice: the range of all values except the lowest
    then replaces the standard deviation. The lowest value may be the penalty of
    failed trainings, which must not determine the scale. If the median is this
    value, the median also excludes it. If all other values are equal, the
    standard deviation is infinite, so nothing is clipped: after
    standardization, two different values always have the same distance.
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

    The penalty of a failed training is far below the reward of any network. If
    the penalty counted as noise, it would hide all differences between points.
    In the mean of a point, it would outweigh the point's other rewards. The
    penalty therefore counts as three standard deviations below the median, as
    for points that were trained once. The median is that of the best rewards of
    all points, because a point whose second training succeeds is not a failure.
    """
    median, deviation = _robust_location_and_scale(
        np.array([np.max(r) for r in rewards])
    )
    if np.isinf(deviation):
        # The best rewards have no finite scale, so all rewards are used.
        median, deviation = _robust_location_and_scale(np.concatenate(rewards))
    if np.isinf(deviation):
        return rewards
    failed = median - _FAILED_DEVIATIONS * deviation
    counted = median - _CLIP_DEVIATIONS * deviation
    return [
        np.where(r < failed, counted, r) if len(r) > 1 else r for r in rewards
    ]
