"""The kernel of the reward model over tokens, and its posterior's gradient.

With the likeness of two choices of decision d

    s_d = exp(-l_d),  l_d = nominal_d [i != j]                     (unordered)
                      l_d = 0.3 nominal_d [i != j]
                            + 3 ordinal_d ((i - j) / (n_d - 1))^2  (in order)

it is, for D decisions,

    k(x, y) = main / D sum_d s_d + pairs / (D choose 2) sum_{d<e} s_d s_e
              + triples / (D choose 3) sum_{d<e<f} s_d s_e s_f
              + joint prod_d s_d^decay + own [x = y]

main effects, pairs, triples, whole neighborhoods, and what only this very
point has (additive Gaussian processes, Duvenaud et al., NeurIPS 2011). The
sums come from the power sums of s_d by Newton's identities. A decision that
does not matter gets a small l_d and drops out of all terms.
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
"""Both lengths, and the likeness, of any two choices."""

JITTER = 1e-6
NOT_POSITIVE = 1e10
"""The negative log posterior where the covariance can't be factorized."""
MEAN_VARIANCE = 4.0  # of the constant mean's prior
ORDINAL_NOMINAL, ORDINAL_SQUARE = 0.3, 3.0
# Priors: medians, and deviations of the logarithm. The joint term's decay falls
# with the square of the number of decisions: the more there are, the less a
# single one changes, and the further the likeness of whole networks reaches.
# Searches that knew a space's own scales from the start showed this ([own]).
_LENGTH_PRIOR = (0.3, 0.8)
_DECAY_DECISIONS = 5.0  # from so many on, decay shrinks with the square
SCALES = ("decay", "main", "pairs", "triples", "joint", "own", "noise")
PARTS = ("main", "pairs", "triples", "joint", "own")
_SCALE_PRIORS = {
    "main": (0.5, 1.0),
    "pairs": (0.25, 1.0),
    "triples": (0.1, 1.0),
    "joint": (0.7, 1.0),
    "own": (0.05, 1.0),
    "noise": (0.1, 1.5),
}


@dataclasses.dataclass(frozen=True)
class LearnedMeans:
    """What a fit needs; n points, C choices.

    Attributes:
        rows: (n, ...), the points as `TokenKernel.rows` has them.
        means: (n,), the mean reward of each.
        counts: (n,), rewards of each.
        squares_within: sum of squares of the rewards about their means.
    """

    rows: npt.NDArray
    means: Array
    counts: Array
    squares_within: float


