"""Uniform and untried points, and neighbors and mutations of a point.

A neighbor of a point has a different token at exactly one decision. The old and
the new choice need not be adjacent, even if the decision is ordinal.
"""

import itertools
from collections.abc import Collection, Iterable

import numpy as np

from audiotag_nas.space import SearchSpace, Tokens


def draw_points(
    space: SearchSpace, num: int, generator: np.random.Generator
) -> list[Tokens]:
    """Draws `num` uniform points; some of them may be equal."""
    uniform = generator.random((num, space.num_decisions))
    # With u < 1 and n < 2**53 choices, the product u n never rounds up to n.
    tokens = (uniform * space.num_choices).astype(int)
    return [tuple(map(int, row)) for row in tokens]


def every_point(space: SearchSpace) -> Iterable[Tokens]:
    """Iterates over all points; the last decision varies fastest."""
    return itertools.product(*map(range, space.num_choices))


def draw_untried(
    space: SearchSpace,
    taken: Collection[Tokens],
    generator: np.random.Generator,
) -> Tokens:
    """Draws a uniform point outside `taken`; such a point must exist."""
    if 2 * len(taken) < space.size:
        # Each drawn point is untried with a probability above one half.
        while True:
            (point,) = draw_points(space, 1, generator)
            if point not in taken:
                return point
    left = [point for point in every_point(space) if point not in taken]
    return left[int(generator.integers(len(left)))]


def replace_repeats(
    space: SearchSpace,
    points: Iterable[Tokens],
    generator: np.random.Generator,
    *,
    taken: Collection[Tokens],
) -> list[Tokens]:
    """Returns `points` with a new draw for each repeat and each taken point.

    Once every point of the space is taken or returned, repeats are kept.
    """
    seen = set(taken)
    result = []
    for point in points:
        if point in seen and len(seen) < space.size:
            point = draw_untried(space, seen, generator)
        seen.add(point)
        result.append(point)
    return result


def neighbors(space: SearchSpace, tokens: Tokens) -> list[Tokens]:
    """Returns all neighbors of a point, in the order of the decisions."""
    return [
        (*tokens[:position], token, *tokens[position + 1 :])
        for position, num in enumerate(space.num_choices)
        for token in range(num)
        if token != tokens[position]
    ]


def some_neighbors(
    space: SearchSpace,
    tokens: Tokens,
    generator: np.random.Generator,
    *,
    max_num: int,
) -> list[Tokens]:
    """Returns all neighbors, or `max_num` random ones if there are more."""
    num = sum(space.num_choices) - space.num_decisions
    if num <= max_num:
        return neighbors(space, tokens)
    # Only the drawn neighbors are built, since there may be thousands.
    chosen = np.sort(generator.choice(num, size=max_num, replace=False))
    ends = np.cumsum(space.num_choices) - np.arange(1, space.num_decisions + 1)
    positions = np.searchsorted(ends, chosen, side="right")
    begins = np.concatenate([[0], ends])[positions]
    others = chosen - begins
    rows = np.tile(np.array(tokens), (max_num, 1))
    values = others + (others >= np.array(tokens)[positions])
    rows[np.arange(max_num), positions] = values
    return [tuple(row) for row in rows.tolist()]


def mutate(
    space: SearchSpace,
    tokens: Tokens,
    generator: np.random.Generator,
    *,
    num_mutations: int = 1,
) -> Tokens:
    """Returns `tokens` with `num_mutations` random tokens changed.

    Only decisions with several choices can change. If fewer than
    `num_mutations` decisions have several choices, all of these change.
    """
    point = list(tokens)
    free = [i for i, num in enumerate(space.num_choices) if num > 1]
    num = min(num_mutations, len(free))
    for position in generator.choice(free, size=num, replace=False):
        others = space.num_choices[position] - 1
        token = int(generator.integers(others))
        point[position] = token + (token >= point[position])
    return tuple(map(int, point))
