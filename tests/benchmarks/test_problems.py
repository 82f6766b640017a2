"""Compares analytic problems with an enumeration of all their points."""

import itertools

import numpy as np
import pytest

from audiotag_nas.errors import ConfigError
from audiotag_nas.space import Decision, SearchSpace
from benchmarks.contest import problems

EVERY = pytest.mark.parametrize("name", list(problems.ANALYTIC))
SMALL = {
    "additive": {"num_choices": (3, 4, 2, 5)},
    "pairwise": {"num_choices": (2, 3, 1, 4, 3)},
    "deceptive": {"num_blocks": 2, "block_size": 3, "num_choices": 2},
    "needle": {"num_choices": (3, 2, 4, 1)},
    "noisy": {"num_choices": (3, 5, 2, 4)},
}


def every_value(problem):
    points = itertools.product(*map(range, problem.space.num_choices))
    return [problem.true_value(tokens) for tokens in points]


@EVERY
@pytest.mark.parametrize("seed", range(6))
def test_the_best_value_is_the_highest_of_all_points(name, seed):
    generator = np.random.default_rng(seed)
    problem = problems.ANALYTIC[name](generator, **SMALL[name])
    best = max(every_value(problem))
    assert problem.best_value == pytest.approx(best, abs=1e-12)


def test_a_needle_smaller_than_the_effects_is_not_the_best_point():
    problem = problems.NeedleProblem(
        name="needle",
        space=SearchSpace((Decision("a", (0, 1)), Decision("b", (0, 1, 2)))),
        effects=(np.array([0.0, 5.0]), np.array([0.0, 1.0, 3.0])),
        needle=(0, 1),
        heights=(2.0, 1.5),
        noise=0.0,
    )
    # (1, 1): 5 + 1 + 1.5 one token away; (1, 2): 5 + 3, two away.
    assert problem.best_value == pytest.approx(0.7 + 0.04 * 8.0)
    assert problem.true_value((1, 1)) == pytest.approx(0.7 + 0.04 * 7.5)
    assert problem.true_value((0, 1)) == pytest.approx(0.7 + 0.04 * 3.0)


def test_a_traps_value_falls_towards_its_best_point():
    problem = problems.TrapProblem(
        name="trap",
        space=SearchSpace(
            tuple(Decision(f"d{i}", (0, 1), ordinal=False) for i in range(5))
        ),
        blocks=((0, 2, 4), (3, 1)),
        best=(1, 0, 1, 0, 1),
        weights=(1.0, 0.5),
    )
    values = [
        # In the first block, 0, 1, 2 and 3 tokens agree with the best pattern.
        ((0, 0, 0, 0, 0), 0.7 + 0.5),
        ((1, 0, 0, 0, 0), 0.35 + 0.5),
        ((1, 0, 1, 0, 0), 0.0 + 0.5),
        ((1, 0, 1, 0, 1), 1.0 + 0.5),
        ((1, 1, 1, 0, 1), 1.0 + 0.0),
        ((1, 1, 1, 1, 1), 1.0 + 0.35),
    ]
    for tokens, total in values:
        assert problem.true_value(tokens) == pytest.approx(0.7 + 0.04 * total)


@pytest.mark.parametrize(
    ("name", "num_decisions", "size", "ordinal"),
    [
        ("additive", 21, 10**14, {True}),
        ("pairwise", 14, (4 * 3 * 5 * 4 * 3 * 4 * 5) ** 2, {True, False}),
        ("deceptive", 12, 4**12, {False}),
        ("needle", 8, 4**8, {False}),
        ("noisy", 10, 5**10, {True}),
    ],
)
def test_the_spaces_have_the_documented_sizes(
    name, num_decisions, size, ordinal
):
    space = problems.make_analytic(name, 0).space
    assert space.num_decisions == num_decisions
    assert space.size == size
    assert {decision.ordinal for decision in space.decisions} == ordinal


@EVERY
def test_a_seed_determines_the_instance(name):
    one, again, other = (problems.make_analytic(name, s) for s in (3, 3, 4))
    generator = np.random.default_rng(0)
    points = [
        tuple(int(generator.integers(n)) for n in one.space.num_choices)
        for _ in range(20)
    ]
    values = [[p.true_value(t) for t in points] for p in (one, again, other)]
    assert values[0] == values[1] != values[2]
    assert max(values[0]) < one.best_value


@pytest.mark.parametrize(
    ("name", "noise"),
    [
        ("additive", 0.012),
        ("pairwise", 0.012),
        ("deceptive", 0.0),
        ("needle", 0.02),
        ("noisy", 0.04),
    ],
)
def test_noise_and_spread_have_the_documented_standard_deviations(name, noise):
    problem = problems.make_analytic(name, 1)
    generator = np.random.default_rng(2)
    point = (1,) * problem.space.num_decisions
    rewards = np.array([problem.reward(point, generator) for _ in range(900)])
    truth = problem.true_value(point)
    assert abs(rewards.mean() - truth) <= 4 * noise / 30 + 1e-12
    assert rewards.std() == pytest.approx(noise, rel=0.1, abs=1e-12)
    points = [
        tuple(int(generator.integers(n)) for n in problem.space.num_choices)
        for _ in range(900)
    ]
    spread = np.std([problem.true_value(t) for t in points])
    assert spread == pytest.approx(0.04, rel=0.35)


def test_an_unknown_problem_is_refused_with_the_known_ones():
    with pytest.raises(ConfigError, match=r"additive.*Received: 'trap'"):
        problems.make_analytic("trap", 0)
