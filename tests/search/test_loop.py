"""The search loop with real searchers and journals, and a fast runner."""

import dataclasses
import json
import re

import pytest

from audiotag_nas.errors import ConfigError, SearchError, StoreError
from audiotag_nas.search import Decision, SearchSpace, make_searcher
from audiotag_nas.search.events import TrialFinished, TrialStarted
from audiotag_nas.search.journal import Journal, read_entries
from audiotag_nas.search.loop import run_search
from audiotag_nas.trial import TrainingOverrides, TrialResult, TrialStatus
from tests.fakes import (
    FakeRunner,
    HashSearcher,
    fake_failure,
    fake_reward,
    fake_train,
    make_fake_trials,
)

SPACE = SearchSpace(
    (
        Decision("filters", (8, 16, 32)),
        Decision("height", (1, 3, 5, 7)),
        Decision("units", (16, 64)),
    )
)


class ScriptedSearcher:
    """A searcher that proposes given rounds and records the told rewards."""

    def __init__(self, *rounds, recommendation=None) -> None:
        self.space = SPACE
        self.told = []
        self._rounds = list(rounds)
        self._recommendation = recommendation

    def ask(self, num):
        return self._rounds.pop(0) if self._rounds else []

    def tell(self, tokens, rewards):
        self.told.append((list(tokens), list(rewards)))

    def recommend(self, among=None):
        choice = self._recommendation
        return choice if choice in among else min(among)


def _search(searcher, journal_path, runner=None, **changes):
    arguments = {
        "stage": "search",
        "num_trials": 9,
        "trials_per_round": 4,
        "make_trial": make_fake_trials(SPACE),
        "failure_reward": 0.0,
    }
    return run_search(
        searcher,
        FakeRunner() if runner is None else runner,
        Journal(journal_path),
        **(arguments | changes),
    )


@pytest.fixture
def path(tmp_path):
    return tmp_path / "trials.jsonl"


A, B, C, D = (0, 0, 0), (1, 1, 1), (2, 2, 0), (2, 3, 1)


@pytest.mark.parametrize("num_slots", [1, 3, 8])
def test_the_order_in_which_trials_end_only_changes_the_order_of_lines(
    tmp_path, num_slots
):
    plain = _search(make_searcher("random", SPACE, seed=2), tmp_path / "plain")
    for shuffle in range(3):
        path = tmp_path / f"shuffled{shuffle}"
        runner = FakeRunner(num_slots=num_slots, shuffle=shuffle)
        outcome = _search(make_searcher("random", SPACE, seed=2), path, runner)
        assert outcome.trials == plain.trials
        assert [r.reward for r in outcome.results] == [
            r.reward for r in plain.results
        ]
        assert outcome.recommendation == plain.recommendation
        ids = {entry.trial.trial_id for entry in read_entries(path)}
        assert ids == {trial.trial_id for trial in plain.trials}


def test_rewards_of_a_complete_round_are_told_in_the_order_of_ask(path):
    searcher = ScriptedSearcher([A, B, C], [D])
    runner = FakeRunner(num_slots=3, shuffle=4)
    _search(searcher, path, runner)
    assert [e.trial.tokens for e in read_entries(path)] != [A, B, C, D]
    assert searcher.told == [
        ([A, B, C], [fake_reward(A), fake_reward(B), fake_reward(C)]),
        ([D], [fake_reward(D)]),
    ]


def test_a_result_is_journaled_before_it_is_told(path):
    class Checking(ScriptedSearcher):
        def tell(self, tokens, rewards):
            written = [entry.trial.tokens for entry in read_entries(path)]
            assert set(tokens) <= set(written)
            super().tell(tokens, rewards)

    searcher = Checking([A, B], [C])
    _search(searcher, path, FakeRunner(num_slots=2))
    assert len(searcher.told) == 2


def test_a_repeat_is_not_trained_and_its_reward_is_told_again(path):
    searcher = ScriptedSearcher([A, A, B], [B, C], [A], recommendation=B)
    outcome = _search(searcher, path)
    assert [trial.tokens for trial in outcome.trials] == [A, B, C]
    assert [tokens for tokens, _ in searcher.told] == [[A, A, B], [B, C], [A]]
    assert searcher.told[2][1] == [fake_reward(A)]


def test_a_repeat_is_retrained_with_retrain_repeats(path):
    searcher = ScriptedSearcher([A, A, B], [A])
    outcome = _search(searcher, path, retrain_repeats=True)
    assert [trial.tokens for trial in outcome.trials] == [A, A, B, A]
    assert len({trial.seed for trial in outcome.trials}) == 4


