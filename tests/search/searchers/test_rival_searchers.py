"""Evolution, local search and the plain Gaussian process, each by itself."""

import math

import numpy as np
import pytest
import scipy.stats
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel

from audiotag_nas.errors import ConfigError
from audiotag_nas.search import Decision, SearchSpace, make_searcher
from audiotag_nas.search.points import mutate, neighbors, some_neighbors
from audiotag_nas.search.searchers.gaussian_process import (
    HammingProcess,
    expected_improvement,
    hamming,
)

SPACE = SearchSpace(
    tuple(Decision(f"d{i}", tuple(range(n))) for i, n in enumerate((3, 1, 4)))
)


def distance(one, other):
    return sum(a != b for a, b in zip(one, other, strict=True))


def test_neighbors_are_all_points_one_token_away():
    assert neighbors(SPACE, (1, 0, 2)) == [
        (0, 0, 2),
        (2, 0, 2),
        (1, 0, 0),
        (1, 0, 1),
        (1, 0, 3),
    ]


def test_of_many_neighbors_as_many_as_asked_for_are_drawn():
    all_of_them = neighbors(SPACE, (1, 0, 2))
    generator = np.random.default_rng(0)
    most = len(all_of_them)
    assert some_neighbors(SPACE, (1, 0, 2), generator, most=most) == (
        all_of_them
    )
    drawn = [
        point
        for _ in range(2000)
        for point in set(
            some_neighbors(SPACE, (1, 0, 2), generator, most=most - 1)
        )
    ]
    # Each is left out as often as any other.
    expected = 2000 * (most - 1) / most
    for point in all_of_them:
        assert drawn.count(point) == pytest.approx(expected, abs=90)
    assert len(drawn) == 2000 * (most - 1)


def test_mutations_reach_every_neighbor_alike_and_no_other_point():
    generator = np.random.default_rng(0)
    drawn = [mutate(SPACE, (1, 0, 2), generator) for _ in range(1200)]
    counts = {p: drawn.count(p) for p in neighbors(SPACE, (1, 0, 2))}
    assert sum(counts.values()) == 1200
    # A decision is drawn first: 1/2 over 2 choices, 1/2 over 3.
    for point, count in counts.items():
        mean = 300 if point[2] == 2 else 200
        assert abs(count - mean) < 4 * math.sqrt(mean)
    twice = {
        mutate(SPACE, (1, 0, 2), generator, num_mutations=2) for _ in range(99)
    }
    assert twice == {(a, 0, c) for a in (0, 2) for c in (0, 1, 3)}


def test_evolution_mutates_the_best_of_the_population_and_forgets_the_oldest():
    searcher = make_searcher(
        "evolution",
        SPACE,
        seed=1,
        population=3,
        sample=60,  # the best of 3 is missed once in 4e10 draws
    )
    old, better, worse = (0, 0, 0), (2, 0, 1), (1, 0, 3)
    searcher.tell([old, better, worse], [0.9, 0.6, 0.1])
    for child in searcher.ask(10):
        assert distance(child, old) == 1
    searcher.tell([worse], [0.2])  # the fourth: `old` dies
    for child in searcher.ask(10):
        assert distance(child, better) == 1
    assert searcher.recommend() == old


def test_evolution_names_a_setting_that_is_not_allowed():
    with pytest.raises(
        ConfigError, match=r"^evolution\.sample: .*Received: 0$"
    ):
        make_searcher("evolution", SPACE, sample=0)


def test_local_search_tries_all_neighbors_once_then_starts_anew():
    searcher = make_searcher("local_search", SPACE, seed=2)
    top = (1, 0, 2)
    searcher.tell([top], [1.0])
    asked = searcher.ask(3)
    searcher.tell(asked, [0.5, 0.4, 0.3])
    asked += searcher.ask(2)
    assert sorted(asked) == sorted(neighbors(SPACE, top))
    searcher.tell(asked[3:], [0.2, 0.1])
    # A local optimum: from the best of a new round, whose neighbors follow.
    starts = searcher.ask(2)
    fresh = (0, 0, 1)
    searcher.tell([*starts, fresh], [0.0, 0.0, 0.7])
    untried = set(neighbors(SPACE, fresh)) - {*asked, *starts, top}
    assert {*searcher.ask(len(untried))} == untried


