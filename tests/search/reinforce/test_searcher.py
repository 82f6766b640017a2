"""The model-based controller and its policy's practice."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from audiotag_nas.errors import ConfigError
from audiotag_nas.search import Decision, SearchSpace, make_searcher
from audiotag_nas.search.policy_gradient import PolicyGradient, evaluate
from audiotag_nas.search.reinforce.initial_points import balanced_points
from audiotag_nas.search.reinforce.policy import AutoregressivePolicy
from audiotag_nas.search.reinforce.policy_training import (
    standardized_advantages,
)
from tests.fakes import fake_reward

CHOICES = (3, 2, 4)
EVERY_POINT = np.array(list(itertools.product(*map(range, CHOICES))))


def space(*num_choices: int) -> SearchSpace:
    return SearchSpace(
        tuple(
            Decision(f"d{i}", tuple(range(n)))
            for i, n in enumerate(num_choices)
        )
    )


def random_policy(seed: int) -> AutoregressivePolicy:
    policy = AutoregressivePolicy(CHOICES)
    shape = policy.weights.shape
    policy.weights.assign(np.random.default_rng(seed).normal(size=shape))
    return policy


def search(searcher, reward, num: int) -> list[list]:
    rounds = []
    for _ in range(num // 4):
        asked = searcher.ask(4)
        searcher.tell(asked, [reward(tokens) for tokens in asked])
        rounds.append(asked)
    return rounds


def test_the_policy_is_a_distribution_and_uniform_at_first():
    log_prob, _ = evaluate(AutoregressivePolicy(CHOICES), EVERY_POINT)
    assert np.exp(log_prob) == pytest.approx(np.full(24, 1 / 24))
    log_prob, _ = evaluate(random_policy(1), EVERY_POINT)
    assert np.sum(np.exp(log_prob)) == pytest.approx(1, abs=1e-5)


def test_what_it_draws_is_what_it_says_is_probable():
    policy = random_policy(2)
    drawn = PolicyGradient(policy, learning_rate=0.1, clip_norm=1.0).sample(
        20000, (3, 4)
    )
    assert len(np.unique(drawn, axis=0)) > 15
    log_prob, _ = evaluate(policy, tf.constant(EVERY_POINT, tf.int32))
    for point, p in zip(EVERY_POINT, np.exp(log_prob), strict=True):
        share = np.mean(np.all(drawn == point, axis=1))
        deviation = np.sqrt(p * (1 - p) / 20000)
        assert abs(share - p) <= 4.5 * deviation + 1e-4


def test_a_policy_that_practises_learns_a_pair_that_no_single_choice_shows():
    # Rewarded where the first two tokens agree: no main effect at all.
    policy = AutoregressivePolicy((2, 2))
    steps = PolicyGradient(policy, learning_rate=0.1, clip_norm=10.0)
    for step in range(60):
        drawn = steps.sample(64, (0, step))
        agree = (drawn[:, 0] == drawn[:, 1]).astype(float)
        steps.update(drawn, agree - 0.5, entropy_weight=0.1)
    log_prob, _ = evaluate(policy, np.array([(0, 0), (1, 1)]))
    assert np.sum(np.exp(log_prob)) > 0.9
    assert np.min(np.exp(log_prob)) > 0.2  # the entropy keeps both


def test_advantages_are_in_median_deviations_and_bounded():
    # Median 2, distances -2 -1 0 1 98: median deviation 1.
    rewards = np.array([0.0, 1.0, 2.0, 3.0, 100.0])
    assert list(standardized_advantages(rewards)) == [-2, -1, 0, 1, 3]
    assert list(standardized_advantages(np.ones(4))) == [0, 0, 0, 0]


def test_the_first_points_have_every_choice_equally_often():
    points = np.array(
        balanced_points(space(4, 2, 3), 12, np.random.default_rng(0))
    )
    for column, num in zip(points.T, (4, 2, 3), strict=True):
        assert list(np.bincount(column)) == [12 // num] * num
    searcher = make_searcher("reinforce", space(4, 2, 3), seed=2)
    first = np.array(searcher.ask(5) + searcher.ask(7))
    assert list(np.bincount(first[:, 0])) == [3, 3, 3, 3]


def test_of_many_choices_the_first_points_reach_from_end_to_end():
    points = np.array(balanced_points(space(48), 12, np.random.default_rng(0)))
    # One in each twelfth.
    assert sorted(points[:, 0] // 4) == list(range(12))


@pytest.mark.parametrize("sizes", [(3, 3, 3), (6, 2), (2, 2, 4), (4, 2, 3)])
def test_the_first_points_are_different_and_still_balanced(sizes):
    for seed in range(40):
        points = balanced_points(
            space(*sizes), 12, np.random.default_rng([seed, 1])
        )
        assert len(set(points)) == len(points) == 12
        for column, num in zip(np.array(points).T, sizes, strict=True):
            counts = np.bincount(column, minlength=num)
            assert sum(counts) == 12
            assert max(counts) - min(counts) <= (12 % num > 0)


def test_first_points_without_a_repeat_are_those_of_the_hypercube():
    # Worked out by NumPy alone: a column is a permutation of its tokens.
    generator = np.random.default_rng([5, 1])
    columns = [generator.permutation(np.arange(12) % n) for n in (4, 4, 4, 3)]
    expected = [tuple(map(int, row)) for row in zip(*columns, strict=True)]
    assert len(set(expected)) == 12
    assert (
        balanced_points(space(4, 4, 4, 3), 12, np.random.default_rng([5, 1]))
        == expected
    )


@pytest.mark.parametrize("sizes", [(2, 3), (1,), (4, 2)])
def test_of_a_space_smaller_than_the_first_points_each_comes_once(sizes):
    every = set(itertools.product(*map(range, sizes)))
    for seed in range(5):
        points = balanced_points(space(*sizes), 12, np.random.default_rng(seed))
        assert len(points) == len(every)
        assert set(points) == every


def test_a_space_of_six_points_takes_six_trainings_to_see():
    searcher = make_searcher("reinforce", space(2, 3), seed=0)
    asked = searcher.ask(4) + searcher.ask(2)
    assert set(asked) == set(itertools.product(range(2), range(3)))


def test_a_round_of_more_than_the_first_points_has_no_repeat():
    for seed in range(3):
        searcher = make_searcher("reinforce", space(4, 4, 3), seed=seed)
        assert len(set(searcher.ask(30) + searcher.ask(18))) == 48


@pytest.mark.parametrize("num_told", [0, 7])
def test_without_reevaluation_every_point_comes_before_any_comes_again(
    num_told,
):
    every = list(itertools.product(range(3), range(4), range(2), range(2)))
    told = [every[i] for i in np.random.default_rng(1).permutation(48)]
    told = told[:num_told]
    searcher = make_searcher(
        "reinforce", space(3, 4, 2, 2), seed=6, reevaluate=False, policy_steps=0
    )
    searcher.tell(told, [float(sum(t)) for t in told])
    asked, waiting = [], []
    while len(asked) + num_told < 48:
        # A round is told after the next is asked for.
        batch = searcher.ask(min(5, 48 - num_told - len(asked)))
        searcher.tell(waiting, [float(sum(t)) for t in waiting])
        asked, waiting = asked + batch, batch
    assert sorted([*told, *asked]) == every


def test_without_reevaluation_the_last_points_of_a_space_are_found():
    # One of the three is no draw, no sample and no neighbor of the best.
    sizes = (3, 3, 4, 4)
    every = list(itertools.product(*map(range, sizes)))
    left = [every[28], every[72], every[135]]
    told = [point for point in every if point not in left]
    searcher = make_searcher(
        "reinforce", space(*sizes), seed=1, reevaluate=False, policy_steps=0
    )
    searcher.tell(told, [fake_reward(tokens) for tokens in told])
    assert set(searcher.ask(3)) == set(left)
    assert len(searcher.ask(2)) == 2  # all are open now


def test_what_is_proposed_does_not_depend_on_who_looked():
    def proposed(looks: bool) -> list:
        searcher = make_searcher("reinforce", space(4, 4, 4, 4), seed=3)
        rounds = []
        for _ in range(8):
            asked = searcher.ask(4)
            for tokens in asked:
                searcher.tell([tokens], [fake_reward(tokens)])
                if looks:
                    searcher.recommend()
            rounds.append(asked)
        return [*rounds, searcher.recommend(), searcher.model.hyperparameters]

    assert proposed(looks=True) == proposed(looks=False)


def test_how_much_a_failure_costs_does_not_decide_where_to_search():
    # Every point with d0 = 3 fails.
    def proposed(penalty: float) -> list:
        def reward(tokens) -> float:
            worth = sum(tokens[1:]) / 27 + 0.1 * fake_reward(tokens)
            return penalty if tokens[0] == 3 else worth

        searcher = make_searcher("reinforce", space(*[4] * 10), seed=1)
        return search(searcher, reward, 60)

    assert proposed(-1.0) == proposed(-1e6)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_forty_trainings_find_the_best_of_fifty_nine_thousand_points(seed):
    # 3^10 points, additive with interactions of neighbors, best known.
    best = np.random.default_rng(seed).integers(0, 3, 10)

    def reward(tokens) -> float:
        same = np.array(tokens) == best
        return float(same.sum() + 0.5 * np.sum(same[1:] & same[:-1]))

    searcher = make_searcher("reinforce", space(*[3] * 10), seed=seed)
    search(searcher, reward, 40)
    assert searcher.recommend() == tuple(best)


def test_noise_decides_how_much_is_trained_again():
    generator = np.random.default_rng(0)

    def num_repeated(noise: float) -> int:
        searcher = make_searcher("reinforce", space(*[3] * 4), seed=1)
        asked = search(
            searcher,
            lambda t: -float(sum(t)) + noise * generator.normal(),
            40,
        )
        points = [tokens for batch in asked for tokens in batch]
        return len(points) - len(set(points))

    quiet, loud = num_repeated(0.0), num_repeated(3.0)
    assert loud >= 2 * quiet


def test_where_no_training_can_teach_anything_none_is_repeated():
    # A sum without noise: once the model is sure of it, every knowledge
    # gradient is 0, and the first of equals was the incumbent, again and
    # again. There are new points as long as there are any.
    for sizes, num_repeated in (((4,) * 6, 0), ((4,) * 3, 80 - 64)):
        searcher = make_searcher("reinforce", space(*sizes), seed=1)
        asked = search(searcher, lambda t: float(sum(t)), 80)
        points = [tokens for batch in asked for tokens in batch]
        assert len(points) - len(set(points)) == num_repeated


def test_without_reevaluation_no_point_comes_twice_while_there_are_others():
    searcher = make_searcher(
        "reinforce", space(*[3] * 4), seed=1, reevaluate=False
    )
    assert not searcher.repeats_on_purpose
    generator = np.random.default_rng(0)
    asked = search(searcher, lambda t: float(generator.normal()), 48)
    points = [tokens for batch in asked for tokens in batch]
    assert len(set(points)) == 48


def test_what_is_still_in_training_is_not_asked_for_again():
    searcher = make_searcher(
        "reinforce", space(*[4] * 6), seed=3, reevaluate=False
    )
    search(searcher, lambda t: float(sum(t)), 12)
    open_points = [tokens for _ in range(6) for tokens in searcher.ask(2)]
    assert len(set(open_points)) == 12


def test_a_lucky_point_is_not_recommended_over_a_steady_one():
    searcher = make_searcher("reinforce", space(*[3] * 4), seed=0)
    generator = np.random.default_rng(3)
    points = [tuple(map(int, p)) for p in generator.integers(0, 3, (40, 4))]
    noise = generator.normal(0, 0.5, 40)
    # The truth is minus the sum of the tokens.
    searcher.tell(
        points, [-sum(p) + e for p, e in zip(points, noise, strict=True)]
    )
    lucky, steady = (1, 0, 1, 0), (0, 0, 0, 0)
    searcher.tell([lucky, *[steady] * 5], [0.3, -0.1, 0.1, 0.0, 0.2, -0.2])
    assert searcher.recommend() == steady


def test_where_nothing_more_is_promised_points_from_anywhere_are_tried():
    # A plateau that is known after some points, and a needle elsewhere.
    searcher = make_searcher("reinforce", space(*[3] * 5), seed=5)
    asked = search(searcher, lambda t: float(t[0] == 1), 72)
    late = [tokens for batch in asked[8:] for tokens in batch]
    # Of uniform points two thirds have another first token.
    assert np.mean([tokens[0] != 1 for tokens in late]) > 0.15


def test_who_was_told_enough_needs_no_first_points():
    searcher = make_searcher("reinforce", space(*[3] * 5), seed=0)
    generator = np.random.default_rng(1)
    points = [tuple(map(int, p)) for p in generator.integers(0, 3, (40, 5))]
    searcher.tell(points, [-float(sum(p)) for p in points])
    # No first point has the least sum; the model knows where it is.
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


def test_the_greatest_entropy_bonus_leaves_the_policy_uniform():
    searcher = make_searcher(
        "reinforce", space(2, 3), seed=0, policy_entropy=1000
    )
    search(searcher, lambda t: float(sum(t)), 24)
    # Nats of a uniform point of the space.
    assert searcher.metrics["entropy"] == pytest.approx(np.log(6), abs=0.05)