class TokenKernel:
    """The kernel and its posterior's gradient.

    Every term is a function of sums over decisions of a table's entry for two
    choices; with points as one-hot rows H and the tables as one block-diagonal
    matrix T these are the products H T H', and the gradient by the tables is
    H' G H. The hyperparameters theta are logarithms: one nominal length a
    decision, one ordinal length for each that is in order, and `SCALES`.

    Attributes:
        parts: the terms there are; one decision makes no pairs.
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
        in_order = [
            bool(d.ordinal) and len(d.choices) > 2 for d in space.decisions
        ]
        self._in_order = np.array(in_order)
        self._build_tables(sizes, in_order)
        num_lengths = self._num + int(self._in_order.sum())
        priors = [_LENGTH_PRIOR] * num_lengths
        decay = min(1.0, (_DECAY_DECISIONS / self._num) ** 2)
        priors.append((decay, 1.0))
        priors += [_SCALE_PRIORS[name] for name in SCALES[1:]]
        medians, deviations = zip(*priors, strict=True)
        self.prior_mean = np.log(medians)
        self._prior_deviation = np.array(deviations)

    def _build_tables(
        self, sizes: npt.NDArray[np.int64], in_order: Sequence[bool]
    ) -> None:
        """How far apart any two choices are, before their lengths."""
        num_choices = int(sizes.sum())
        self._block, self._nominal, self._ordinal = np.zeros(
            (3, num_choices, num_choices)
        )
        for size, first, ordered in zip(
            sizes, self._first, in_order, strict=True
        ):
            block = slice(first, first + size), slice(first, first + size)
            self._block[block] = 1.0
            self._nominal[block] = 1.0 - np.eye(size)
            if ordered:
                steps = np.subtract.outer(np.arange(size), np.arange(size))
                self._nominal[block] *= ORDINAL_NOMINAL
                self._ordinal[block] = (
                    ORDINAL_SQUARE * (steps / (size - 1)) ** 2
                )

    def rows(self, points: npt.NDArray[np.int64]) -> npt.NDArray:
        """Points as the other methods take them, a row each."""
        return self.one_hot(points)

    def one_hot(self, points: npt.NDArray[np.int64]) -> Array:
        """Points as distributions over choices, (points, C)."""
        rows = np.zeros((len(points), len(self._decision)))
        rows[np.arange(len(points))[:, None], points + self._first] = 1.0
        return rows

    def of(self, theta: Array, left: npt.NDArray, right: npt.NDArray) -> Array:
        """k without the points' own term, (left, right)."""
        terms = self._terms(theta, left, right)
        return terms.kernel

    def average(self, theta: Array, left: Array, right: Array) -> Array:
        """k without the points' own term, averaged, (left, right).

        A decision's choices on the left and on the right are independent of
        the other decisions', so that products average one by one. For rows
        of one choice a decision this is `of`.

        Args:
            theta: the hyperparameters' logarithms.
            left, right: (rows, C), a distribution for each decision.
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
        self, theta: Array, data: LearnedMeans
    ) -> tuple[float, Array]:
        """Of the hyperparameters, and its gradient."""
        terms = self._terms(theta, data.rows, data.rows)
        own, noise = np.exp(theta[-2:])
        num = len(data.means)
        diagonal = own + noise / data.counts + JITTER
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
        by_kernel = 0.5 * (inverse - np.outer(weights, weights))
        gradient = np.zeros_like(theta)
        self._add_gradient(gradient, terms, by_kernel, data.rows)
        by_diagonal = np.diag(by_kernel)
        gradient[-2] = own * by_diagonal.sum()
        gradient[-1] = (
            noise * np.sum(by_diagonal / data.counts)
            + 0.5 * repeats
            - 0.5 * data.squares_within / noise
        )
        distance = (theta - self.prior_mean) / self._prior_deviation
        value += 0.5 * distance @ distance
        return float(value), gradient + distance / self._prior_deviation

    def _tables(self, theta: Array) -> Tables:
        """Both lengths and the likeness of any two choices, (C, C) each."""
        num_scales = len(SCALES)
        ordinal = np.zeros(self._num)
        ordinal[self._in_order] = np.exp(theta[self._num : -num_scales])
        by_nominal = (
            np.exp(theta[: self._num])[self._decision][:, None] * self._nominal
        )
        by_ordinal = ordinal[self._decision][:, None] * self._ordinal
        likeness = np.exp(-by_nominal - by_ordinal) * self._block
        return by_nominal, by_ordinal, likeness

    def _choice_tables(self, theta: Array) -> list[Array]:
        """The likeness of a decision's choices, (n_d, n_d) each."""
        likeness = self._tables(theta)[2]
        places = [
            np.flatnonzero(self._decision == decision)
            for decision in range(self._num)
        ]
        return [likeness[np.ix_(at, at)] for at in places]

    def _terms(
        self, theta: Array, left: npt.NDArray, right: npt.NDArray
    ) -> "Terms":
        tables = self._tables(theta)
        return self._combined(theta, tables, *self._sums(tables, left, right))

    def _sums(
        self, tables: Tables, left: npt.NDArray, right: npt.NDArray
    ) -> tuple[Array, Array, Array, Array]:
        """Over decisions, of lengths and powers of likeness, (left, right)."""
        by_nominal, by_ordinal, likeness = tables
        return (
            left @ (by_nominal + by_ordinal) @ right.T,
            left @ likeness @ right.T,
            left @ likeness**2 @ right.T,
            left @ likeness**3 @ right.T,
        )

    def _combined(
        self,
        theta: Array,
        tables: Tables,
        length: Array,
        total: Array,
        squares: Array,
        cubes: Array,
    ) -> "Terms":
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

    def _add_gradient(
        self,
        gradient: Array,
        terms: "Terms",
        by_kernel: Array,
        rows: npt.NDArray,
    ) -> None:
        """By the lengths, and by the scales of the kernel's first terms."""
        by_joint = by_kernel * terms.joint
        num_scales = len(SCALES)
        by_nominal, by_ordinal = self._by_lengths(terms, by_kernel, rows)
        gradient[: self._num] = by_nominal
        gradient[self._num : -num_scales] = by_ordinal[self._in_order]
        gradient[-num_scales:-2] = (
            -terms.decay * np.sum(by_joint * terms.length),
            terms.main * np.sum(by_kernel * terms.total),
            terms.pairs * np.sum(by_kernel * terms.pair_sum),
            terms.triples * np.sum(by_kernel * terms.triple_sum),
            np.sum(by_joint),
        )

    def _by_lengths(
        self, terms: "Terms", by_kernel: Array, rows: npt.NDArray
    ) -> tuple[Array, Array]:
        """The gradient by nominal and ordinal lengths, (decisions,) each."""

        def by_table(values: Array) -> Array:
            return rows.T @ values @ rows

        by_nominal, by_ordinal, likeness = terms.tables
        by_length = (
            -terms.decay * by_table(by_kernel * terms.joint)
            - likeness
            * by_table(
                by_kernel
                * (
                    terms.main
                    + terms.pairs * terms.total
                    + terms.triples * terms.pair_sum
                )
            )
            + likeness**2
            * by_table(by_kernel * (terms.pairs + terms.triples * terms.total))
            - likeness**3 * by_table(by_kernel * terms.triples)
        )

        def by_decision(table: Array) -> Array:
            by_choice = (by_length * table).sum(axis=1)
            sums = np.bincount(self._decision, by_choice, self._num)
            return np.asarray(sums, float)

        return by_decision(by_nominal), by_decision(by_ordinal)


@dataclasses.dataclass(frozen=True)
class Terms:
    """A kernel's parts: tables, sums (left, right), scaled weights."""

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
