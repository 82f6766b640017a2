"""The reward model's kernel where decisions have hundreds of choices.

`TokenKernel` looks up any two choices in tables of (all choices)^2 numbers.
How much alike two choices of a decision are depends only on how far apart
they stand, so one number a distance says the same: rows are the tokens
themselves, and the cost grows with the points and decisions, not with the
choices. For few choices the tables are quicker.
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

WIDE_CHOICES = 400
"""Choices of all decisions from which a space is wide."""


def make_kernel(space: SearchSpace) -> TokenKernel:
    """The kernel that is the quicker one for `space`."""
    is_wide = sum(space.num_choices) >= WIDE_CHOICES
    return WideTokenKernel(space) if is_wide else TokenKernel(space)


class WideTokenKernel(TokenKernel):
    """The same kernel by distances; tables are (decisions, most choices)."""

    def rows(self, points: npt.NDArray[np.int64]) -> npt.NDArray:
        return np.asarray(points, np.int64)

    def _build_tables(
        self, sizes: npt.NDArray[np.int64], in_order: Sequence[bool]
    ) -> None:
        self._sizes = sizes
        steps = np.arange(sizes.max())
        ordered = np.array(in_order)[:, None]
        shares = steps / np.maximum(sizes - 1, 1)[:, None]
        differs = np.tile((steps > 0).astype(float), (len(sizes), 1))
        self._nominal = differs * np.where(ordered, ORDINAL_NOMINAL, 1.0)
        self._ordinal = np.where(ordered, ORDINAL_SQUARE * shares**2, 0.0)

    def _tables(self, theta: Array) -> Tables:
        ordinal = np.zeros(self._num)
        ordinal[self._in_order] = np.exp(theta[self._num : -len(SCALES)])
        by_nominal = np.exp(theta[: self._num])[:, None] * self._nominal
        by_ordinal = ordinal[:, None] * self._ordinal
        return by_nominal, by_ordinal, np.exp(-by_nominal - by_ordinal)

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
        by_nominal, by_ordinal, likeness = tables
        lengths = by_nominal + by_ordinal
        length, total, squares, cubes = np.zeros((4, len(left), len(right)))
        for decision, steps in enumerate(_distances(left, right)):
            length += lengths[decision][steps]
            alike = likeness[decision][steps]
            total += alike
            power = alike**2
            squares += power
            power *= alike
            cubes += power
        return length, total, squares, cubes

    def _by_lengths(
        self, terms: Terms, by_kernel: Array, rows: npt.NDArray
    ) -> tuple[Array, Array]:
        by_nominal, by_ordinal, likeness = terms.tables
        by_joint = -terms.decay * by_kernel * terms.joint
        first = by_kernel * (
            terms.main
            + terms.pairs * terms.total
            + terms.triples * terms.pair_sum
        )
        second = by_kernel * (terms.pairs + terms.triples * terms.total)
        third = by_kernel * terms.triples
        gradients = np.zeros((2, self._num))
        for decision, steps in enumerate(_distances(rows, rows)):
            alike = likeness[decision][steps]
            by_length = by_joint - alike * (
                first - alike * (second - alike * third)
            )
            gradients[0, decision] = np.sum(
                by_length * by_nominal[decision][steps]
            )
            gradients[1, decision] = np.sum(
                by_length * by_ordinal[decision][steps]
            )
        return gradients[0], gradients[1]


def _distances(
    left: npt.NDArray, right: npt.NDArray
) -> Iterator[npt.NDArray[np.int64]]:
    """How far apart the tokens are, (left, right), a decision at a time."""
    for one, other in zip(left.T, right.T, strict=True):
        yield np.abs(np.subtract.outer(one, other))
