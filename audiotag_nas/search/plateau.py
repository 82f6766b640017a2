"""Plateaus: where what is searched for earns the same again, to the digit.

On a plateau a reward model promises in vain: what it has not seen beside good
choices may be better, and never is. The way off it may be far. In a deceptive
space (Deb and Goldberg, *Analyzing Deception in Trap Functions*, FOGA 1993)
choices that are the worst alone are the best together, and all that is learned
of single choices leads away from them. So searching there opposes what it has
learned (opposition-based learning, Tizhoosh, CIMCA 2005): it asks for the
network of all the choices that do worst on average, and for uniform points,
which tell ever more surely which those are ([own]).

Equal rewards mean this only where rewards have no noise and are fine. So
networks of a plateau are trained again, and where one earns something else
there was none; and all that is done on plateaus comes in bursts.
"""

import dataclasses
import itertools
from collections.abc import Collection, Iterable, Mapping

import numpy as np
import numpy.typing as npt

from audiotag_nas.search.average_rows import AverageRows
from audiotag_nas.search.first_points import balanced_points, without_repeats
from audiotag_nas.space import SearchSpace, Tokens

_NUM_LAST, _NUM_EQUAL = 6, 4
_NUM_LOWER = 3
_SAME = 1e-9  # as a share of the range of rewards
_COARSE = 4.0
_BURST, _BETWEEN = 24, 12
_PER_OPPOSITE = 4
_PER_REPEAT = 12
_MAX_DRAWS = 12
_RIDGE = 1.0

Rewards = Mapping[Tokens, list[float]]


@dataclasses.dataclass(frozen=True)
class Plateau:
    """Equal networks that searching has come to.

    Attributes:
        points: the networks, in the order told.
        best: the best reward told so far; that of the plateau, or above it.
        drop: how far below the plateau others are.
    """

    points: list[Tokens]
    best: float
    drop: float

    def is_one_still(self, rewards: Rewards) -> bool:
        """Whether nothing much better was found, nor any noise."""
        means = _means(rewards)
        is_left = np.max(means) > self.best + self.drop
        return not is_left and not _is_noisy(rewards, _tolerance(means))


def find_plateau(rewards: Rewards, searched: list[Tokens]) -> Plateau | None:
    """The plateau that searching has come to; None if it is on none.

    Four of the last six points searched for are equal. They are better than
    most that were drawn, lest failures count that are told one penalty. Fewer
    than three others are a little lower, as rewards go: where those are
    coarse, as a rate of errors over few clips, equal ones mean little. And no
    network may have earned two different rewards.

    Args:
        rewards: told so far.
        searched: those of them that were neither first points nor uniform
            nor probes, in order.
    """
    last = searched[-_NUM_LAST:]
    if len(last) < _NUM_EQUAL:
        return None
    means = _means(rewards)
    tolerance = _tolerance(means)
    if _is_noisy(rewards, tolerance):
        return None
    of_last = np.array([np.mean(rewards[point]) for point in last])
    same = np.sum(np.abs(of_last[:, None] - of_last) <= tolerance, axis=1)
    height = of_last[np.argmax(same)]
    found = set(searched)
    drawn = [np.mean(r) for point, r in rewards.items() if point not in found]
    typical = np.median(drawn) if drawn else np.median(means)
    if np.max(same) < _NUM_EQUAL or typical >= height - tolerance:
        return None
    steps = np.diff(np.sort(means))
    finest = float(np.min(steps[steps > tolerance]))
    lower = np.sort(means[means < height - tolerance])
    drop = float(height - lower[-min(_NUM_LOWER, len(lower))])
    if drop < _COARSE * finest:
        return None
    points = [
        point
        for point, mean in zip(rewards, means, strict=True)
        if abs(mean - height) <= tolerance
    ]
    return Plateau(points, float(np.max(means)), drop)


@dataclasses.dataclass(frozen=True)
class Probes:
    """What to ask for on a plateau.

    Attributes:
        repeats: points of the plateau, to be trained again.
        opposites: of the choices that do worst.
        uniform: drawn with every choice equally often.
    """

    repeats: list[Tokens]
    opposites: list[Tokens]
    uniform: list[Tokens]


