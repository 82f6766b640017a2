"""The points a search begins with: each choice equally often, none twice.

Before anything is known, a training of a point that is asked for already is
a training lost; only where a space has no other point is one repeated.
"""

import collections
import itertools
from collections.abc import Collection, Iterable

import numpy as np

from audiotag_nas.search.points import draw_points
from audiotag_nas.space import SearchSpace, Tokens

_MAX_EXCHANGES = 10_000


def balanced_points(
    space: SearchSpace, num: int, generator: np.random.Generator
) -> list[Tokens]:
    """`num` random points in which a decision's choices are equally frequent.

    As nearly as `num` allows; a Latin hypercube over tokens (McKay et al.
    1979). Of more choices than points, each point's are of another part.

    No point comes twice. Where the hypercube repeats one, points exchange
    tokens until none is repeated, so that choices stay as frequent as they
    were. Of a space with fewer than `num` points, each comes once.
    """
    num = min(num, space.size)
    points = _hypercube(space, num, generator)
    if len(set(points)) == num:
        return points
    if 2 * num <= space.size:
        return _different(space, points, generator)
    # What is left out of most of a space is balanced where the rest is.
    few: list[Tokens] = []
    if num < space.size:
        few = _hypercube(space, space.size - num, generator, in_parts=False)
    left_out = set(_different(space, few, generator))
    rest = [point for point in _every_point(space) if point not in left_out]
    return [rest[index] for index in generator.permutation(num)]


def _hypercube(
    space: SearchSpace,
    num: int,
    generator: np.random.Generator,
    *,
    in_parts: bool = True,
) -> list[Tokens]:
    """`num` points, maybe with repeats, each choice equally often.

    Of more choices than points, each point's are of another part of them,
    which may be the choice that two parts share; or just different ones.
    """
    columns = []
    for size in space.num_choices:
        tokens = np.arange(num) % size
        if size > num and in_parts:
            parts = np.arange(num) + generator.random(num)
            tokens = (parts * size / num).astype(int)
        elif size > num:
            tokens = generator.permutation(size)[:num]
        columns.append(generator.permutation(tokens))
    return [tuple(map(int, row)) for row in np.stack(columns, axis=1)]


def _different(
    space: SearchSpace, points: list[Tokens], generator: np.random.Generator
) -> list[Tokens]:
    """`points` of no more than half of the space, made different."""
    exchanged = _exchanged(points, generator)
    return without_repeats(space, exchanged, generator, taken=())


def _exchanged(
    points: list[Tokens], generator: np.random.Generator
) -> list[Tokens]:
    """`points` after exchanges of tokens, repeated as seldom as was found.

    A repeated point and any other give each other their tokens of some
    decisions, where that leaves no fewer different points.
    """
    points = list(points)
    counts = collections.Counter(points)
    for _ in range(_MAX_EXCHANGES):
        repeated = [i for i, p in enumerate(points) if counts[p] > 1]
        if not repeated:
            break
        i = repeated[int(generator.integers(len(repeated)))]
        j = int(generator.integers(len(points)))
        mask = generator.random(len(points[0])) < 0.5
        rows = np.array([points[i], points[j]])
        one, other = (
            tuple(map(int, np.where(mask, *pair)))
            for pair in (rows, rows[::-1])
        )
        changed = counts.copy()
        changed.subtract([points[i], points[j]])
        changed.update([one, other])
        changed = +changed
        if i != j and len(changed) >= len(counts):
            points[i], points[j], counts = one, other, changed
    return points


def without_repeats(
    space: SearchSpace,
    points: Iterable[Tokens],
    generator: np.random.Generator,
    *,
    taken: Collection[Tokens],
) -> list[Tokens]:
    """`points`, with others drawn in place of repeats and of those `taken`.

    Once every point of the space was taken, they stay as they are.
    """
    seen = set(taken)
    result = []
    for point in points:
        if point in seen and len(seen) < space.size:
            point = draw_untried(space, seen, generator)
        seen.add(point)
        result.append(point)
    return result


def draw_untried(
    space: SearchSpace,
    taken: Collection[Tokens],
    generator: np.random.Generator,
) -> Tokens:
    """A uniform point of those not in `taken`, of which there must be one."""
    if 2 * len(taken) < space.size:
        # At least every other draw is a new one.
        while True:
            (point,) = draw_points(space, 1, generator)
            if point not in taken:
                return point
    left = [point for point in _every_point(space) if point not in taken]
    return left[int(generator.integers(len(left)))]


def _every_point(space: SearchSpace) -> Iterable[Tokens]:
    return itertools.product(*map(range, space.num_choices))
