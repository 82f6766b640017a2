"""Which averages over a space an importance is made of, and how.

A row of weights has a distribution over the choices of each decision, (C,)
together: what `RewardModel.averages` takes. Effects are combinations of such
averages, that of the whole space first, then each choice, then others.
"""

import numpy as np
import numpy.typing as npt

from audiotag_nas.space import SearchSpace

Array = npt.NDArray[np.float64]


class AverageRows:
    """Rows of weights over all decisions' choices for `averages`.

    Attributes:
        choices_of: of each decision, where its choices are in a row.
    """

    def __init__(self, space: SearchSpace) -> None:
        ends = np.cumsum(space.num_choices)
        self.choices_of = [
            slice(int(end) - size, int(end))
            for end, size in zip(ends, space.num_choices, strict=True)
        ]
        self._uniform = np.concatenate(
            [np.full(size, 1.0 / size) for size in space.num_choices]
        )

    def whole_row(self) -> Array:
        """(1, C): the average of the whole space."""
        return self._uniform[None].copy()

    def choice_rows(self) -> Array:
        """(C, C): a row a choice, all else uniform."""
        rows = np.tile(self._uniform, (len(self._uniform), 1))
        for at in self.choices_of:
            rows[at, at] = np.eye(at.stop - at.start)
        return rows

    def shape(self, first: int, second: int) -> tuple[int, int]:
        """The numbers of choices of two decisions."""
        one, two = self.choices_of[first], self.choices_of[second]
        return one.stop - one.start, two.stop - two.start

    def pair_rows(
        self, first: int, second: int, *, most: int | None = None
    ) -> Array:
        """(n m, C): a row a combination, the second varying fastest.

        Args:
            first, second: the decisions.
            most: choices of each, evenly spread, where there are more.
        """
        one, two = self.choices_of[first], self.choices_of[second]
        left, right = (
            np.eye(size)[_spread(size, most or size)]
            for size in self.shape(first, second)
        )
        rows = np.tile(self._uniform, (len(left) * len(right), 1))
        rows[:, one] = np.repeat(left, len(right), axis=0)
        rows[:, two] = np.tile(right, (len(left), 1))
        return rows

    def one_hot(self, points: npt.NDArray) -> Array:
        """(points, C)."""
        rows = np.zeros((len(points), len(self._uniform)))
        first = np.array([at.start for at in self.choices_of])
        rows[np.arange(len(points))[:, None], points + first] = 1.0
        return rows

    def main_effects(self, num_averages: int) -> Array:
        """(C, averages): each choice's average less that of all."""
        to_effect = np.zeros((len(self._uniform), num_averages))
        to_effect[:, 0] = -1.0
        to_effect[:, 1 : 1 + len(self._uniform)] = np.eye(len(self._uniform))
        return to_effect

    def pair_effects(
        self, pair: tuple[int, int], start: int, num_averages: int
    ) -> tuple[Array, Array]:
        """Joint effect and interaction as combinations of averages.

        Args:
            pair: the decisions.
            start: where the averages of the pair begin.
            num_averages: the whole space, all choices, and others.

        Returns:
            (n m, averages) each.
        """
        one, two = (self.choices_of[decision] for decision in pair)
        n, m = self.shape(*pair)
        joint = np.zeros((n * m, num_averages))
        joint[:, start : start + n * m] = np.eye(n * m)
        joint[:, 0] = -1.0
        interaction = joint.copy()
        interaction[:, 0] += 2.0
        interaction[:, 1:][:, one] -= np.repeat(np.eye(n), m, axis=0)
        interaction[:, 1:][:, two] -= np.tile(np.eye(m), (n, 1))
        return joint, interaction


def _spread(size: int, most: int) -> npt.NDArray[np.int64]:
    """At most so many of `size` choices, from the first to the last."""
    if size <= most:
        return np.arange(size)
    return np.linspace(0, size - 1, most).round().astype(np.int64)