@pytest.mark.parametrize("name", ["reinforce", "random", "grid"])
def test_a_finished_search_run_again_trains_nothing_and_ends_the_same(
    path, name
):
    first = _search(make_searcher(name, SPACE, seed=2), path)
    before = path.read_bytes()
    runner = FakeRunner()
    second = _search(make_searcher(name, SPACE, seed=2), path, runner)
    assert runner.started == []
    assert path.read_bytes() == before
    assert second == dataclasses.replace(first, num_from_journal=9)


def test_an_extended_search_equals_one_that_was_long_from_the_start(tmp_path):
    short, long = tmp_path / "short", tmp_path / "long"
    for num_trials in (5, 6, 11):  # 5 and 6 end within a round of four
        extended = _search(
            make_searcher("random", SPACE, seed=2), short, num_trials=num_trials
        )
    at_once = _search(
        make_searcher("random", SPACE, seed=2), long, num_trials=11
    )
    assert extended.trials == at_once.trials
    assert extended.recommendation == at_once.recommendation
    assert extended.num_from_journal == 6
    ids = [entry.trial.trial_id for entry in read_entries(short)]
    assert ids == [trial.trial_id for trial in at_once.trials]


def test_only_a_missing_line_is_retrained(path):
    first = _search(make_searcher("random", SPACE, seed=2), path)
    lines = path.read_text().splitlines(True)
    path.write_text("".join(lines[:2] + lines[3:]))
    runner = FakeRunner()
    second = _search(make_searcher("random", SPACE, seed=2), path, runner)
    assert runner.started == ["search-0002"]
    assert second.recommendation == first.recommendation
    assert second.trials == first.trials


def test_a_retrained_failure_invalidates_later_rounds(path):
    def fails_once(trial):
        is_failure = trial.trial_id == "search-0002"
        return fake_failure(trial) if is_failure else fake_train(trial)

    def search(runner):
        return _search(HashSearcher(SPACE), path, runner, num_trials=12)

    search(FakeRunner(train=fails_once))
    lines = path.read_text().splitlines(True)
    path.write_text("".join(lines[:2] + lines[3:]))
    with pytest.raises(StoreError) as info:
        search(FakeRunner())
    remedy = re.search(r"of stage search from round (\d+) on", str(info.value))
    first = int(remedy[1])
    assert first >= 1
    path.write_text(
        "".join(
            line
            for line in path.read_text().splitlines(True)
            if json.loads(line)["trial"]["round"] < first
        )
    )
    outcome = search(FakeRunner())
    assert all(result.reward is not None for result in outcome.results)


def test_the_error_for_the_journal_of_another_search_names_trial_and_field(
    path,
):
    _search(make_searcher("random", SPACE, seed=2), path)
    with pytest.raises(
        StoreError,
        match=r"trial search-0000 belongs to another search: tokens: \[",
    ):
        _search(make_searcher("random", SPACE, seed=3), path)
    for change, field in [
        ({"seed": 77}, "seed: 77 here, 0 in the journal"),
        ({"round": 1}, "round: 1 here, 0 in the journal"),
        (
            {"overrides": TrainingOverrides(epochs=4)},
            "overrides.epochs: 4 here",
        ),
    ]:

        def make_trial(number, round_number, tokens, change=change):
            trial = make_fake_trials(SPACE)(number, round_number, tokens)
            return dataclasses.replace(trial, **change)

        with pytest.raises(StoreError, match=field):
            _search(
                make_searcher("random", SPACE, seed=2),
                path,
                make_trial=make_trial,
            )


def test_stages_share_a_journal(path):
    make_grid_trial = make_fake_trials(SPACE, stage="grid")
    search = _search(make_searcher("random", SPACE, seed=2), path)
    grid = _search(
        make_searcher("grid", SPACE),
        path,
        stage="grid",
        num_trials=SPACE.size,
        make_trial=make_grid_trial,
    )
    assert [trial.tokens for trial in grid.trials] == [
        (a, b, c) for a in range(3) for b in range(4) for c in range(2)
    ]
    assert grid.num_from_journal == 0
    again = _search(make_searcher("random", SPACE, seed=2), path)
    assert again.trials == search.trials
    assert len(read_entries(path)) == 9 + 24


def test_a_search_without_new_points_ends_with_a_reason(tmp_path):
    grid = _search(make_searcher("grid", SPACE), tmp_path / "1", num_trials=99)
    assert len(grid.trials) == 24
    assert grid.stop_reason == "every point of the space has been trained"

    some = _search(
        ScriptedSearcher([A, B], recommendation=A), tmp_path / "2", num_trials=9
    )
    assert len(some.trials) == 2
    assert some.stop_reason == "the searcher has no more points to propose"

    stuck = ScriptedSearcher([A, B], *[[B, A]] * 80, recommendation=A)
    outcome = _search(stuck, tmp_path / "3")
    assert len(outcome.trials) == 2
    assert "no new point for 50 rounds" in outcome.stop_reason
    assert len(stuck.told) == 51

    whole = _search(make_searcher("grid", SPACE), tmp_path / "4", num_trials=24)
    assert whole.stop_reason == ""

    with pytest.raises(SearchError, match="no trial was run: the searcher has"):
        _search(ScriptedSearcher(), tmp_path / "5")


