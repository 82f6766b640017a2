"""The contract of `Searcher`, kept by every searcher."""

import contextlib
import itertools
import json
import re
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from audiotag_nas.config import SearchConfig
from audiotag_nas.config.searchers import SEARCHER_SETTINGS
from audiotag_nas.errors import ConfigError
from audiotag_nas.search import (
    SEARCHERS,
    Decision,
    SearchSpace,
    make_searcher,
    searcher_settings,
)
from tests.fakes import fake_reward

# All numbers of choices differ, and one decision has a single choice.
SPACE = SearchSpace(
    (
        Decision("filters", (8, 16, 32)),
        Decision("recurrent", ("bgru", "gated_bgru"), ordinal=False),
        Decision("fixed", (True,)),
        Decision("height", (1, 3, 5, 7, 9)),
    )
)
EVERY = pytest.mark.parametrize("name", list(SEARCHERS))


@EVERY
def test_asked_points_are_tuples_of_python_ints_in_the_space(name):
    searcher = make_searcher(name, SPACE, seed=1)
    asked = searcher.ask(7) + searcher.ask(2)

    assert len(asked) == 9
    for tokens in asked:
        assert isinstance(tokens, tuple)
        assert [type(token) for token in tokens] == [int] * 4
        assert SPACE.validate(tokens) == tokens


@EVERY
def test_the_same_calls_give_the_same_tokens_bit_for_bit(name):
    def replay() -> list:
        searcher = make_searcher(name, SPACE, seed=11)
        rounds = []
        for num in (4, 1, 6, 4):
            rounds.append(searcher.ask(num))
            told = [*rounds[-1][: num - 1], (0, 1, 0, 4)]
            searcher.tell(told, [fake_reward(tokens) for tokens in told])
        return [*rounds, searcher.recommend()]

    assert replay() == replay()


@pytest.mark.parametrize("name", [n for n in SEARCHERS if n != "grid"])
def test_rounds_and_seeds_differ(name):
    first = make_searcher(name, SPACE, seed=0)
    second = make_searcher(name, SPACE, seed=1)
    rounds = [first.ask(20), first.ask(20), second.ask(20)]
    for left, right in itertools.combinations(rounds, 2):
        assert left != right


@EVERY
def test_the_recommendation_is_the_first_point_of_the_best_mean_reward(name):
    lucky, steady, equal = (0, 0, 0, 0), (2, 1, 0, 3), (1, 1, 0, 1)
    searcher = make_searcher(name, SPACE)
    searcher.tell([lucky, steady, steady, steady], [0.9, 0.6, 0.6, 0.6])
    # The mean of three 0.6 is exactly 0.6, although 0.6 + 0.6 + 0.6 != 1.8.
    searcher.tell([lucky, equal], [0.1, 0.6])
    assert searcher.recommend() == steady


@EVERY
def test_a_recommendation_needs_an_observed_point(name):
    searcher = make_searcher(name, SPACE)
    searcher.ask(3)
    searcher.tell([], [])
    with pytest.raises(ConfigError, match="must be told a reward first"):
        searcher.recommend()
    searcher.tell([(0, 0, 0, 0)], [0.5])
    with pytest.raises(ConfigError, match="Received: 1 points"):
        searcher.recommend(among=[(1, 1, 0, 1)])


@EVERY
def test_the_recommendation_is_the_best_among_the_given_points(name):
    searcher = make_searcher(name, SPACE)
    points = [(0, 0, 0, 0), (2, 1, 0, 3), (1, 1, 0, 1), (2, 0, 0, 4)]
    searcher.tell(points, [0.2, 0.9, 0.5, 0.3])
    assert searcher.recommend() == points[1]
    assert searcher.recommend(among={points[0], points[2]}) == points[2]
    # Points that were never told are ignored.
    assert searcher.recommend(among=[points[3], (0, 1, 0, 2)]) == points[3]


@EVERY
def test_points_to_choose_among_may_be_lists_arrays_or_iterators(name):
    searcher = make_searcher(name, SPACE)
    points = [(0, 0, 0, 0), (2, 1, 0, 3), (1, 1, 0, 1), (2, 0, 0, 4)]
    searcher.tell(points, [0.2, 0.9, 0.5, 0.3])
    rows = json.loads(json.dumps([points[0], points[2]]))
    assert searcher.recommend(among=rows) == points[2]
    assert searcher.recommend(among=(row for row in rows)) == points[2]
    assert searcher.recommend(among=np.array(rows)) == points[2]
    for among, rule in [
        ([[1, 1, 0, 4]], "must have been told a reward. Received: 1 points"),
        (iter([(1, 1, 0, 4), (0, 1, 0, 0)]), "a reward. Received: 2 points"),
        ([], "Received: 0 points"),
        ([[1, 1]], "tokens must be 4, one per decision"),
        ([[0, 0, 0, 5]], "`height` must be from 0 to 4. Received: 5"),
        ((0, 0, 0, 0), "tokens must be whole numbers. Received: 0"),
        (3, "`among` must be points of the space, .* Received: 3"),
    ]:
        with pytest.raises(ConfigError, match=rule):
            searcher.recommend(among=among)


