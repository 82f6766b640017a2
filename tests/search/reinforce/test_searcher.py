"""The default searcher as a whole."""

import itertools

import numpy as np
import pytest

from audiotag_nas.errors import ConfigError
from audiotag_nas.search import Decision, SearchSpace, make_searcher
from tests.fakes import fake_reward


def space(*num_choices: int) -> SearchSpace:
    return SearchSpace(
        tuple(
            Decision(f"d{i}", tuple(range(n)))
            for i, n in enumerate(num_choices)
        )
    )


def search(searcher, reward, num: int) -> list[list]:
    rounds = []
    for _ in range(num // 4):
        asked = searcher.ask(4)
        searcher.tell(asked, [reward(tokens) for tokens in asked])
        rounds.append(asked)
    return rounds


def test_a_space_of_six_points_is_tried_in_six_trainings():
    searcher = make_searcher("reinforce", space(2, 3), seed=0)
    asked = searcher.ask(4) + searcher.ask(2)
    assert set(asked) == set(itertools.product(range(2), range(3)))


def test_a_round_beyond_the_initial_points_has_no_repeat():
    for seed in range(3):
        searcher = make_searcher("reinforce", space(4, 4, 3), seed=seed)
        assert len(set(searcher.ask(30) + searcher.ask(18))) == 48


@pytest.mark.parametrize("num_told", [0, 7])
def test_without_reevaluation_no_point_repeats_before_all_are_asked(num_told):
    every = list(itertools.product(range(3), range(4), range(2), range(2)))
    told = [every[i] for i in np.random.default_rng(1).permutation(48)]
    told = told[:num_told]
    searcher = make_searcher(
        "reinforce", space(3, 4, 2, 2), seed=6, reevaluate=False, policy_steps=0
    )
    searcher.tell(told, [float(sum(t)) for t in told])
    asked, waiting = [], []
    while len(asked) + num_told < 48:
        # Each round is told after the next `ask`.
        batch = searcher.ask(min(5, 48 - num_told - len(asked)))
        searcher.tell(waiting, [float(sum(t)) for t in waiting])
        asked, waiting = asked + batch, batch
    assert sorted([*told, *asked]) == every


def test_without_reevaluation_the_last_points_of_a_space_are_asked():
    # One of the three points is not among the candidates.
    sizes = (3, 3, 4, 4)
    every = list(itertools.product(*map(range, sizes)))
    left = [every[28], every[72], every[135]]
    told = [point for point in every if point not in left]
    searcher = make_searcher(
        "reinforce", space(*sizes), seed=1, reevaluate=False, policy_steps=0
    )
    searcher.tell(told, [fake_reward(tokens) for tokens in told])
    assert set(searcher.ask(3)) == set(left)
    assert len(searcher.ask(2)) == 2  # all points are pending now


def test_recommendations_in_between_do_not_change_the_proposals():
    def proposed(recommends: bool) -> list:
        searcher = make_searcher("reinforce", space(4, 4, 4, 4), seed=3)
        rounds = []
        for _ in range(8):
            asked = searcher.ask(4)
            for tokens in asked:
                searcher.tell([tokens], [fake_reward(tokens)])
                if recommends:
                    searcher.recommend()
            rounds.append(asked)
        return [*rounds, searcher.recommend(), searcher.model.hyperparameters]

    assert proposed(recommends=True) == proposed(recommends=False)


def test_the_size_of_the_penalty_does_not_change_the_search():
    # Every point with d0 = 3 fails.
    def proposed(penalty: float) -> list:
        def reward(tokens) -> float:
            worth = sum(tokens[1:]) / 27 + 0.1 * fake_reward(tokens)
            return penalty if tokens[0] == 3 else worth

        searcher = make_searcher("reinforce", space(*[4] * 10), seed=1)
        return search(searcher, reward, 60)

    assert proposed(-1.0) == proposed(-1e6)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_forty_trainings_find_the_best_of_59049_points(seed):
    # The reward has main effects, and interactions of adjacent decisions.
    best = np.random.default_rng(seed).integers(0, 3, 10)

    def reward(tokens) -> float:
        same = np.array(tokens) == best
        return float(same.sum() + 0.5 * np.sum(same[1:] & same[:-1]))

    searcher = make_searcher("reinforce", space(*[3] * 10), seed=seed)
    search(searcher, reward, 40)
    assert searcher.recommend() == tuple(best)


def test_more_noise_means_more_retraining():
    generator = np.random.default_rng(0)

    def num_repeated(noise: float) -> int:
        searcher = make_searcher("reinforce", space(*[3] * 4), seed=1)
        asked = search(
            searcher, lambda t: -float(sum(t)) + noise * generator.normal(), 40
        )
        points = [tokens for batch in asked for tokens in batch]
        return len(points) - len(set(points))

    quiet, loud = num_repeated(0.0), num_repeated(3.0)
    assert loud >= 2 * quiet


def test_without_noise_no_point_is_retrained():
    # Once the model is certain of this sum, every knowledge gradient is 0.
    # The first of these equal values is that of the best observed point, but
    # new points are asked while there are any.
    for sizes, num_repeated in (((4,) * 6, 0), ((4,) * 3, 80 - 64)):
        searcher = make_searcher("reinforce", space(*sizes), seed=1)
        asked = search(searcher, lambda t: float(sum(t)), 80)
        points = [tokens for batch in asked for tokens in batch]
        assert len(points) - len(set(points)) == num_repeated


def test_without_reevaluation_no_point_is_asked_twice():
    searcher = make_searcher(
        "reinforce", space(*[3] * 4), seed=1, reevaluate=False
    )
    assert not searcher.repeats_on_purpose
    generator = np.random.default_rng(0)
    asked = search(searcher, lambda t: float(generator.normal()), 48)
    points = [tokens for batch in asked for tokens in batch]
    assert len(set(points)) == 48


def test_pending_points_are_not_asked_again():
    searcher = make_searcher(
        "reinforce", space(*[4] * 6), seed=3, reevaluate=False
    )
    search(searcher, lambda t: float(sum(t)), 12)
    pending = [tokens for _ in range(6) for tokens in searcher.ask(2)]
    assert len(set(pending)) == 12


def test_the_recommendation_is_not_the_point_with_one_lucky_reward():
    searcher = make_searcher("reinforce", space(*[3] * 4), seed=0)
    generator = np.random.default_rng(3)
    points = [tuple(map(int, p)) for p in generator.integers(0, 3, (40, 4))]
    noise = generator.normal(0, 0.5, 40)
    # The true reward is minus the sum of the tokens.
    searcher.tell(
        points, [-sum(p) + e for p, e in zip(points, noise, strict=True)]
    )
    lucky, steady = (1, 0, 1, 0), (0, 0, 0, 0)
    searcher.tell([lucky, *[steady] * 5], [0.3, -0.1, 0.1, 0.0, 0.2, -0.2])
    assert searcher.recommend() == steady


def test_random_points_are_tried_where_no_bound_is_high():
    # The model is certain of this plateau after some points.
    searcher = make_searcher("reinforce", space(*[3] * 5), seed=5)
    asked = search(searcher, lambda t: float(t[0] == 1), 72)
    late = [tokens for batch in asked[8:] for tokens in batch]
    # Two thirds of the uniform points have a different first token.
    assert np.mean([tokens[0] != 1 for tokens in late]) > 0.15


def test_no_initial_points_are_asked_after_enough_rewards():
    searcher = make_searcher("reinforce", space(*[3] * 5), seed=0)
    generator = np.random.default_rng(1)
    points = [tuple(map(int, p)) for p in generator.integers(0, 3, (40, 5))]
    searcher.tell(points, [-float(sum(p)) for p in points])
    # No initial point has the smallest sum; the model predicts this point.
    assert (0, 0, 0, 0, 0) in searcher.ask(4)


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        ({"num_initial": 1}, "num_initial: must be at least 2. Received: 1"),
        ({"policy_steps": -1}, "policy_steps: must be at least 0"),
        ({"policy_steps": 1001}, "policy_steps: must be .* and at most 1000"),
        ({"policy_entropy": -0.1}, "policy_entropy: must be at least 0"),
        (
            {"policy_entropy": 1e30},
            r"policy_entropy: must be .* at most 1000. Received: 1e\+30",
        ),
        (
            {"reevaluate": "false"},
            "reevaluate: must be true or false. Received: 'false'",
        ),
        ({"reevaluate": 0}, "reevaluate: must be true or false. Received: 0"),
    ],
)
def test_a_setting_out_of_its_range_is_named_with_the_rule(settings, rule):
    with pytest.raises(ConfigError, match=rf"^reinforce\.{rule}"):
        make_searcher("reinforce", space(2, 3), **settings)


def test_the_maximum_entropy_bonus_keeps_the_policy_uniform():
    searcher = make_searcher(
        "reinforce", space(2, 3), seed=0, policy_entropy=1000
    )
    search(searcher, lambda t: float(sum(t)), 24)
    # log 6 is the entropy of a uniformly drawn point of the space.
    assert searcher.metrics["entropy"] == pytest.approx(np.log(6), abs=0.05)
