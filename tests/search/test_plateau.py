"""Leaving a plateau of equal rewards by what seems the worst."""

import itertools

import numpy as np
import pytest

from audiotag_nas.search import Decision, SearchSpace, make_searcher
from audiotag_nas.search.plateau import PlateauProbes, find_plateau

NUM_DECISIONS = 9
SPACE = SearchSpace(
    tuple(
        Decision(f"d{i}", (0, 1, 2, 3), ordinal=False)
        for i in range(NUM_DECISIONS)
    )
)
BEST = (3, 1, 0, 2, 2, 1, 0, 3, 1)
# Each block is worth its weight if all of it is right, else 0.7 of it, less
# half of that for each decision that is right.
BLOCKS = ((0, 3, 7), (1, 2, 8), (4, 5, 6))
WEIGHTS = (1.0, 1.23, 1.49)


def trap(tokens) -> float:
    total = 0.0
    for block, weight in zip(BLOCKS, WEIGHTS, strict=True):
        right = sum(tokens[i] == BEST[i] for i in block)
        total += weight * (1.0 if right == 3 else 0.35 * (2 - right))
    return total


def told(*values: float) -> dict:
    """A reward each of the first points of the space."""
    points = itertools.product(range(4), repeat=NUM_DECISIONS)
    return {p: [v] for p, v in zip(points, values, strict=False)}


DRAWN = (0.1, 0.2, 0.31, 0.318, 0.45, 0.52)
SEARCHED = (0.9, 0.7, 0.9, 0.9, 0.9)
REPEATED = {(3,) * NUM_DECISIONS: [0.2, 0.3]}


def plateau_of(drawn, searched, *, also=None):
    rewards = told(*drawn, *searched)
    return find_plateau(rewards | (also or {}), list(rewards)[len(drawn) :])


def test_a_plateau_is_where_what_is_searched_for_is_equal_and_others_far():
    plateau = plateau_of(DRAWN, SEARCHED)
    points = list(told(*DRAWN, *SEARCHED))
    assert plateau.points == [points[i] for i in (6, 8, 9, 10)]
    assert plateau.best == 0.9
    # The third lower reward, after 0.7 and 0.52, is 0.45.
    assert plateau.drop == pytest.approx(0.45)


@pytest.mark.parametrize(
    ("drawn", "searched", "also"),
    [
        (DRAWN, (0.9, 0.901, 0.903, 0.904, 0.9, 0.9), None),
        # In steps of 0.2 the third lower one is less than four steps away.
        ((0.1, 0.3, 0.5, 0.5, 0.7), (0.9, 0.7, 0.9, 0.9, 0.9), None),
        ((0.4, 0.5, 0.7, 0.0), (0.0, 0.0, 0.0, 0.0, 0.0), None),
        (DRAWN, SEARCHED, REPEATED),
        (DRAWN, (0.9, 0.9, 0.9), None),
        (DRAWN, (0.9, 0.9, 0.9, 0.9, 0.91, 0.92, 0.93), None),
        ((0.9, 0.9), (0.9, 0.9, 0.9, 0.9), None),
    ],
    ids=["unlike", "coarse", "failures", "noise", "few", "past", "flat"],
)
def test_no_plateau_is_seen_where(drawn, searched, also):
    assert plateau_of(drawn, searched, also=also) is None


def test_it_is_left_when_something_is_much_better_or_noisy():
    plateau = plateau_of(DRAWN, SEARCHED)
    rewards = told(*DRAWN, *SEARCHED)
    assert plateau.is_one_still(rewards)
    assert plateau.is_one_still(told(*DRAWN, *SEARCHED, 1.34))
    assert not plateau.is_one_still(told(*DRAWN, *SEARCHED, 1.36))
    assert not plateau.is_one_still(rewards | REPEATED)