@EVERY
def test_nothing_of_an_invalid_batch_is_learned(name):
    point, nan, inf = (0, 0, 0, 0), float("nan"), float("inf")
    searcher = make_searcher(name, SPACE)
    searcher.tell([(1, 1, 0, 1)], [0.1])
    before = searcher.recommend()
    for tokens, rewards, rule in [
        ([point], [nan], "finite number. Received: nan"),
        ([point], [-inf], "finite number. Received: -inf"),
        ([point], [None], "finite number. Received: None"),
        ([point], ["0.5"], "finite number. Received: '0.5'"),
        ([point], [np.str_("0.5")], "must be a finite number"),
        ([point], [b"0.5"], "finite number. Received: b'0.5'"),
        ([point], [-2e15], r"at most 1e\+15 in magnitude. Received: -2000"),
        ([point], [1e308], r"at most 1e\+15 in magnitude. Received: 1e\+308"),
        ([point], [0.5, 0.5], "2 tuples and 3 rewards"),
        ([(0, 0, 1, 0)], [0.5], "`fixed` must be from 0 to 0. Received: 1"),
        ([(0, 0, 0)], [0.5], "must be 4, one per decision"),
    ]:
        with pytest.raises(ConfigError, match=rule):
            searcher.tell([(2, 1, 0, 2), *tokens], [0.9, *rewards])
        assert searcher.recommend() == before
    for tokens, rewards, rule in [
        ([point], 0.5, r"`rewards` must be a list .* Received: 0\.5"),
        (None, [0.5], r"`tokens` must be a list .* Received: None"),
    ]:
        with pytest.raises(ConfigError, match=rule):
            searcher.tell(tokens, rewards)
        assert searcher.recommend() == before


@EVERY
def test_batches_may_be_iterators_or_arrays(name):
    searcher = make_searcher(name, SPACE)
    points = [(0, 0, 0, 0), (2, 1, 0, 3)]
    searcher.tell(iter(points), (reward for reward in (0.2, 0.9)))
    assert searcher.recommend() == points[1]
    searcher.tell(np.array(points[:1]), np.array([1.9]))
    assert searcher.recommend() == points[0]


@EVERY
def test_the_largest_rewards_are_learned_without_overflow(name):
    # The sign of the reward depends on one decision.
    searcher = make_searcher(name, SPACE, seed=2)
    with np.errstate(over="raise", invalid="raise"):
        for _ in range(12):
            asked = searcher.ask(4)
            signs = [1 if tokens[1] else -1 for tokens in asked]
            searcher.tell(asked, [1e15 * sign for sign in signs])
        asked = searcher.ask(4)
    if name == "reinforce_plain":
        for variable in searcher.policy.variables:
            assert np.isfinite(variable.numpy()).all()
    assert all(SPACE.validate(tokens) for tokens in asked)
    assert searcher.recommend()[1] == 1


@EVERY
@pytest.mark.parametrize(
    "num", [0, -1, 1.5, True, np.True_, "4", None, np.int64(0), np.float64(2)]
)
def test_the_size_of_a_round_is_a_positive_int(name, num):
    with pytest.raises(ConfigError, match="int of 1 or more"):
        make_searcher(name, SPACE).ask(num)


@pytest.mark.parametrize(
    "name", [n for n in SEARCHERS if n != "reinforce_plain"]
)
def test_numpy_ints_are_accepted(name):
    with_ints = make_searcher(name, SPACE, seed=3)
    with_numpy = make_searcher(name, SPACE, seed=np.int64(3))
    for num in (2, 3):
        asked = with_ints.ask(num)
        assert asked == with_numpy.ask(np.int64(num))
        rewards = [fake_reward(tokens) for tokens in asked]
        with_ints.tell(asked, rewards)
        with_numpy.tell(np.array(asked), np.array(rewards, np.float64))
    assert with_ints.recommend() == with_numpy.recommend()


def test_settings_may_be_numpy_numbers():
    searcher = make_searcher("evolution", SPACE, population=np.int64(3))
    asked = searcher.ask(9)
    same = make_searcher("evolution", SPACE, population=3)
    assert same.ask(9) == asked
    with pytest.raises(ConfigError, match=r"must be an int\. Received: 3\.0"):
        make_searcher("evolution", SPACE, sample=np.float64(3))


@pytest.mark.parametrize(
    "setting", ["learning_rate", "entropy_weight", "clip_norm"]
)
def test_settings_that_overflow_single_precision_are_refused(setting):
    with pytest.raises(ConfigError, match=rf"{setting}: .* at most 1e\+15"):
        make_searcher("reinforce_plain", SPACE, **{setting: 1e30})


@EVERY
def test_the_space_must_be_a_search_space(name):
    decision = SPACE.decisions[0]
    for wrong in ([decision], decision, {"filters": (8, 16)}, None):
        with pytest.raises(ConfigError, match="`space` must be a SearchSpace"):
            make_searcher(name, wrong)


