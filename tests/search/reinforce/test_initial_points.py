"""The points of the initial design."""

import itertools

import numpy as np
import pytest

from audiotag_nas.search import make_searcher
from audiotag_nas.search.reinforce.initial_points import balanced_points
from tests.search.reinforce.test_searcher import space


def test_choices_are_equally_frequent():
    points = np.array(
        balanced_points(space(4, 2, 3), 12, np.random.default_rng(0))
    )
    for column, num in zip(points.T, (4, 2, 3), strict=True):
        assert list(np.bincount(column)) == [12 // num] * num
    searcher = make_searcher("reinforce", space(4, 2, 3), seed=2)
    first = np.array(searcher.ask(5) + searcher.ask(7))
    assert list(np.bincount(first[:, 0])) == [3, 3, 3, 3]


def test_many_choices_are_sampled_from_end_to_end():
    points = np.array(balanced_points(space(48), 12, np.random.default_rng(0)))
    # Each twelfth of the choices has one point.
    assert sorted(points[:, 0] // 4) == list(range(12))


@pytest.mark.parametrize("sizes", [(3, 3, 3), (6, 2), (2, 2, 4), (4, 2, 3)])
def test_points_are_different_and_still_balanced(sizes):
    for seed in range(40):
        points = balanced_points(
            space(*sizes), 12, np.random.default_rng([seed, 1])
        )
        assert len(set(points)) == len(points) == 12
        for column, num in zip(np.array(points).T, sizes, strict=True):
            counts = np.bincount(column, minlength=num)
            assert sum(counts) == 12
            assert max(counts) - min(counts) <= (12 % num > 0)


def test_a_hypercube_without_repeats_is_not_changed():
    # NumPy alone gives the same points: each column permutes its tokens.
    generator = np.random.default_rng([5, 1])
    columns = [generator.permutation(np.arange(12) % n) for n in (4, 4, 4, 3)]
    expected = [tuple(map(int, row)) for row in zip(*columns, strict=True)]
    assert len(set(expected)) == 12
    assert (
        balanced_points(space(4, 4, 4, 3), 12, np.random.default_rng([5, 1]))
        == expected
    )


@pytest.mark.parametrize("sizes", [(2, 3), (1,), (4, 2)])
def test_a_space_of_fewer_points_gives_each_once(sizes):
    every = set(itertools.product(*map(range, sizes)))
    for seed in range(5):
        points = balanced_points(space(*sizes), 12, np.random.default_rng(seed))
        assert len(points) == len(every)
        assert set(points) == every
