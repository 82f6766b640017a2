"""The kernel computed by distances equals the kernel computed by tables."""

import tracemalloc

import numpy as np
import pytest

from audiotag_nas.search import make_searcher
from audiotag_nas.search.points import draw_points
from audiotag_nas.search.reinforce.distance_kernel import (
    MIN_CHOICES,
    DistanceKernel,
    make_kernel,
)
from audiotag_nas.search.reinforce.kernel import ObservedMeans, TokenKernel
from audiotag_nas.space import Decision, SearchSpace

SPACE = SearchSpace(
    (
        Decision("units", tuple(range(11))),
        Decision("kind", tuple("abcdefg"), ordinal=False),
        Decision("fixed", (True,)),
        Decision("gated", (False, True)),
        Decision("rate", tuple(range(5))),
    )
)
BY_TABLES, BY_DISTANCES = TokenKernel(SPACE), DistanceKernel(SPACE)


def points(num: int, seed: int) -> np.ndarray:
    return np.array(draw_points(SPACE, num, np.random.default_rng(seed)))


def theta(seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(
        0, 0.5, len(BY_TABLES.prior_mean)
    )
    return BY_TABLES.prior_mean + noise


def test_both_kernels_have_the_same_matrix():
    left, right = points(23, 1), points(17, 2)
    found = BY_DISTANCES.matrix(
        theta(3), BY_DISTANCES.rows(left), BY_DISTANCES.rows(right)
    )
    expected = BY_TABLES.matrix(
        theta(3), BY_TABLES.rows(left), BY_TABLES.rows(right)
    )
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert (BY_DISTANCES.prior_mean == BY_TABLES.prior_mean).all()


def test_both_kernels_have_the_same_averages():
    generator = np.random.default_rng(4)
    rows = np.concatenate(
        [
            generator.dirichlet(np.ones(size), size=13)
            for size in SPACE.num_choices
        ],
        axis=1,
    )
    one_hot = BY_DISTANCES.one_hot(points(9, 5))
    np.testing.assert_allclose(
        BY_DISTANCES.average(theta(6), one_hot, rows),
        BY_TABLES.average(theta(6), one_hot, rows),
        rtol=1e-12,
    )


def test_both_kernels_have_the_same_posterior_and_gradient():
    generator = np.random.default_rng(7)
    observed = np.unique(points(29, 8), axis=0)
    means, counts = generator.normal(size=(2, len(observed)))
    values, gradients = zip(
        *[
            kernel.negative_log_posterior(
                theta(9),
                ObservedMeans(
                    rows=kernel.rows(observed),
                    means=means,
                    counts=1.0 + (counts > 1),
                    squares_within=0.7,
                ),
            )
            for kernel in (BY_TABLES, BY_DISTANCES)
        ],
        strict=True,
    )
    assert values[0] == pytest.approx(values[1], rel=1e-12)
    np.testing.assert_allclose(gradients[0], gradients[1], rtol=1e-9)


def test_only_a_space_of_many_choices_has_the_kernel_by_distances():
    def kernel(*sizes: int) -> TokenKernel:
        return make_kernel(
            SearchSpace(
                tuple(
                    Decision(f"d{i}", tuple(range(size)))
                    for i, size in enumerate(sizes)
                )
            )
        )

    assert type(kernel(MIN_CHOICES - 8, 7)) is TokenKernel
    assert type(kernel(MIN_CHOICES - 7, 7)) is DistanceKernel
    assert type(kernel(*[5] * 21)) is TokenKernel


def test_a_round_in_a_space_of_many_choices_takes_little_memory():
    # One-hot rows of the candidates alone would take more than a gigabyte.
    space = SearchSpace(
        tuple(Decision(f"d{i}", tuple(range(256))) for i in range(8))
    )
    generator = np.random.default_rng(0)
    told = draw_points(space, 70, generator)
    searcher = make_searcher("reinforce", space, seed=0, policy_steps=0)
    searcher.tell(told, [-float(np.var(t)) for t in told])
    tracemalloc.start()
    asked = searcher.ask(4)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 300e6
    # The model has learned that a small variance of the tokens is better.
    assert max(map(np.var, asked)) < np.median([np.var(t) for t in told])