def test_a_failed_trial_gets_the_penalty_and_is_never_recommended(path):
    def train(trial):
        if trial.tokens == A:
            return fake_failure(trial)
        return TrialResult(
            trial.trial_id,
            TrialStatus.COMPLETED,
            reward=-5.0 - sum(trial.tokens),
        )

    # All other rewards are below the penalty, so the searcher recommends A.
    searcher = ScriptedSearcher([A, B, C], [A, D], recommendation=A)
    assert min(B, C, D) == B
    runner = FakeRunner(train)
    outcome = _search(searcher, path, runner, failure_reward=-2.5)
    assert searcher.told == [
        ([A, B, C], [-2.5, -8.0, -9.0]),
        ([A, D], [-2.5, -11.0]),
    ]
    assert len(runner.started) == 4  # the failed trial is not retrained
    assert outcome.best_trial.tokens == B
    assert outcome.recommendation == B  # not A, which failed
    assert outcome.best_result.reward == -8.0


def test_a_reward_out_of_range_is_told_as_a_failure(path):
    def train(trial):
        reward = -1e16 if trial.tokens == A else -3.0
        return TrialResult(trial.trial_id, TrialStatus.COMPLETED, reward=reward)

    for _ in range(2):  # and again from the journal
        searcher = ScriptedSearcher([A, B], recommendation=B)
        _search(searcher, path, FakeRunner(train), failure_reward=-4.0)
        assert searcher.told == [([A, B], [-4.0, -3.0])]


def test_the_recommendation_may_differ_from_the_highest_reward(path):
    searcher = ScriptedSearcher([A, B, C], recommendation=A)
    best = max((A, B, C), key=fake_reward)
    assert best != A
    outcome = _search(searcher, path)
    assert outcome.recommendation == A
    assert outcome.best_trial.tokens == best


@pytest.mark.parametrize(
    ("trials_per_round", "num_run"), [(1, 4), (3, 6), (4, 8)]
)
def test_a_search_in_which_all_trials_fail_ends_early_with_the_reason(
    path, trials_per_round, num_run
):
    def train(trial):
        odd = trial.seed % 3 == 1
        return fake_failure(trial, "cosmic ray" if odd else "out of memory.")

    runner = FakeRunner(train)
    for _ in range(2):  # and again when it is run again
        with pytest.raises(
            SearchError,
            match=f"search: all {num_run} trials failed, .* with: out of memory"
            ". Fix the cause. To retrain the trials, also remove their lines",
        ):
            _search(
                make_searcher("random", SPACE, seed=2),
                path,
                runner,
                trials_per_round=trials_per_round,
                num_trials=20,
            )
    assert len(runner.started) == num_run


def test_a_short_search_of_failures_is_an_error(path):
    with pytest.raises(SearchError, match="all 2 trials failed, 2 of them"):
        _search(
            make_searcher("random", SPACE, seed=2),
            path,
            FakeRunner(fake_failure),
            num_trials=2,
        )


def test_events_report_the_progress_and_journaled_trials(path):
    events = []
    order = sorted((A, B, C), key=fake_reward)
    _search(ScriptedSearcher(order[1:], recommendation=A), path)
    outcome = _search(
        ScriptedSearcher(order[1:], order[:1], recommendation=A),
        path,
        num_trials=3,
        on_event=events.append,
    )
    kinds = [type(event) for event in events]
    assert kinds == [TrialFinished, TrialFinished, TrialStarted, TrialFinished]
    finished = [event for event in events if isinstance(event, TrialFinished)]
    assert [e.from_journal for e in finished] == [True, True, False]
    assert [(e.num_done, e.num_total) for e in finished] == [
        (1, 3),
        (2, 3),
        (3, 3),
    ]
    assert [e.best_trial.tokens for e in finished] == [
        order[1],
        order[2],
        order[2],
    ]
    assert outcome.num_from_journal == 2


def test_no_more_trials_are_submitted_than_there_are_slots(path):
    runner = FakeRunner(num_slots=2, shuffle=0)  # raises if there are
    outcome = _search(make_searcher("random", SPACE), path, runner)
    assert len(outcome.trials) == 9


