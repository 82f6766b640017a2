"""The initial points: all different, with balanced choices.

While no reward is known, training a point twice would be a waste.
"""

import collections

import numpy as np

from audiotag_nas.search.points import every_point, replace_repeats
from audiotag_nas.space import SearchSpace, Tokens

_MAX_EXCHANGES = 10_000


def balanced_points(
    space: SearchSpace, num: int, generator: np.random.Generator
) -> list[Tokens]:
    """Returns `num` different random points with balanced choices.

    The points form a Latin hypercube (McKay et al. 1979): all choices of a
    decision are equally frequent, as far as `num` allows. If a decision has
    more than `num` choices, these choices are divided into `num` parts, and
    each part provides the choice of one point. Repeated points exchange tokens
    with other points, which keeps the frequencies. If the space has fewer than
    `num` points, all points of the space are returned.
    """
    num = min(num, space.size)
    points = _hypercube(space, num, generator)
    if len(set(points)) == num:
        return points
    if 2 * num <= space.size:
        return _make_different(space, points, generator)
    # If a set of points is balanced, the rest of the space is balanced too.
    complement: list[Tokens] = []
    if num < space.size:
        complement = _hypercube(
            space, space.size - num, generator, in_parts=False
        )
    left_out = set(_make_different(space, complement, generator))
    rest = [point for point in every_point(space) if point not in left_out]
    return [rest[index] for index in generator.permutation(num)]


def _hypercube(
    space: SearchSpace,
    num: int,
    generator: np.random.Generator,
    *,
    in_parts: bool = True,
) -> list[Tokens]:
    """Returns `num` balanced points, possibly with repeats.

    Args:
        space: the space of the points.
        num: the number of points.
        generator: the generator of all draws.
        in_parts: how a decision with more than `num` choices is sampled. If
            True, the choices are divided into `num` parts, and each part
            provides the choice of one point (two parts may share a choice). If
            False, `num` choices are drawn without replacement.
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


def _make_different(
    space: SearchSpace, points: list[Tokens], generator: np.random.Generator
) -> list[Tokens]:
    """Replaces repeats; `points` has at most half of the space's points."""
    exchanged = _exchange_tokens(points, generator)
    return replace_repeats(space, exchanged, generator, taken=())


def _exchange_tokens(
    points: list[Tokens], generator: np.random.Generator
) -> list[Tokens]:
    """Exchanges tokens between points until no point is repeated, if possible.

    A repeated point and a random point exchange some randomly chosen tokens. No
    exchange is made that would reduce the number of different points.
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
        first, second = (
            tuple(map(int, np.where(mask, *pair)))
            for pair in (rows, rows[::-1])
        )
        changed = counts.copy()
        changed.subtract([points[i], points[j]])
        changed.update([first, second])
        changed = +changed
        if i != j and len(changed) >= len(counts):
            points[i], points[j], counts = first, second, changed
    return points
