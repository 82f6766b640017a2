"""How searchers draw points: uniform, untried, neighbors and mutations.

A neighbor of a point differs from it in the token of one decision, whatever
the distance between the choices of an ordinal decision.
"""

import itertools
from collections.abc import Collection, Iterable

import numpy as np

from audiotag_nas.space import SearchSpace, Tokens


def draw_points(
    space: SearchSpace, num: int, generator: np.random.Generator
) -> list[Tokens]:
    """Draws `num` uniform points with replacement."""
    uniform = generator.random((num, space.num_decisions))
    # Below 2**53 choices, u < 1 never rounds up to the number of choices.
    tokens = (uniform * space.num_choices).astype(int)
    return [tuple(map(int, row)) for row in tokens]


def every_point(space: SearchSpace) -> Iterable[Tokens]:
    """Iterates over the points; the last decision varies fastest."""
    return itertools.product(*map(range, space.num_choices))


def draw_untried(
    space: SearchSpace,
    taken: Collection[Tokens],
    generator: np.random.Generator,
) -> Tokens:
    """Draws a uniform point not in `taken`; there must be one."""
    if 2 * len(taken) < space.size:
        # At least every other draw is untried.
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
    """Returns `points` with repeats and points in `taken` drawn anew.

    Repeats stay once the whole space is taken.
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
    """Returns all points that differ in one token, by decision."""
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
    """Returns all neighbors, at most `max_num` of them, drawn at random."""
    num = sum(space.num_choices) - space.num_decisions
    if num <= max_num:
        return neighbors(space, tokens)
    # There may be thousands: build only the ones drawn.
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

    Decisions with one choice stay the same, so fewer tokens change where fewer
    decisions have a second choice.
    """
    point = list(tokens)
    free = [i for i, num in enumerate(space.num_choices) if num > 1]
    num = min(num_mutations, len(free))
    for position in generator.choice(free, size=num, replace=False):
        others = space.num_choices[position] - 1
        token = int(generator.integers(others))
        point[position] = token + (token >= point[position])
    return tuple(map(int, point))
