"""The plain Gaussian process against scikit-learn, SciPy and random draws."""

import numpy as np
import pytest
import scipy.stats
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel

from audiotag_nas.search import Decision, SearchSpace, make_searcher
from audiotag_nas.search.searchers.gaussian_process import (
    HammingProcess,
    expected_improvement,
    hamming,
)


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


def test_the_likelihood_is_the_normal_density_at_the_best_variance():
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
    # No point of a grid over both parameters is more likely.
    for scale in np.geomspace(0.25, 50, 12):
        for noise in np.geomspace(1e-4, 10, 12):
            assert process.log_likelihood(scale, noise) <= found + 1e-6


def test_the_posterior_is_that_of_scikit_learn():
    points, values = some_process()
    process = HammingProcess(points, values)

    def codes(tokens):
        return np.eye(4)[tokens].reshape(len(tokens), -1)

    # The squared distance of one-hot codes is twice the Hamming distance.
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

    fantasy = process.add_fantasy(queries[0])
    after_mean, after = process.predict(queries)
    assert fantasy == pytest.approx(mean[0], rel=1e-9)
    np.testing.assert_allclose(after_mean, mean, atol=1e-9)
    assert after[0] < deviation[0]


def test_the_expected_improvement_is_the_mean_of_draws():
    draws = np.random.default_rng(0).normal(0.3, 0.5, 400_000)
    gain = expected_improvement(np.array([0.3]), np.array([0.5]), 0.6)
    sampled = np.maximum(draws - 0.6, 0)
    assert gain[0] == pytest.approx(sampled.mean(), abs=5e-4)


def test_it_beats_random_search_on_a_noisy_sum():
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
