"""Where a searcher goes from a point: neighbors, mutations, anywhere.

A neighbor of a point differs from it in the token of one decision; how far
apart an ordinal decision's choices are does not matter here.
"""

import numpy as np

from audiotag_nas.space import SearchSpace, Tokens


def draw_points(
    space: SearchSpace, num: int, generator: np.random.Generator
) -> list[Tokens]:
    """`num` points, each uniform over the space; a point may come twice."""
    uniform = generator.random((num, space.num_decisions))
    # Below 2**53 choices, u < 1 never rounds up to the number of choices.
    tokens = (uniform * space.num_choices).astype(int)
    return [tuple(map(int, row)) for row in tokens]


def neighbors(space: SearchSpace, tokens: Tokens) -> list[Tokens]:
    """Every point that differs in one token, in the order of the decisions."""
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
    most: int,
) -> list[Tokens]:
    """All neighbors, or `most` of them, drawn, where there are more."""
    num = sum(space.num_choices) - space.num_decisions
    if num <= most:
        return neighbors(space, tokens)
    # Of thousands only those drawn are made.
    chosen = np.sort(generator.choice(num, size=most, replace=False))
    ends = np.cumsum(space.num_choices) - np.arange(1, space.num_decisions + 1)
    positions = np.searchsorted(ends, chosen, side="right")
    begins = np.concatenate([[0], ends])[positions]
    others = chosen - begins
    rows = np.tile(np.array(tokens), (most, 1))
    values = others + (others >= np.array(tokens)[positions])
    rows[np.arange(most), positions] = values
    return [tuple(row) for row in rows.tolist()]


def mutate(
    space: SearchSpace,
    tokens: Tokens,
    generator: np.random.Generator,
    *,
    num_mutations: int = 1,
) -> Tokens:
    """`tokens` with `num_mutations` tokens, drawn uniformly, made others.

    Decisions of one choice stay; where fewer decisions have a second choice,
    fewer tokens change.
    """
    point = list(tokens)
    free = [i for i, num in enumerate(space.num_choices) if num > 1]
    num = min(num_mutations, len(free))
    for position in generator.choice(free, size=num, replace=False):
        others = space.num_choices[position] - 1
        token = int(generator.integers(others))
        point[position] = token + (token >= point[position])
    return tuple(map(int, point))