def test_an_interrupt_loses_only_running_trials(path):
    def train(trial):
        if trial.trial_id == "search-0005":
            raise KeyboardInterrupt
        return fake_train(trial)

    with pytest.raises(KeyboardInterrupt):
        _search(make_searcher("random", SPACE), path, FakeRunner(train))
    assert len(read_entries(path)) == 5


def test_a_result_of_a_trial_that_is_not_running_is_an_error(path):
    def train(trial):
        return dataclasses.replace(fake_train(trial), trial_id="search-0099")

    with pytest.raises(RuntimeError, match="search-0099, which is not running"):
        _search(make_searcher("random", SPACE), path, FakeRunner(train))
    assert read_entries(path) == []


def test_open_rounds_are_asked_before_earlier_rounds_are_told(path):
    searcher = HashSearcher(SPACE)
    _search(searcher, path, num_trials=14, max_open_rounds=3)
    calls = " ".join(searcher.calls)
    # Round r is asked after rounds 0 .. r - 3 were told. In the end, all
    # rounds are told.
    assert calls.startswith("ask ask ask tell ask tell ask")
    assert calls.count("ask") == calls.count("tell")

    one = HashSearcher(SPACE)
    _search(one, path.with_name("one"), num_trials=14)
    assert one.calls == ["ask", "tell"] * (len(one.calls) // 2)


@pytest.mark.parametrize("max_open_rounds", [1, 2, 5])
def test_with_open_rounds_order_and_slots_do_not_change_the_search(
    tmp_path, max_open_rounds
):
    outcomes = []
    for num_slots, shuffle in [(1, None), (1, 1), (2, 2), (3, 3), (20, 4)]:
        path = tmp_path / f"{num_slots}{shuffle}"
        runner = FakeRunner(num_slots=num_slots, shuffle=shuffle)
        outcome = _search(
            HashSearcher(SPACE),
            path,
            runner,
            num_trials=20,
            max_open_rounds=max_open_rounds,
        )
        assert len(read_entries(path)) == len(outcome.trials)
        outcomes.append(
            (
                outcome.trials,
                [result.reward for result in outcome.results],
                outcome.recommendation,
                outcome.stop_reason,
            )
        )
    assert all(outcome == outcomes[0] for outcome in outcomes)


def test_a_search_of_open_rounds_resumes_from_any_lines_of_its_journal(
    tmp_path,
):
    arguments = {"num_trials": 16, "max_open_rounds": 2}
    runner = FakeRunner(num_slots=3, shuffle=1)
    whole = _search(
        HashSearcher(SPACE), tmp_path / "whole", runner, **arguments
    )
    lines = (tmp_path / "whole").read_text().splitlines(True)
    for num_lines in range(len(lines)):
        path = tmp_path / f"cut{num_lines}"
        path.write_text("".join(lines[:num_lines]))
        runner = FakeRunner(num_slots=3, shuffle=num_lines)
        again = _search(HashSearcher(SPACE), path, runner, **arguments)
        assert again.trials == whole.trials
        assert again.recommendation == whole.recommendation
        assert again.num_from_journal == num_lines
        assert len(runner.started) == 16 - num_lines


@pytest.mark.parametrize("shuffle", range(6))
def test_whether_a_failing_search_ends_does_not_depend_on_timing(path, shuffle):
    """Round 2 succeeds first; it counts because two rounds may be open."""

    def train(trial):
        if trial.round < 2:
            return fake_failure(trial)
        return fake_train(trial)

    rounds = [[A, B], [C, D], [(0, 1, 0), (0, 2, 0)], [(0, 3, 0), (1, 0, 1)]]
    runner = FakeRunner(train, num_slots=4, shuffle=shuffle)
    outcome = _search(
        ScriptedSearcher(*rounds, recommendation=(0, 1, 0)),
        path,
        runner,
        trials_per_round=2,
        num_trials=8,
        max_open_rounds=2,
    )
    assert len(outcome.trials) == 8


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"num_trials": 0}, "`num_trials` must be positive. Received: 0"),
        ({"trials_per_round": -1}, "`trials_per_round` must be positive"),
        ({"max_open_rounds": 0}, "`max_open_rounds` must be positive"),
        ({"failure_reward": float("nan")}, "magnitude. Received: nan"),
        ({"failure_reward": -1e16}, r"at most 1e\+15 .* Received: -1e\+16"),
    ],
)
def test_the_error_names_an_argument_out_of_range(path, changes, rule):
    with pytest.raises(ConfigError, match=rule):
        _search(make_searcher("random", SPACE), path, **changes)
    with pytest.raises(ConfigError, match=r"from 0 to 1. Received"):
        _search(ScriptedSearcher([(0, 0, 2)]), path)
