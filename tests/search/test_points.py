"""Neighbors and mutations of points."""

import math

import numpy as np
import pytest

from audiotag_nas.search import Decision, SearchSpace
from audiotag_nas.search.points import mutate, neighbors, some_neighbors

SPACE = SearchSpace(
    tuple(Decision(f"d{i}", tuple(range(n))) for i, n in enumerate((3, 1, 4)))
)


def test_neighbors_are_all_points_one_token_away():
    assert neighbors(SPACE, (1, 0, 2)) == [
        (0, 0, 2),
        (2, 0, 2),
        (1, 0, 0),
        (1, 0, 1),
        (1, 0, 3),
    ]


def test_a_limited_number_of_neighbors_is_drawn_uniformly():
    every_neighbor = neighbors(SPACE, (1, 0, 2))
    generator = np.random.default_rng(0)
    num = len(every_neighbor)
    assert some_neighbors(SPACE, (1, 0, 2), generator, max_num=num) == (
        every_neighbor
    )
    drawn = [
        point
        for _ in range(2000)
        for point in set(
            some_neighbors(SPACE, (1, 0, 2), generator, max_num=num - 1)
        )
    ]
    # Each neighbor is left out equally often.
    expected = 2000 * (num - 1) / num
    for point in every_neighbor:
        assert drawn.count(point) == pytest.approx(expected, abs=90)
    assert len(drawn) == 2000 * (num - 1)


def test_mutations_are_neighbors_with_equal_frequency():
    generator = np.random.default_rng(0)
    drawn = [mutate(SPACE, (1, 0, 2), generator) for _ in range(1200)]
    counts = {p: drawn.count(p) for p in neighbors(SPACE, (1, 0, 2))}
    assert sum(counts.values()) == 1200
    # The decision is drawn first. Both decisions have probability 1/2, one
    # with 2 neighbors and one with 3.
    for point, count in counts.items():
        mean = 300 if point[2] == 2 else 200
        assert abs(count - mean) < 4 * math.sqrt(mean)
    twice = {
        mutate(SPACE, (1, 0, 2), generator, num_mutations=2) for _ in range(99)
    }
    assert twice == {(a, 0, c) for a in (0, 2) for c in (0, 1, 3)}
