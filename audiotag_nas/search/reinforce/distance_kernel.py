"""The kernel of the reward model for spaces with hundreds of choices.

`TokenKernel` stores one-hot rows, and tables of all pairs of choices. For eight
keras-tuner hyperparameters with 256 values each, the rows and tables take more
than a gigabyte per round. The similarity of two choices depends only on the
distance between their tokens. `DistanceKernel` stores one number per distance,
which takes megabytes. If there are few choices, `TokenKernel` is faster.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from audiotag_nas.search.reinforce.kernel import (
    ORDINAL_NOMINAL,
    ORDINAL_SQUARE,
    SCALES,
    Array,
    Tables,
    Terms,
    TokenKernel,
)
from audiotag_nas.space import SearchSpace

MIN_CHOICES = 400
"""`DistanceKernel` is used if a space has at least so many choices in all."""


def make_kernel(space: SearchSpace) -> TokenKernel:
    """Returns the kernel that suits the number of choices in `space`."""
    has_many_choices = sum(space.num_choices) >= MIN_CHOICES
    return DistanceKernel(space) if has_many_choices else TokenKernel(space)


class DistanceKernel(TokenKernel):
    """A kernel whose tables have one entry per distance between two tokens."""

    def rows(self, points: npt.NDArray[np.int64]) -> npt.NDArray:
        return np.asarray(points, np.int64)

    def _build_tables(
        self, sizes: npt.NDArray[np.int64], is_ordinal: Sequence[bool]
    ) -> None:
        self._sizes = sizes
        steps = np.arange(sizes.max())
        ordered = np.array(is_ordinal)[:, None]
        shares = steps / np.maximum(sizes - 1, 1)[:, None]
        differs = np.tile((steps > 0).astype(float), (len(sizes), 1))
        self._nominal = differs * np.where(ordered, ORDINAL_NOMINAL, 1.0)
        self._ordinal = np.where(ordered, ORDINAL_SQUARE * shares**2, 0.0)

    def _tables(self, theta: Array) -> Tables:
        ordinal_factors = np.zeros(self._num)
        ordinal_factors[self._is_ordinal] = np.exp(
            theta[self._num : -len(SCALES)]
        )
        nominal = np.exp(theta[: self._num])[:, None] * self._nominal
        ordinal = ordinal_factors[:, None] * self._ordinal
        return nominal, ordinal, np.exp(-nominal - ordinal)

    def _choice_tables(self, theta: Array) -> list[Array]:
        return [
            row[np.abs(np.subtract.outer(np.arange(size), np.arange(size)))]
            for row, size in zip(
                self._tables(theta)[2], self._sizes, strict=True
            )
        ]

    def _sums(
        self, tables: Tables, left: npt.NDArray, right: npt.NDArray
    ) -> tuple[Array, Array, Array, Array]:
        nominal, ordinal, similarity = tables
        lengths = nominal + ordinal
        length, total, squares, cubes = np.zeros((4, len(left), len(right)))
        for decision, distances in enumerate(_distances(left, right)):
            length += lengths[decision][distances]
            similarities = similarity[decision][distances]
            total += similarities
            power = similarities**2
            squares += power
            power *= similarities
            cubes += power
        return length, total, squares, cubes

    def _length_gradients(
        self, terms: Terms, kernel_gradient: Array, rows: npt.NDArray
    ) -> tuple[Array, Array]:
        nominal, ordinal, similarity = terms.tables
        joint_gradient = -terms.decay * kernel_gradient * terms.joint
        first = kernel_gradient * (
            terms.main
            + terms.pairs * terms.total
            + terms.triples * terms.pair_sum
        )
        second = kernel_gradient * (terms.pairs + terms.triples * terms.total)
        third = kernel_gradient * terms.triples
        gradients = np.zeros((2, self._num))
        for decision, distances in enumerate(_distances(rows, rows)):
            similarities = similarity[decision][distances]
            length_gradient = joint_gradient - similarities * (
                first - similarities * (second - similarities * third)
            )
            gradients[0, decision] = np.sum(
                length_gradient * nominal[decision][distances]
            )
            gradients[1, decision] = np.sum(
                length_gradient * ordinal[decision][distances]
            )
        return gradients[0], gradients[1]


def _distances(
    left: npt.NDArray, right: npt.NDArray
) -> Iterator[npt.NDArray[np.int64]]:
    """Yields the distances between tokens for each decision, (left, right)."""
    for left_tokens, right_tokens in zip(left.T, right.T, strict=True):
        yield np.abs(np.subtract.outer(left_tokens, right_tokens))