def test_the_opposite_has_the_choice_that_does_worst_of_each_decision():
    # Of a sum the worst choices are those of the least effects.
    effects = np.random.default_rng(0).normal(size=(NUM_DECISIONS, 4))
    worst = tuple(map(int, effects.argmin(axis=1)))
    points = np.random.default_rng(1).integers(4, size=(200, NUM_DECISIONS))
    rewards = {
        tuple(map(int, p)): [float(effects[range(NUM_DECISIONS), p].sum())]
        for p in points
    }
    rewards.pop(worst, None)
    uniform = set(rewards)
    # What was searched for, next to the worst, is of no account.
    rewards |= {(*worst[:-1], (worst[-1] + i) % 4): [20.0] for i in range(1, 4)}
    drawn = PlateauProbes(SPACE).draw(
        12,
        rewards,
        uniform=uniform,
        taken=set(rewards),
        generator=np.random.default_rng(2),
    )
    assert drawn.opposites[0] == worst
    assert len(drawn.opposites) <= 3
    every = [*drawn.opposites, *drawn.uniform]
    assert len(set(every)) == len(every)
    assert not {*every} & {*rewards}


def test_a_choice_that_networks_of_the_plateau_have_is_no_opposite():
    # Chance makes the first decision's choice 0 look the worst.
    generator = np.random.default_rng(6)
    drawn = generator.permutation(4**NUM_DECISIONS)[:40]
    rewards = {
        tuple(int(i) // 4**d % 4 for d in range(NUM_DECISIONS)): [0.0]
        for i in drawn
    }
    for number, point in enumerate(rewards):
        rewards[point] = [0.1 * point[0] + number / 1000]
    uniform = set(rewards)
    for last in range(4):
        rewards[(0, *BEST[1:-1], last)] = [0.9]
    probes = PlateauProbes(SPACE)
    opposites = []
    for _ in range(6):
        assert probes.is_due(rewards, uniform)
        opposites += probes.draw(
            4, rewards, uniform=uniform, taken=(), generator=generator
        ).opposites
    assert opposites
    # 1 is the worst of those left.
    assert {point[0] for point in opposites} == {1}
    # All choices of the last decision are on the plateau: any may be one.
    assert all(
        point[d] != BEST[d]
        for point in opposites
        for d in range(1, NUM_DECISIONS - 1)
    )


def test_probes_come_in_bursts_with_searching_in_between():
    rewards = told(*DRAWN, *SEARCHED)
    uniform = set(told(*DRAWN))
    probes = PlateauProbes(SPACE)
    generator = np.random.default_rng(3)
    repeated = []
    for _ in range(6):
        assert probes.is_due(rewards, uniform)
        drawn = probes.draw(
            4, rewards, uniform=uniform, taken=set(rewards), generator=generator
        )
        assert len([*drawn.repeats, *drawn.opposites, *drawn.uniform]) == 4
        for point in (*drawn.opposites, *drawn.uniform):
            rewards[point] = [float(generator.uniform(0, 0.3))]
        for point in drawn.repeats:
            rewards[point] = [0.9, 0.9]
        repeated += drawn.repeats
        uniform.update(drawn.uniform)
    assert len(set(repeated)) == len(repeated) == 2
    others = itertools.product((3,), *[range(4)] * (NUM_DECISIONS - 1))
    new = (point for point in others if point not in rewards)
    for _ in range(12):
        assert not probes.is_due(rewards, uniform)
        rewards[next(new)] = [0.9]
    assert probes.is_due(rewards, uniform)


def search(reward, seed: int, *, num_rounds: int = 40, **settings) -> list:
    settings = {"policy_steps": 0, **settings}
    searcher = make_searcher("reinforce", SPACE, seed=seed, **settings)
    rounds = []
    for _ in range(num_rounds):
        rounds.append(searcher.ask(4))
        searcher.tell(rounds[-1], [reward(tokens) for tokens in rounds[-1]])
    return [*rounds, searcher.recommend()]


def test_the_best_of_three_traps_is_found_though_all_else_leads_away():
    found = [search(trap, seed) for seed in range(4)]
    # One of 262,144 points. Seven of eight searches find it; those that do not
    # oppose, none.
    assert sum(rounds[-1] == BEST for rounds in found) >= 2
    assert search(trap, 0, num_rounds=20)[:-1] == found[0][:20]
    for seed in range(2):
        assert search(trap, seed, reevaluate=False)[-1] != BEST