def test_an_error_lists_the_allowed_searchers_settings_and_seeds():
    with pytest.raises(ConfigError, match=r"one of reinforce, .*, grid\."):
        make_searcher("anneal", SPACE)
    with pytest.raises(ConfigError, match=r"no setting `clip_norm`.*none"):
        make_searcher("random", SPACE, clip_norm=1.0)
    with pytest.raises(ConfigError, match=r"no setting `lr`.*`num_initial`"):
        make_searcher("reinforce", SPACE, lr=1.0)
    for seed in (-1, 1.0, True, "1", None, 2**63, np.int64(-1)):
        rule = rf"from 0 to 2.*Received: {re.escape(repr(seed))}"
        with pytest.raises(ConfigError, match=rule):
            make_searcher("random", SPACE, seed=seed)


def test_every_searcher_has_settings_and_the_config_has_them():
    assert list(SEARCHER_SETTINGS) == list(SEARCHERS)
    config = SearchConfig()
    for name, settings in SEARCHER_SETTINGS.items():
        config.searcher = name
        assert config.searcher_settings == vars(settings())
        assert searcher_settings(name) == tuple(config.searcher_settings)


@EVERY
def test_rounds_may_overlap_fail_and_be_told_in_part(name):
    searcher = make_searcher(name, SPACE, seed=3)
    rounds = [searcher.ask(4), searcher.ask(3)]
    for _ in range(5):
        told = rounds.pop(0)[1:]
        # The penalty of failures is far below every reward.
        rewards = [fake_reward(tokens) for tokens in told]
        searcher.tell(told, [r if r > 0.3 else -1e3 for r in rewards])
        rounds.append(searcher.ask(4))
        for tokens in rounds[-1]:
            assert SPACE.validate(tokens) == tokens


@EVERY
@pytest.mark.parametrize("num_choices", [1, 2])
def test_an_exhausted_space_is_no_error(name, num_choices):
    space = SearchSpace((Decision("a", tuple(range(num_choices))),))
    searcher = make_searcher(name, space)
    for _ in range(8):
        asked = searcher.ask(3)
        searcher.tell(asked, [0.5] * len(asked))
    assert searcher.recommend() in {(0,), (1,)}


def test_random_search_draws_choices_uniformly():
    searcher = make_searcher("random", SPACE, seed=5)
    tokens = np.array(searcher.ask(3000))
    for column, num in zip(tokens.T, SPACE.num_choices, strict=True):
        counts = np.bincount(column, minlength=num)
        deviation = np.sqrt(3000 / num * (1 - 1 / num))
        assert np.all(np.abs(counts - 3000 / num) <= 4 * deviation)


def test_a_grid_returns_every_point_in_order_and_then_ends():
    searcher = make_searcher("grid", SPACE)
    expected = [
        (a, b, 0, d) for a in range(3) for b in range(2) for d in range(5)
    ]
    assert searcher.ask(7) + searcher.ask(7) == expected[:14]
    assert searcher.ask(50) == expected[14:]
    searcher.tell(expected, [float(i) for i in range(30)])
    assert searcher.ask(1) == []
    assert searcher.ask(4) == []
    assert searcher.recommend() == (2, 1, 0, 4)


def test_a_search_is_resumed_by_the_documented_code(tmp_path, monkeypatch):
    page = Path(__file__).parents[2] / "docs" / "guide" / "searchers.md"
    text = page.read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (resume,) = (block for block in blocks if "rounds.jsonl" in block)
    space, _, _ = blocks[0].partition("searcher = ")
    script = tmp_path / "search.py"
    # This searcher also learns, but it needs no TensorFlow.
    script.write_text(
        (space + resume).replace('"reinforce"', '"gaussian_process"')
    )

    def run(directory: Path, num_trainings: int) -> list[dict]:
        trained = []

        def train(values: dict) -> float:
            if len(trained) == num_trainings:
                raise KeyboardInterrupt
            trained.append(values)
            return values["filters"] / (1 + values["height"])

        directory.mkdir(exist_ok=True)
        monkeypatch.chdir(directory)
        with contextlib.suppress(KeyboardInterrupt):
            runpy.run_path(str(script), init_globals={"train": train})
        return trained

    whole = run(tmp_path / "whole", 24)
    assert len(whole) == 24
    # The search is interrupted within the fourth round, which is repeated.
    begun = run(tmp_path / "parts", 14)
    assert begun[:12] + run(tmp_path / "parts", 24) == whole
    paths = [tmp_path / name / "rounds.jsonl" for name in ("whole", "parts")]
    assert paths[0].read_text() == paths[1].read_text()


def test_only_reinforce_searchers_import_tensorflow():
    code = (
        "import sys\n"
        "from audiotag_nas.search import Decision, SearchSpace, make_searcher\n"
        "from audiotag_nas.search import journal, lock, loop\n"
        "space = SearchSpace((Decision('a', (1, 2)),))\n"
        "make_searcher('random', space, seed=0).ask(2)\n"
        "make_searcher('grid', space).ask(2)\n"
        "make_searcher('evolution', space).ask(2)\n"
        "make_searcher('local_search', space).ask(2)\n"
        "make_searcher('gaussian_process', space).ask(2)\n"
        "sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
