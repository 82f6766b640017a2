"""A plain Gaussian-process searcher, for comparison with other searchers.

The rewards of the points are a Gaussian process, observed with noise. The
correlation between two points is exp(-h / l), where h is the number of tokens
in which the points differ. The length scale l and the noise maximize the
likelihood. Candidates are random points, and neighbors and mutations of the
best observed points. The candidates with the highest expected improvement are
chosen one by one (Mockus 1975; Jones et al. 1998). A pending point has a
fantasy value, the posterior mean (the kriging believer of Ginsbourger et al.
2010). The algebra is in Rasmussen and Williams (2006), chapters 2 and 5.
"""

import collections

import numpy as np
import numpy.typing as npt
import scipy.linalg
import scipy.optimize
import scipy.special

from audiotag_nas.search.one_thread import one_blas_thread
from audiotag_nas.search.points import draw_points, mutate, neighbors
from audiotag_nas.search.searchers.base_searcher import BaseSearcher
from audiotag_nas.space import SearchSpace, Tokens

_NUM_INITIAL = 8
_NUM_BEST = 5
_NUM_DOUBLE = 40  # two-token mutations of each best point
_NUM_RANDOM = 200
_NOISE = (1e-4, 10.0)  # noise variance / signal variance
_LOG_2PI = float(np.log(2 * np.pi))


class HammingProcess:
    """A Gaussian process over points, fitted to observations.

    Args:
        points: n >= 1 observed points, (n, decisions); points may be equal.
        values: the observed values, (n,), with mean 0 and variance about 1.

    Attributes:
        length_scale: the length scale l, in tokens.
        noise: noise variance / signal variance.
        variance: the signal variance.
    """

    def __init__(self, points: npt.NDArray, values: npt.NDArray) -> None:
        self._points, self._values = points, values
        self._distances = hamming(points, points)
        # The correlation between neighbors is 0.02 at the lower bound of the
        # length scale, and almost 1 at the upper bound.
        low, high = np.log(0.25), np.log(10.0 * points.shape[1])
        bounds = [(low, high), tuple(np.log(_NOISE))]
        starts = [
            np.array([start, noise])
            for start in np.linspace(low, high, 5)[1:-1]
            for noise in np.log([0.01, 0.5])
        ]
        start = min(starts, key=lambda at: self._loss(at)[0])
        found = scipy.optimize.minimize(
            self._loss, start, jac=True, method="L-BFGS-B", bounds=bounds
        )
        self.length_scale, self.noise = map(float, np.exp(found.x))
        self._factor = self._factorize()
        weights = scipy.linalg.cho_solve(self._factor, values)
        self.variance = max(float(values @ weights) / len(values), 1e-12)

    def log_likelihood(self, length_scale: float, noise: float) -> float:
        """Returns ln p(values) for the best value of the signal variance."""
        loss, _ = self._loss(np.log([length_scale, noise]))
        num = len(self._values)
        return -float(loss) - 0.5 * num * (1 + _LOG_2PI - np.log(num))

    def add_fantasy(self, point: npt.NDArray) -> float:
        """Adds `point` with its posterior mean as value; returns the mean."""
        value = float(self.predict(point[None])[0][0])
        row = hamming(point[None], self._points)
        self._points = np.vstack([self._points, point])
        self._values = np.append(self._values, value)
        self._distances = np.block(
            [[self._distances, row.T], [row, np.zeros((1, 1))]]
        )
        self._factor = self._factorize()
        return value

    def predict(self, points: npt.NDArray) -> tuple[npt.NDArray, npt.NDArray]:
        """Returns the mean and deviation at each point, (m,), without noise.

        Args:
            points: the points to predict, (m, decisions).
        """
        cross = np.exp(-hamming(points, self._points) / self.length_scale)
        mean = cross @ scipy.linalg.cho_solve(self._factor, self._values)
        solved = scipy.linalg.solve_triangular(
            self._factor[0], cross.T, lower=True
        )
        share = np.maximum(1.0 - np.sum(solved**2, axis=0), 1e-12)
        return mean, np.sqrt(self.variance * share)

    def _factorize(self) -> tuple[npt.NDArray, bool]:
        covariance = np.exp(-self._distances / self.length_scale)
        covariance[np.diag_indices_from(covariance)] += self.noise
        return scipy.linalg.cholesky(covariance, lower=True), True

    def _loss(self, at: npt.NDArray) -> tuple[float, npt.NDArray]:
        """Returns -ln p without constants, and its gradient.

        The signal variance has its maximum likelihood value, y' K^-1 y / n.

        Args:
            at: the logarithms of the length scale and of the noise.
        """
        scale, noise = np.exp(at)
        signal = np.exp(-self._distances / scale)
        num = len(signal)
        factor = scipy.linalg.cho_factor(
            signal + noise * np.eye(num), lower=True
        )
        inverse = scipy.linalg.cho_solve(factor, np.eye(num))
        weights = inverse @ self._values
        square = max(float(self._values @ weights), 1e-12)
        log_determinant = 2 * np.sum(np.log(np.diag(factor[0])))
        loss = 0.5 * num * np.log(square) + 0.5 * log_determinant
        by_scale = signal * self._distances / scale
        gradient = [
            -0.5 * num * (weights @ by_scale @ weights) / square
            + 0.5 * np.sum(inverse * by_scale),
            -0.5 * num * noise * (weights @ weights) / square
            + 0.5 * noise * np.trace(inverse),
        ]
        return float(loss), np.array(gradient)