def test_local_search_climbs_an_additive_hill_to_its_top():
    space = SearchSpace(
        tuple(Decision(f"d{i}", tuple(range(5))) for i in range(6))
    )
    searcher = make_searcher("local_search", space, seed=0)
    for _ in range(40):
        asked = searcher.ask(4)
        searcher.tell(asked, [float(sum(tokens)) for tokens in asked])
    assert searcher.recommend() == (4,) * 6


def test_hamming_counts_the_tokens_that_differ():
    points = np.array([[0, 1, 2], [0, 2, 1]])
    other = np.array([[0, 1, 1]])
    assert hamming(points, other).tolist() == [[1.0], [1.0]]
    assert hamming(points, points).tolist() == [[0.0, 2.0], [2.0, 0.0]]


def some_process():
    generator = np.random.default_rng(3)
    points = generator.integers(4, size=(30, 5))
    values = (points[:, 0] == 2) + 0.5 * (points[:, 1] == 1)
    values = values + generator.normal(0, 0.2, 30)
    return points, (values - values.mean()) / values.std()


def test_the_likelihood_is_the_normal_density_at_its_best_variance():
    points, values = some_process()
    process = HammingProcess(points, values)
    unit = np.exp(-hamming(points, points) / process.length_scale)
    unit += process.noise * np.eye(30)

    def density(variance):
        return scipy.stats.multivariate_normal(cov=variance * unit).logpdf(
            values
        )

    best = density(process.variance)
    found = process.log_likelihood(process.length_scale, process.noise)
    assert found == pytest.approx(best, abs=1e-6)
    assert best > max(density(0.9 * process.variance), density(1.1))
    # Of a grid over both parameters none is more likely than what was found.
    for scale in np.geomspace(0.25, 50, 12):
        for noise in np.geomspace(1e-4, 10, 12):
            assert process.log_likelihood(scale, noise) <= found + 1e-6


def test_the_prediction_is_that_of_scikit_learn():
    points, values = some_process()
    process = HammingProcess(points, values)

    def codes(tokens):
        return np.eye(4)[tokens].reshape(len(tokens), -1)

    # The square distance of one-hot codes is twice the tokens that differ.
    reference = GaussianProcessRegressor(
        kernel=ConstantKernel(process.variance)
        * RBF(np.sqrt(process.length_scale)),
        alpha=process.variance * process.noise,
        optimizer=None,
    ).fit(codes(points), values)
    queries = np.random.default_rng(4).integers(4, size=(13, 5))
    mean, deviation = process.predict(queries)
    expected = reference.predict(codes(queries), return_std=True)
    np.testing.assert_allclose(mean, expected[0], rtol=1e-7)
    np.testing.assert_allclose(deviation, expected[1], rtol=1e-5)

    believed = process.believe(queries[0])
    after_mean, after = process.predict(queries)
    assert believed == pytest.approx(mean[0], rel=1e-9)
    np.testing.assert_allclose(after_mean, mean, atol=1e-9)
    assert after[0] < deviation[0]


def test_the_expected_improvement_is_the_mean_of_draws():
    draws = np.random.default_rng(0).normal(0.3, 0.5, 400_000)
    gain = expected_improvement(np.array([0.3]), np.array([0.5]), 0.6)
    sampled = np.maximum(draws - 0.6, 0)
    assert gain[0] == pytest.approx(sampled.mean(), abs=5e-4)


def test_the_gaussian_process_beats_chance_on_a_noisy_sum():
    space = SearchSpace(
        tuple(Decision(f"d{i}", tuple(range(4))) for i in range(8))
    )
    found = {}
    for name in ("random", "gaussian_process"):
        generator = np.random.default_rng(0)
        found[name] = []
        for seed in range(2):
            searcher = make_searcher(name, space, seed=seed)
            for _ in range(12):
                asked = searcher.ask(4)
                sums = np.array(asked).sum(axis=1)
                searcher.tell(asked, sums + generator.normal(0, 1.0, 4))
            found[name].append(sum(searcher.recommend()))
    assert min(found["gaussian_process"]) > max(found["random"])
    assert np.mean(found["gaussian_process"]) >= 20  # of 24