class PlateauProbes:
    """Sees when searching is on a plateau, and draws what is asked for there.

    Args:
        space: what is searched.
    """

    def __init__(self, space: SearchSpace) -> None:
        self._space = space
        self._rows = AverageRows(space)
        self._plateau: Plateau | None = None
        self._before: set[Tokens] = set()  # told by the first plateau
        self._drawn: set[Tokens] = set()
        self._num_drawn = 0
        self._num_left = 0  # of this burst
        self._num_searched = 0  # points to search before the next

    def is_due(self, rewards: Rewards, uniform: Collection[Tokens]) -> bool:
        """Whether probes are to be asked for.

        They come in bursts. One begins on a plateau, and ends when it is left
        or without success; then there is searching first, whatever it finds.

        Args:
            rewards: told so far.
            uniform: points that were drawn uniformly, told or not.
        """
        if self._plateau is not None and self._num_left > 0:
            if self._plateau.is_one_still(rewards):
                return True
            self._num_left = self._num_searched = 0
        searched = [
            point
            for point in rewards
            if point not in uniform and point not in self._drawn
        ]
        if len(searched) < self._num_searched:
            return False
        plateau = find_plateau(rewards, searched)
        if plateau is None:
            return False
        self._plateau = plateau
        self._before = self._before or set(rewards)
        self._num_left = _BURST
        self._num_searched = len(searched) + _BETWEEN
        return True

    def draw(
        self,
        num: int,
        rewards: Rewards,
        *,
        uniform: Collection[Tokens],
        taken: Collection[Tokens],
        generator: np.random.Generator,
    ) -> Probes:
        """`num` points: of twelve one repeat and three opposites.

        Args:
            num: at least 1.
            rewards: told so far, which `is_due` was said of.
            uniform: points that were drawn uniformly, told or not.
            taken: told or open points; none of them comes up but repeats, as
                long as there are others.
            generator: of the round.
        """
        places = range(self._num_drawn, self._num_drawn + num)
        self._num_drawn += num
        self._num_left -= num
        num_repeats = sum(p % _PER_REPEAT == 0 for p in places)
        num_opposites = sum(p % _PER_OPPOSITE == 1 for p in places)
        repeats = sorted(
            self._points_of_plateau, key=lambda point: len(rewards[point])
        )[:num_repeats]
        # Not of what was asked for on plateaus and since: in the company of
        # other bad choices a choice may be good.
        source = [p for p in rewards if p in self._before or p in uniform]
        draws = itertools.islice(
            self._opposites(source, rewards, generator), _MAX_DRAWS
        )
        new = dict.fromkeys(point for point in draws if point not in taken)
        opposites = list(new)[:num_opposites]
        drawn = without_repeats(
            self._space,
            balanced_points(
                self._space, num - len(repeats) - len(opposites), generator
            ),
            generator,
            taken={*taken, *opposites},
        )
        self._drawn.update(opposites, drawn)
        return Probes(repeats, opposites, drawn)

    @property
    def _points_of_plateau(self) -> list[Tokens]:
        return self._plateau.points if self._plateau else []

    def _opposites(
        self,
        points: list[Tokens],
        rewards: Rewards,
        generator: np.random.Generator,
    ) -> Iterable[Tokens]:
        """The network of all worst choices, as it seems and as it may be.

        Main effects by ridge regression: first of all points alike, then with
        weights drawn at random (the Bayesian bootstrap, Rubin 1981).
        """
        rows = self._rows.one_hot(np.array(points))
        means = np.array([np.mean(rewards[point]) for point in points])
        weights = np.ones(len(points))
        good = self._choices_of_plateau()
        while True:
            effects = _main_effects(rows, means, weights)
            effects[good] = np.inf
            # Of choices that are equal, as those never seen, any may come.
            noise = generator.normal(size=len(effects))
            effects += _SAME * np.std(means) * noise
            yield tuple(
                int(np.argmin(effects[at])) for at in self._rows.choices_of
            )
            weights = generator.exponential(size=len(points))

    def _choices_of_plateau(self) -> npt.NDArray[np.bool_]:
        """Which choices points of the plateau have, (C,).

        Where they have all choices of a decision it has none to spare.
        """
        good = np.zeros(self._rows.choices_of[-1].stop, bool)
        if self._points_of_plateau:
            points = np.array(self._points_of_plateau)
            good = np.any(self._rows.one_hot(points) > 0, axis=0)
        for at in self._rows.choices_of:
            if good[at].all():
                good[at] = False
        return good


def _means(rewards: Rewards) -> npt.NDArray[np.float64]:
    # Most are of one training, and NumPy takes its time for each mean.
    return np.array(
        [r[0] if len(r) == 1 else np.mean(r) for r in rewards.values()]
    )


def _tolerance(means: npt.NDArray[np.float64]) -> float:
    return _SAME * float(np.ptp(means))


def _is_noisy(rewards: Rewards, tolerance: float) -> bool:
    """Whether a network earned two different rewards."""
    return any(np.ptp(r) > tolerance for r in rewards.values() if len(r) > 1)


def _main_effects(
    rows: npt.NDArray, means: npt.NDArray, weights: npt.NDArray
) -> npt.NDArray[np.float64]:
    """Of each choice, (C,); `rows` are one-hot, (points, C)."""
    weighted = rows.T * weights
    centred = means - np.average(means, weights=weights)
    return np.linalg.solve(
        weighted @ rows + _RIDGE * np.eye(rows.shape[1]), weighted @ centred
    )
