"""Weights of a functional ANOVA, for marginal means and for effects.

A weight row, (C,), has one distribution per decision, over the choices of this
decision; C is the number of choices of all decisions together.
`RewardModel.averages` takes such rows and returns one average of the reward per
row. Effects are linear combinations of these averages. The average over the
whole space comes first, then one average per choice, then all other averages.
"""

import numpy as np
import numpy.typing as npt

from audiotag_nas.space import SearchSpace

Array = npt.NDArray[np.float64]


class MarginalWeights:
    """Weight rows and effect coefficients of one search space.

    Attributes:
        choices_of: for each decision, the slice of its choices in a row.
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
        """Returns the row of the whole space, (1, C)."""
        return self._uniform[None].copy()

    def choice_rows(self) -> Array:
        """Returns one row per choice, (C, C), uniform in other decisions."""
        rows = np.tile(self._uniform, (len(self._uniform), 1))
        for at in self.choices_of:
            rows[at, at] = np.eye(at.stop - at.start)
        return rows

    def shape(self, first: int, second: int) -> tuple[int, int]:
        """Returns the numbers of choices of two decisions."""
        one, two = self.choices_of[first], self.choices_of[second]
        return one.stop - one.start, two.stop - two.start

    def pair_rows(
        self, first: int, second: int, *, max_choices: int | None = None
    ) -> Array:
        """Returns one row per combination of two choices, (n m, C).

        Args:
            first, second: the decisions, with n and m choices. The choice of
                `second` varies fastest.
            max_choices: the maximum number of used choices of each decision.
                These choices are evenly spaced. None uses all choices.
        """
        one, two = self.choices_of[first], self.choices_of[second]
        left, right = (
            np.eye(size)[_evenly_spaced(size, max_choices or size)]
            for size in self.shape(first, second)
        )
        rows = np.tile(self._uniform, (len(left) * len(right), 1))
        rows[:, one] = np.repeat(left, len(right), axis=0)
        rows[:, two] = np.tile(right, (len(left), 1))
        return rows

    def one_hot(self, points: npt.NDArray) -> Array:
        """Returns one row per point, (points, C)."""
        rows = np.zeros((len(points), len(self._uniform)))
        first = np.array([at.start for at in self.choices_of])
        rows[np.arange(len(points))[:, None], points + first] = 1.0
        return rows

    def main_effects(self, num_averages: int) -> Array:
        """Returns the coefficients of all main effects, (C, averages)."""
        coefficients = np.zeros((len(self._uniform), num_averages))
        coefficients[:, 0] = -1.0
        coefficients[:, 1 : 1 + len(self._uniform)] = np.eye(len(self._uniform))
        return coefficients

    def pair_effects(
        self, pair: tuple[int, int], start: int, num_averages: int
    ) -> tuple[Array, Array]:
        """Returns coefficients of a pair's joint effect and interaction.

        Args:
            pair: the decisions, with n and m choices.
            start: the index of the pair's first average.
            num_averages: the number of all averages.

        Returns:
            The coefficients of joint effect and interaction, (n m, averages).
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


def _evenly_spaced(size: int, most: int) -> npt.NDArray[np.int64]:
    """Returns at most `most` evenly spaced tokens from 0 to `size` - 1."""
    if size <= most:
        return np.arange(size)
    return np.linspace(0, size - 1, most).round().astype(np.int64)
