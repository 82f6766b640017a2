"""Tests that searchers of other libraries behave like every `Searcher`."""

import keras_tuner
import numpy as np
import pytest
import threadpoolctl
from sklearn.gaussian_process import GaussianProcessRegressor

from audiotag_nas.errors import ConfigError
from audiotag_nas.space import Decision, SearchSpace
from benchmarks.contest.rivals_keras_tuner import (
    KerasTunerSearcher,
    UncheckedRegressor,
)
from benchmarks.contest.rivals_optuna import SAMPLERS, OptunaSearcher
from tests.fakes import fake_reward

SPACE = SearchSpace(
    (
        Decision("filters", (8, 16, 32)),
        Decision("recurrent", ("bgru", "gated_bgru"), ordinal=False),
        Decision("fixed", (True,)),
        Decision("height", (1, 3, 5, 7, 9)),
    )
)
# keras-tuner takes one CPU second per decision to propose a point.
SMALL = SearchSpace(
    (Decision("a", (1, 2, 3, 4, 5)), Decision("b", ("x", "y"), ordinal=False))
)
MAKE = {
    "tpe": lambda seed: OptunaSearcher(SPACE, sampler="tpe", seed=seed),
    "independent": lambda seed: OptunaSearcher(
        SPACE, sampler="tpe_independent", seed=seed
    ),
    "keras_tuner": lambda seed: KerasTunerSearcher(SPACE, seed=seed),
}
EVERY = pytest.mark.parametrize("make", MAKE.values(), ids=list(MAKE))


@pytest.fixture(autouse=True)
def _one_thread():
    """Uses one thread like the contest. Small matrices are slower with more."""
    with threadpoolctl.threadpool_limits(1):
        yield


@pytest.mark.parametrize(
    ("make", "space", "nums"),
    [
        # More than the initial random points (10, 10 and 3 per decision).
        (MAKE["tpe"], SPACE, (4, 4, 4, 4)),
        (MAKE["independent"], SPACE, (4, 4, 4, 4)),
        (lambda seed: KerasTunerSearcher(SMALL, seed=seed), SMALL, (4, 2, 1)),
    ],
)
def test_points_are_in_the_space_and_reproducible(make, space, nums):
    def run(seed):
        searcher = make(seed)
        rounds = []
        for num in nums:
            asked = searcher.ask(num)
            rounds.append(asked)
            searcher.tell(asked, [fake_reward(tokens) for tokens in asked])
        return [*rounds, searcher.recommend()]

    first = run(0)
    for tokens in [point for asked in first[:-1] for point in asked]:
        assert {type(token) for token in tokens} == {int}
        assert space.validate(tokens) == tokens
    told = {point for asked in first[:-1] for point in asked}
    assert first[-1] == max(told, key=fake_reward)
    assert run(0) == first
    assert run(1) != first


@EVERY
def test_penalties_repeats_and_foreign_points_may_be_told(make):
    searcher = make(2)
    asked = [*searcher.ask(3), *searcher.ask(2)]
    foreign = (2, 1, 0, 4)
    searcher.tell(
        [*asked, foreign, foreign, asked[0]],
        [-1e3, 0.1, 0.2, 0.1, 0.2, 0.7, 0.5, 0.3],
    )
    assert searcher.recommend() == foreign
    assert len(searcher.ask(4)) == 4


@EVERY
def test_a_wrong_batch_is_refused_as_a_whole(make):
    searcher = make(0)
    with pytest.raises(ConfigError, match="must be told a reward first"):
        searcher.recommend()
    for tokens, rewards in [
        ([(0, 0, 0, 0), (1, 0, 0, 0)], [0.5, float("nan")]),
        ([(0, 0, 1, 0)], [0.5]),
        ([(0, 0, 0, 0)], [0.5, 0.6]),
    ]:
        with pytest.raises(ConfigError):
            searcher.tell(tokens, rewards)
        with pytest.raises(ConfigError, match="must be told a reward first"):
            searcher.recommend()
    with pytest.raises(ConfigError, match="int of 1 or more"):
        searcher.ask(0)


@pytest.mark.parametrize("num_points", [8, 60, 200])
def test_keras_tuners_model_equals_scikit_learns_bit_for_bit(num_points):
    rng = np.random.default_rng(0)
    oracle = keras_tuner.oracles.BayesianOptimizationOracle(
        keras_tuner.Objective("reward", "max"), seed=1
    )
    assert type(oracle.gpr) is GaussianProcessRegressor
    settings = oracle.gpr.get_params(deep=False)
    points = rng.integers(8, size=(num_points, 9)) / 8
    values = points.sum(axis=1) + rng.normal(size=num_points)
    theirs = GaussianProcessRegressor(**settings).fit(points, values)
    ours = UncheckedRegressor(**settings).fit(points, values)
    # At a training point, the variance is about 0 after rounding.
    queries = [*rng.uniform(size=(200, 1, 9)), points[3:4], points[:5]]
    for query in queries:
        for mine, right in zip(
            ours.predict(query, return_std=True),
            theirs.predict(query, return_std=True),
            strict=True,
        ):
            np.testing.assert_array_equal(mine, right, strict=True)
    np.testing.assert_array_equal(
        ours.predict(queries[0]), theirs.predict(queries[0]), strict=True
    )


def test_tpe_finds_the_top_of_a_hill_of_ordinals():
    space = SearchSpace(
        tuple(Decision(f"d{i}", tuple(range(5))) for i in range(4))
    )
    searcher = OptunaSearcher(space, sampler="tpe", seed=0)
    for _ in range(20):
        asked = searcher.ask(4)
        searcher.tell(asked, [float(sum(tokens)) for tokens in asked])
    # The maximum is 16; the best of 80 random points has a median below 14.
    assert sum(searcher.recommend()) >= 15


def test_an_unknown_sampler_is_refused_with_the_known_ones():
    assert list(SAMPLERS) == [
        *("tpe", "tpe_multivariate", "tpe_independent", "gp")
    ]
    with pytest.raises(ConfigError, match=r"\['tpe', .*Received: 'cma'"):
        OptunaSearcher(SPACE, sampler="cma")
