"""The kernel of the reward model, and the gradient of its log posterior.

The similarity of choices i and j of decision d, which has n_d choices, is

    s_d = exp(-l_d),  l_d = nominal_d [i != j]                     (unordered)
                      l_d = 0.3 nominal_d [i != j]
                            + 3 ordinal_d ((i - j) / (n_d - 1))^2  (ordinal)

where [i != j] is 1 if the choices differ, else 0. For D decisions the kernel is

    k(x, y) = main / D sum_d s_d + pairs / (D choose 2) sum_{d<e} s_d s_e
              + triples / (D choose 3) sum_{d<e<f} s_d s_e s_f
              + joint prod_d s_d^decay + nugget [x = y]

The first three terms model main effects, pairs and triples of decisions
(additive Gaussian processes, Duvenaud et al., NeurIPS 2011). The joint term
makes points similar if all of their choices are similar. The nugget models the
part of a point's reward that no other point shares. The sums over pairs and
triples follow from power sums of s_d (Newton's identities). If a decision has
no effect, a fit makes l_d small, so that s_d is near 1.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.linalg import cholesky, solve_triangular

from audiotag_nas.space import SearchSpace

Array = npt.NDArray[np.float64]
Tables = tuple[Array, Array, Array]
"""For pairs of choices: the nominal and the ordinal part of l_d, and s_d."""

JITTER = 1e-6
NOT_POSITIVE = 1e10
"""The negative log posterior if the covariance is not positive definite."""
MEAN_VARIANCE = 4.0  # prior variance of the constant mean
ORDINAL_NOMINAL, ORDINAL_SQUARE = 0.3, 3.0
# Log-normal priors: (median, standard deviation of the logarithm). With more
# decisions, each one changes the reward less, so points can be similar even if
# many decisions differ. The median of `decay` therefore falls with the square
# of the number of decisions (this project's choice, from fits to whole spaces).
_LENGTH_PRIOR = (0.3, 0.8)
_DECAY_DECISIONS = 5.0  # in larger spaces, the median of `decay` is below 1
SCALES = ("decay", "main", "pairs", "triples", "joint", "nugget", "noise")
PARTS = SCALES[1:-1]
_SCALE_PRIORS = {
    "main": (0.5, 1.0),
    "pairs": (0.25, 1.0),
    "triples": (0.1, 1.0),
    "joint": (0.7, 1.0),
    "nugget": (0.05, 1.0),
    "noise": (0.1, 1.5),
}


@dataclasses.dataclass(frozen=True)
class ObservedMeans:
    """Statistics of the rewards of n points: the data of a fit.

    Attributes:
        rows: (n, ...), the points, encoded by `TokenKernel.rows`.
        means: (n,), the mean reward of each point.
        counts: (n,), the number of rewards of each point.
        squares_within: the sum of the squared differences between each reward
            and the mean reward of its point.
    """

    rows: npt.NDArray
    means: Array
    counts: Array
    squares_within: float


@dataclasses.dataclass(frozen=True)
class Terms:
    """Terms of a kernel matrix; arrays from `length` on are (left, right)."""

    tables: Tables
    length: Array
    total: Array
    decay: float
    main: float
    pairs: float
    pair_sum: Array
    triples: float
    triple_sum: Array
    joint: Array

    @property
    def kernel(self) -> Array:
        return (
            self.main * self.total
            + self.pairs * self.pair_sum
            + self.triples * self.triple_sum
            + self.joint
        )


class TokenKernel:
    """The kernel, computed from tables of all pairs of choices.

    Each decision has a table with one entry per pair of its choices. Every term
    of the kernel is a function of sums of table entries over the decisions. Let
    H be the one-hot points, (points, C), where C is the number of all choices
    of all decisions, and T the block-diagonal matrix of all tables. The sums
    are then H T H'. If G is their gradient, the gradient of T is H' G H.

    The vector theta has the logarithms of the hyperparameters: one nominal
    length per decision, one ordinal length per ordinal decision, and `SCALES`.

    Attributes:
        parts: the names of the terms for which the space has enough decisions.
    """

    def __init__(self, space: SearchSpace) -> None:
        sizes = np.array(space.num_choices)
        self._first = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        self._decision = np.repeat(np.arange(len(sizes)), sizes)
        self._num = len(sizes)
        self._num_pairs = max(math.comb(self._num, 2), 1)
        self._num_triples = max(math.comb(self._num, 3), 1)
        absent = {"pairs": self._num < 2, "triples": self._num < 3}
        self.parts = tuple(p for p in PARTS if not absent.get(p))
        is_ordinal = [
            bool(d.ordinal) and len(d.choices) > 2 for d in space.decisions
        ]
        self._is_ordinal = np.array(is_ordinal)
        self._build_tables(sizes, is_ordinal)
        num_lengths = self._num + int(self._is_ordinal.sum())
        priors = [_LENGTH_PRIOR] * num_lengths
        decay = min(1.0, (_DECAY_DECISIONS / self._num) ** 2)
        priors.append((decay, 1.0))
        priors += [_SCALE_PRIORS[name] for name in SCALES[1:]]
        medians, deviations = zip(*priors, strict=True)
        self.prior_mean = np.log(medians)
        self._prior_deviation = np.array(deviations)

    def _build_tables(
        self, sizes: npt.NDArray[np.int64], is_ordinal: Sequence[bool]
    ) -> None:
        """Builds the factor tables of nominal_d and ordinal_d, (C, C) each."""
        num_choices = int(sizes.sum())
        self._block, self._nominal, self._ordinal = np.zeros(
            (3, num_choices, num_choices)
        )
        for size, first, ordinal in zip(
            sizes, self._first, is_ordinal, strict=True
        ):
            block = slice(first, first + size), slice(first, first + size)
            self._block[block] = 1.0
            self._nominal[block] = 1.0 - np.eye(size)
            if ordinal:
                steps = np.subtract.outer(np.arange(size), np.arange(size))
                self._nominal[block] *= ORDINAL_NOMINAL
                self._ordinal[block] = (
                    ORDINAL_SQUARE * (steps / (size - 1)) ** 2
                )

    def rows(self, points: npt.NDArray[np.int64]) -> npt.NDArray:
        """Encodes points for the other methods, one row per point."""
        return self.one_hot(points)

    def one_hot(self, points: npt.NDArray[np.int64]) -> Array:
        """Encodes points as one-hot rows, (points, C)."""
        rows = np.zeros((len(points), len(self._decision)))
        rows[np.arange(len(points))[:, None], points + self._first] = 1.0
        return rows

    def matrix(
        self, theta: Array, left: npt.NDArray, right: npt.NDArray
    ) -> Array:
        """Returns k without the nugget, (left, right)."""
        return self._terms(theta, left, right).kernel

    def average(self, theta: Array, left: Array, right: Array) -> Array:
        """Returns averages of k without the nugget, (left, right).

        The choices of different decisions are independent, so the average of a
        product is the product of the averages. For one-hot rows, `matrix`
        returns the same.

        Args:
            theta: the logarithms of the hyperparameters.
            left, right: (rows, C); a row is one distribution per decision.
        """
        decay, main, pairs, triples, joint = np.exp(theta[-len(SCALES) : -2])
        tables = self._choice_tables(theta)
        total, squares, cubes = np.zeros((3, len(left), len(right)))
        product = np.ones_like(total)
        for decision in range(self._num):
            at = np.flatnonzero(self._decision == decision)
            table = tables[decision]
            mean = left[:, at] @ table @ right[:, at].T
            total += mean
            squares += mean**2
            cubes += mean**3
            product *= left[:, at] @ table**decay @ right[:, at].T
        return (
            main / self._num * total
            + pairs / self._num_pairs * 0.5 * (total**2 - squares)
            + triples
            / self._num_triples
            * (total**3 - 3 * total * squares + 2 * cubes)
            / 6
            + joint * product
        )

    def negative_log_posterior(
        self, theta: Array, data: ObservedMeans
    ) -> tuple[float, Array]:
        """Returns -log p(theta | data) up to a constant, and its gradient."""
        terms = self._terms(theta, data.rows, data.rows)
        nugget, noise = np.exp(theta[-2:])
        num = len(data.means)
        diagonal = nugget + noise / data.counts + JITTER
        try:
            factor = cholesky(
                terms.kernel + np.diag(diagonal), lower=True, check_finite=False
            )
        except np.linalg.LinAlgError:
            return NOT_POSITIVE, np.zeros_like(theta)
        inverse_factor = solve_triangular(
            factor, np.eye(num), lower=True, check_finite=False
        )
        inverse = inverse_factor.T @ inverse_factor
        column = inverse.sum(axis=1)
        mean = (column @ data.means) / (column.sum() + 1 / MEAN_VARIANCE)
        residuals = data.means - mean
        weights = inverse @ residuals
        repeats = data.counts.sum() - num
        value = (
            0.5 * residuals @ weights
            + np.log(np.diag(factor)).sum()
            + 0.5 * mean**2 / MEAN_VARIANCE
            + 0.5 * repeats * np.log(noise)
            + 0.5 * data.squares_within / noise
        )
        kernel_gradient = 0.5 * (inverse - np.outer(weights, weights))
        gradient = np.zeros_like(theta)
        self._set_gradient(gradient, terms, kernel_gradient, data.rows)
        diagonal_gradient = np.diag(kernel_gradient)
        gradient[-2] = nugget * diagonal_gradient.sum()
        gradient[-1] = (
            noise * np.sum(diagonal_gradient / data.counts)
            + 0.5 * repeats
            - 0.5 * data.squares_within / noise
        )
        distance = (theta - self.prior_mean) / self._prior_deviation
        value += 0.5 * distance @ distance
        return float(value), gradient + distance / self._prior_deviation

    def _tables(self, theta: Array) -> Tables:
        """Returns both parts of l_d, and s_d, for all pairs of choices."""
        num_scales = len(SCALES)
        ordinal_factors = np.zeros(self._num)
        ordinal_factors[self._is_ordinal] = np.exp(
            theta[self._num : -num_scales]
        )
        nominal = (
            np.exp(theta[: self._num])[self._decision][:, None] * self._nominal
        )
        ordinal = ordinal_factors[self._decision][:, None] * self._ordinal
        similarity = np.exp(-nominal - ordinal) * self._block
        return nominal, ordinal, similarity

    def _choice_tables(self, theta: Array) -> list[Array]:
        """Returns a table of similarities for each decision, (n_d, n_d)."""
        similarity = self._tables(theta)[2]
        rows = [np.flatnonzero(self._decision == d) for d in range(self._num)]
        return [similarity[np.ix_(at, at)] for at in rows]

    def _terms(
        self, theta: Array, left: npt.NDArray, right: npt.NDArray
    ) -> Terms:
        tables = self._tables(theta)
        length, total, squares, cubes = self._sums(tables, left, right)
        decay, main, pairs, triples, joint = np.exp(theta[-len(SCALES) : -2])
        return Terms(
            tables=tables,
            length=length,
            total=total,
            decay=decay,
            main=main / self._num,
            pairs=pairs / self._num_pairs,
            pair_sum=0.5 * (total**2 - squares),
            triples=triples / self._num_triples,
            triple_sum=(total**3 - 3 * total * squares + 2 * cubes) / 6,
            joint=joint * np.exp(-decay * length),
        )

    def _sums(
        self, tables: Tables, left: npt.NDArray, right: npt.NDArray
    ) -> tuple[Array, Array, Array, Array]:
        """Returns the sums of l_d, s_d, s_d^2 and s_d^3 over the decisions."""
        nominal, ordinal, similarity = tables
        return (
            left @ (nominal + ordinal) @ right.T,
            left @ similarity @ right.T,
            left @ similarity**2 @ right.T,
            left @ similarity**3 @ right.T,
        )

    def _set_gradient(
        self,
        gradient: Array,
        terms: Terms,
        kernel_gradient: Array,
        rows: npt.NDArray,
    ) -> None:
        """Sets all entries of `gradient` except those of nugget and noise."""
        joint_gradient = kernel_gradient * terms.joint
        num_scales = len(SCALES)
        nominal, ordinal = self._length_gradients(terms, kernel_gradient, rows)
        gradient[: self._num] = nominal
        gradient[self._num : -num_scales] = ordinal[self._is_ordinal]
        gradient[-num_scales:-2] = (
            -terms.decay * np.sum(joint_gradient * terms.length),
            terms.main * np.sum(kernel_gradient * terms.total),
            terms.pairs * np.sum(kernel_gradient * terms.pair_sum),
            terms.triples * np.sum(kernel_gradient * terms.triple_sum),
            np.sum(joint_gradient),
        )

    def _length_gradients(
        self, terms: Terms, kernel_gradient: Array, rows: npt.NDArray
    ) -> tuple[Array, Array]:
        """Returns the gradients of nominal and ordinal lengths, (D,) each."""

        def table_gradient(values: Array) -> Array:
            return rows.T @ values @ rows

        nominal, ordinal, similarity = terms.tables
        length_gradient = (
            -terms.decay * table_gradient(kernel_gradient * terms.joint)
            - similarity
            * table_gradient(
                kernel_gradient
                * (
                    terms.main
                    + terms.pairs * terms.total
                    + terms.triples * terms.pair_sum
                )
            )
            + similarity**2
            * table_gradient(
                kernel_gradient * (terms.pairs + terms.triples * terms.total)
            )
            - similarity**3 * table_gradient(kernel_gradient * terms.triples)
        )

        def sum_by_decision(table: Array) -> Array:
            by_choice = (length_gradient * table).sum(axis=1)
            sums = np.bincount(self._decision, by_choice, self._num)
            return np.asarray(sums, float)

        return sum_by_decision(nominal), sum_by_decision(ordinal)