def hamming(one: npt.NDArray, other: npt.NDArray) -> npt.NDArray:
    """Returns in how many tokens the points of each pair differ, (n, m)."""
    return (one[:, None, :] != other[None, :, :]).sum(axis=2).astype(float)


def expected_improvement(
    mean: npt.NDArray, deviation: npt.NDArray, best: float
) -> npt.NDArray:
    """Returns E[max(x - best, 0)] of a normal x, for each element."""
    z = (mean - best) / deviation
    density = np.exp(-0.5 * z**2 - 0.5 * _LOG_2PI)
    return deviation * (z * scipy.special.ndtr(z) + density)


class GaussianProcessSearcher(BaseSearcher):
    """Proposes the candidates with the highest expected improvement.

    Points are uniform until 8 rewards are observed. Rounds may overlap, because
    pending points have fantasy values. A point is repeated only if too
    few other candidates are left.

    Args:
        space: the search space.
        seed: the seed of all draws. The draws of a round depend on the seed and
            the number of the round.
    """

    def __init__(self, space: SearchSpace, *, seed: int = 0) -> None:
        super().__init__(space, seed=seed)
        self._points: list[Tokens] = []
        self._rewards: list[float] = []
        self._pending: collections.Counter[Tokens] = collections.Counter()

    def _propose(self, num: int) -> list[Tokens]:
        generator = self._round_generator()
        if len(self._points) < _NUM_INITIAL:
            points = draw_points(self._space, num, generator)
        else:
            with one_blas_thread():
                points = self._choose(num, generator)
        self._pending.update(points)
        return points

    def _learn(self, points: list[Tokens], values: list[float]) -> None:
        self._points += points
        self._rewards += values
        self._pending -= collections.Counter(points)

    def _choose(self, num: int, generator: np.random.Generator) -> list[Tokens]:
        """Chooses `num` points by expected improvement."""
        rewards = np.array(self._rewards)
        deviation = float(rewards.std())
        values = (rewards - rewards.mean()) / (deviation or 1.0)
        process = HammingProcess(np.array(self._points), values)
        best = float(process.predict(np.array(self._points))[0].max())
        for point in self._pending.elements():
            best = max(best, process.add_fantasy(np.array(point)))
        candidates = self._candidates(num, generator)
        table = np.array(candidates)
        left = np.ones(len(candidates), bool)
        chosen = []
        for _ in range(num):
            gain = expected_improvement(*process.predict(table), best)
            index = int(np.argmax(np.where(left, gain, -np.inf)))
            # If fewer than `num` candidates exist, the last one is repeated.
            left[index] = left.sum() == 1
            chosen.append(candidates[index])
            best = max(best, process.add_fantasy(table[index]))
        return chosen

    def _candidates(
        self, num: int, generator: np.random.Generator
    ) -> list[Tokens]:
        means = self._observed.means()
        best = sorted(means, key=means.__getitem__, reverse=True)[:_NUM_BEST]
        points = [
            neighbor
            for point in best
            for neighbor in neighbors(self._space, point)
        ]
        points += [
            mutate(self._space, point, generator, num_mutations=2)
            for point in best
            for _ in range(_NUM_DOUBLE)
        ]
        points += draw_points(self._space, _NUM_RANDOM, generator)
        distinct = list(dict.fromkeys(points))
        new = [
            point
            for point in distinct
            if point not in means and point not in self._pending
        ]
        return new if len(new) >= num else distinct
