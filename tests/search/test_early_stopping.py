"""Rules and fair rewards worked out by hand, and searches that stop early."""

import dataclasses
import itertools
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from audiotag_nas.errors import ConfigError
from audiotag_nas.search import Decision, SearchSpace
from audiotag_nas.search.early_stopping import (
    CurveStopper,
    HalvingStopper,
    make_early_stopper,
)
from audiotag_nas.search.journal import Journal, read_entries
from audiotag_nas.search.loop import TrialFinished, run_search
from audiotag_nas.trial import TrialResult, TrialStatus, is_stopped
from tests.fakes import (
    FakeRunner,
    HashSearcher,
    fake_failure,
    make_fake_trials,
)
from tests.search import early_stop_driver, parallel_driver
from tests.search.early_stop_driver import NUM_EPOCHS, curve_train

ROOT = Path(early_stop_driver.__file__).parents[2]


def result(*quality, stopped=False, cost=0.0, name="search-0000"):
    return TrialResult(
        name,
        TrialStatus.COMPLETED,
        reward=quality[-1] - cost,
        metrics={"stopped_epoch": len(quality)} if stopped else {},
        history={"quality": list(quality)},
    )


def test_a_rule_stops_below_its_threshold_at_its_epoch_alone():
    rule = [[2, 0.5], [4, 0.7]]
    assert is_stopped(rule, 2, 0.499)
    assert not is_stopped(rule, 2, 0.5)
    assert not is_stopped(rule, 3, 0.1)
    assert is_stopped(rule, 4, 0.6)
    assert not is_stopped([], 1, -1.0)


def halving(**settings) -> HalvingStopper:
    return HalvingStopper(
        **({"num_epochs": 9, "min_trials": 4, "eta": 2.0} | settings)
    )


def rising(final: float) -> list[float]:
    """Nine epochs: final - 0.8, final - 0.7, ... up to final."""
    return [final - 0.1 * left for left in range(8, -1, -1)]


def test_halving_asks_for_the_best_half_of_those_told_at_each_rung():
    stopper = halving()
    stopper.tell([result(*rising(f)) for f in (0.9, 0.95, 0.85, 0.8)])
    # Rungs 2, 4, 8; two of four go on: the second best is at 0.9.
    assert stopper.rule() == [
        [2, pytest.approx(0.9 - 0.7)],
        [4, pytest.approx(0.9 - 0.5)],
        [8, pytest.approx(0.9 - 0.1)],
    ]
    # One stopped at rung 2 counts there: three of six.
    stopper.tell([result(0.1, 0.22, stopped=True), result(*rising(0.7))])
    assert stopper.rule()[:2] == [
        [2, pytest.approx(0.2)],
        [4, pytest.approx(0.9 - 0.5)],
    ]


def test_halvings_rungs_grow_by_eta_and_children_shrink_by_it():
    stopper = halving(eta=3.0, num_epochs=28)
    stopper.tell([result(f) for f in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)])
    assert stopper.rule() == [[3, 0.5], [9, 0.5], [27, 0.5]]
    later = halving(eta=3.0, num_epochs=27, min_epochs=4)
    later.tell([result(f) for f in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)])
    assert later.rule() == [[9, 0.5]]


@pytest.mark.parametrize("name", ["halving", "curve"])
def test_nothing_is_stopped_before_enough_children_were_trained_whole(name):
    stopper = make_early_stopper(name, num_epochs=9, min_trials=5, eta=2.0)
    four = [result(*rising(f)) for f in (0.9, 0.95, 0.85, 0.8)]
    stopper.tell([*four, result(0.1, 0.2, stopped=True), fake_failure_result()])
    assert stopper.rule() == []
    stopper.tell([result(*rising(0.7))])
    assert min(epoch for epoch, _ in stopper.rule()) == 2
    assert max(epoch for epoch, _ in stopper.rule()) < 9


def fake_failure_result() -> TrialResult:
    return TrialResult("search-0001", TrialStatus.FAILED, None, reason="NaN")


def test_the_curve_rule_is_the_lower_bound_of_a_regression_on_the_final():
    """Against SciPy's regression and the textbook's prediction interval."""
    rng = np.random.default_rng(3)
    finals = rng.uniform(0.6, 0.9, 11)
    starts = 0.5 * finals + rng.normal(0, 0.03, 11)
    stopper = CurveStopper(num_epochs=2, min_trials=4, min_epochs=1, risk=0.1)
    stopper.tell([result(*pair) for pair in zip(starts, finals, strict=True)])

    line = stats.linregress(finals, starts)
    residuals = starts - line.intercept - line.slope * finals
    best = finals.max()
    deviation = np.sqrt(
        residuals @ residuals / 9
        * (1 + 1 / 11 + (best - finals.mean()) ** 2
           / np.sum((finals - finals.mean()) ** 2))
    )  # fmt: skip
    least = line.intercept + line.slope * best
    least += stats.t(9).ppf(0.1) * deviation
    assert stopper.rule() == [[1, pytest.approx(least)]]


def test_the_curve_rule_stops_its_risk_of_those_as_good_as_the_best():
    rng = np.random.default_rng(8)
    risks = []
    for _ in range(300):
        finals = rng.normal(0.7, 0.05, 30)
        starts = finals - 0.2 + rng.normal(0, 0.03, 30)
        stopper = CurveStopper(num_epochs=2, min_epochs=1, risk=0.2)
        stopper.tell([result(*p) for p in zip(starts, finals, strict=True)])
        [[_, least]] = stopper.rule()
        # Where a child that will end at the best so far is after one epoch.
        risks.append(stats.norm(finals.max() - 0.2, 0.03).cdf(least))
    # Four standard errors.
    assert np.mean(risks) == pytest.approx(0.2, abs=0.024)


def test_the_risk_is_shared_by_the_squares_of_the_epochs_saved():
    """Epochs 1 and 2 of 3 save 2 and 1: four fifths and one fifth."""
    rng = np.random.default_rng(4)
    finals = rng.uniform(0.6, 0.9, 9)
    noise = rng.normal(0, 0.02, 9)
    # The same noise at both epochs, so that only the quantiles differ.
    curves = [
        (f - 0.2 + e, f - 0.1 + e, f)
        for f, e in zip(finals, noise, strict=True)
    ]
    stopper = CurveStopper(num_epochs=3, min_trials=4, min_epochs=1, risk=0.1)
    stopper.tell([result(*curve) for curve in curves])
    alone = CurveStopper(num_epochs=3, min_trials=4, min_epochs=2, risk=0.1)
    alone.tell([result(*curve) for curve in curves])

    (_, early), (_, late) = stopper.rule()
    [[_, late_alone]] = alone.rule()
    quantiles = stats.t(7).ppf([0.08, 0.02, 0.1])
    # Thresholds are a common mean plus quantile times a common deviation.
    deviation = (late - late_alone) / (quantiles[1] - quantiles[2])
    assert deviation > 0
    assert early + 0.1 - late == pytest.approx(
        (quantiles[0] - quantiles[1]) * deviation
    )


def test_where_a_start_tells_nothing_the_curve_rule_stops_none():
    stopper = CurveStopper(num_epochs=2, min_trials=4, min_epochs=1)
    pairs = [(0.4, 0.5), (0.3, 0.6), (0.2, 0.7), (0.1, 0.8)]
    stopper.tell([result(*pair) for pair in pairs])
    assert stopper.rule() == []


@pytest.mark.parametrize("end", [0.1, 0.3, 0.7])
def test_where_all_end_alike_the_curve_rule_stops_none(end):
    # The mean of eleven times 0.7 is not 0.7 in floats: what is left over
    # must not be taken for a difference that goes with the starts.
    generator = np.random.default_rng(0)
    stopper = CurveStopper(num_epochs=6, min_trials=4, min_epochs=1)
    stopper.tell(
        [result(*generator.random(5).tolist(), end) for _ in range(11)]
    )
    assert stopper.rule() == []


def test_the_fair_reward_adds_the_gain_that_others_had_from_there():
    stopper = halving(num_epochs=3)
    whole = [(0.1, 0.3, 0.4), (0.2, 0.5, 0.6), (0.3, 0.7, 0.8)]
    stopper.tell([result(*curve) for curve in (*whole, (0.05, 0.2, 0.3))])
    # By the line final = 0.2 + 2 x: 0.5, a gain of 0.35.
    stopped = result(0.15, stopped=True)
    assert stopper.fair_reward(stopped) == pytest.approx(0.5)
    assert stopper.fair_reward(result(*whole[0])) == 0.4


def test_the_fair_reward_is_not_drawn_to_the_mean_of_all_children():
    stopper = halving(num_epochs=3)
    pairs = [(0.1, 0.4), (0.1, 0.6), (0.3, 0.6), (0.3, 0.8)]
    stopper.tell([result(start, start, final) for start, final in pairs])
    # Final on start has slope 1: 0.5 is expected of a start of 0.1. Start on
    # final has slope 1 / 2, through (0.6, 0.2): 0.1 is typical of 0.4.
    assert stopper.fair_reward(result(0.1, stopped=True)) == pytest.approx(0.4)


def test_the_fair_reward_is_never_above_the_best_whole_childs():
    stopper = halving(num_epochs=3)
    whole = [(0.1, 0.3, 0.4), (0.2, 0.5, 0.6), (0.3, 0.7, 0.8)]
    stopper.tell([result(*curve) for curve in (*whole, (0.05, 0.2, 0.3))])
    assert stopper.fair_reward(result(0.45, stopped=True)) == 0.8


def test_what_a_child_costs_is_off_its_curve_and_its_fair_reward_alike():
    stopper = halving(num_epochs=3)
    whole = [(0.1, 0.3, 0.4), (0.2, 0.5, 0.6), (0.3, 0.7, 0.8)]
    stopper.tell(
        [result(*curve, cost=0.1) for curve in (*whole, (0.05, 0.2, 0.3))]
    )
    # Rewards are 0.1 lower throughout: 0.15 - 0.1 now, 0.5 - 0.1 then.
    stopped = result(0.15, cost=0.1, stopped=True)
    assert stopped.reward == pytest.approx(0.05)
    assert stopper.fair_reward(stopped) == pytest.approx(0.4)
    assert stopper.rule() == [[2, pytest.approx(0.5 - 0.1)]]


def test_wrong_names_and_results_without_a_curve_are_named():
    with pytest.raises(ConfigError, match=r"halving.*Received: 'median'"):
        make_early_stopper("median", num_epochs=9)
    assert make_early_stopper("none", num_epochs=9) is None
    bare = dataclasses.replace(result(0.5), history={"loss": [0.5]})
    with pytest.raises(ConfigError, match=r"`quality`.*Received: \['loss'\]"):
        halving().tell([bare])


# Searches

SPACE = SearchSpace(
    (
        Decision("filters", (8, 16, 32)),
        Decision("height", (1, 3, 5, 7)),
        Decision("units", (16, 64, 128)),
    )
)
NUM_TRIALS = 26


class NotingSearcher(HashSearcher):
    """Notes every reward it is told."""

    def __init__(self) -> None:
        super().__init__(SPACE)
        self.told = []

    def tell(self, tokens, rewards) -> None:
        super().tell(tokens, rewards)
        self.told += zip(tokens, rewards, strict=True)


def search(path, name="curve", *, runner=None, searcher=None, **changes):
    arguments = {
        "num_trials": NUM_TRIALS,
        "trials_per_round": 4,
        "max_open_rounds": 2,
    }
    return run_search(
        HashSearcher(SPACE) if searcher is None else searcher,
        FakeRunner(curve_train) if runner is None else runner,
        Journal(path),
        stage="search",
        make_trial=make_fake_trials(SPACE),
        failure_reward=0.0,
        early_stopper=make_early_stopper(
            name, num_epochs=NUM_EPOCHS, min_trials=6, eta=2.0, risk=0.2
        ),
        **(arguments | changes),
    )


@pytest.mark.parametrize("name", ["halving", "curve"])
def test_a_search_stops_children_and_its_best_are_whole(tmp_path, name):
    searcher, events = NotingSearcher(), []
    outcome = search(
        tmp_path / "trials", name, searcher=searcher, on_event=events.append
    )
    stopped = [r for r in outcome.results if r.stopped_epoch]
    assert len(stopped) >= 5
    assert all(len(r.history["quality"]) == r.stopped_epoch for r in stopped)
    for trial, done in zip(outcome.trials, outcome.results, strict=True):
        if done.stopped_epoch:
            rule = dict(trial.stop_rule)
            assert done.reward < rule[done.stopped_epoch]
    whole = [r for r in outcome.results if r.is_whole]
    assert outcome.best_result.reward == max(r.reward for r in whole)
    told = dict(searcher.told)
    for trial, done in zip(outcome.trials, outcome.results, strict=True):
        if done.stopped_epoch:
            assert told[trial.tokens] > done.reward
        assert told[trial.tokens] <= outcome.best_result.reward
    finished = [e for e in events if isinstance(e, TrialFinished)]
    assert all(e.best_result.is_whole for e in finished if e.best_result)


def test_tokens_trained_again_are_trained_whole(tmp_path):
    outcome = search(tmp_path / "trials", retrain_repeats=True, num_trials=60)
    trained, num_again = set(), 0
    for trial, done in zip(outcome.trials, outcome.results, strict=True):
        if trial.tokens in trained:
            num_again += 1
            assert not trial.stop_rule
            assert done.is_whole
        trained.add(trial.tokens)
    assert num_again >= 10
    assert any(r.stopped_epoch for r in outcome.results)


def test_the_recommendation_is_among_the_children_that_trained_whole(
    tmp_path,
):
    path = tmp_path / "trials"
    outcome = search(path)
    stopped = next(
        t
        for t, r in zip(outcome.trials, outcome.results, strict=True)
        if r.stopped_epoch
    )

    class Fond(HashSearcher):
        def recommend(self, among=None):
            assert stopped.tokens not in among
            return min(among)

    again = search(path, searcher=Fond(SPACE))
    assert again.num_from_journal == NUM_TRIALS
    whole = [
        t.tokens
        for t, r in zip(outcome.trials, outcome.results, strict=True)
        if not r.stopped_epoch
    ]
    assert again.recommendation == min(whole)


def test_neither_order_nor_slots_change_a_search_that_stops_early(tmp_path):
    outcomes = []
    for num_slots, shuffle in [(1, None), (2, 2), (3, 3), (20, 4)]:
        searcher = NotingSearcher()
        runner = FakeRunner(curve_train, num_slots=num_slots, shuffle=shuffle)
        outcome = search(
            tmp_path / str(num_slots), runner=runner, searcher=searcher
        )
        rewards = [r.reward for r in outcome.results]
        outcomes.append(
            (outcome.trials, rewards, outcome.recommendation, searcher.told)
        )
    assert all(outcome == outcomes[0] for outcome in outcomes)


@pytest.mark.parametrize("name", ["halving", "curve"])
def test_a_search_that_stops_early_resumes_from_any_lines_of_its_journal(
    tmp_path, name
):
    path, searcher = tmp_path / "whole", NotingSearcher()
    runner = FakeRunner(curve_train, num_slots=3, shuffle=1)
    whole = search(path, name, runner=runner, searcher=searcher)
    lines = path.read_text().splitlines(True)
    for num_lines in range(len(lines)):
        path, again = tmp_path / f"cut{num_lines}", NotingSearcher()
        path.write_text("".join(lines[:num_lines]))
        runner = FakeRunner(curve_train, num_slots=3, shuffle=num_lines)
        outcome = search(path, name, runner=runner, searcher=again)
        assert outcome.trials == whole.trials
        assert outcome.recommendation == whole.recommendation
        assert outcome.num_from_journal == num_lines
        assert again.told == searcher.told


def test_a_search_extended_stops_as_one_that_was_as_long_from_the_start(
    tmp_path,
):
    for num_trials in (9, 14, NUM_TRIALS):
        extended = search(tmp_path / "short", num_trials=num_trials)
    at_once = search(tmp_path / "long")
    assert extended.trials == at_once.trials
    assert extended.recommendation == at_once.recommendation


def test_failed_children_count_for_nothing_in_the_rules(tmp_path):
    def train(trial):
        return (
            fake_failure(trial) if trial.seed % 3 == 1 else curve_train(trial)
        )

    path = tmp_path / "trials"
    search(path, runner=FakeRunner(train))
    entries = read_entries(path)
    first = next(e.trial for e in entries if e.trial.stop_rule)
    before = [e for e in entries if e.trial.round < first.round - 1]
    assert sum(e.result.is_whole for e in before) >= 6
    assert any(e.result.stopped_epoch for e in entries)


def test_rules_are_finite_numbers_in_order_of_epochs(tmp_path):
    for trial in search(tmp_path / "trials").trials:
        rule = trial.stop_rule
        epochs = [epoch for epoch, _ in rule]
        assert all(a < b for a, b in itertools.pairwise(epochs))
        assert all(np.isfinite(least) for _, least in rule)


def test_a_parallel_search_that_stops_early_and_is_killed_ends_undisturbed(
    tmp_path,
):
    """Real workers, two open rounds, a driver killed again and again."""
    workdir = tmp_path / "killed"
    arguments = [sys.executable, "-m", early_stop_driver.__name__]
    num_kills = 0
    for num_begun in (3, 19, 37):
        process = subprocess.Popen(
            [*arguments, str(workdir), "2"],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while process.poll() is None:
            if early_stop_driver.num_begun(workdir) >= num_begun:
                process.kill()
            time.sleep(0.005)
        num_kills += process.returncode == -signal.SIGKILL
    assert num_kills >= 2

    done = subprocess.run(
        [*arguments, str(workdir), "3"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    undisturbed = run_search_here(tmp_path / "undisturbed")
    assert json.loads(done.stdout) == parallel_driver.plain(undisturbed)
    assert sum(r.stopped_epoch > 0 for r in undisturbed.results) >= 10


def run_search_here(path):
    """The driver's search, one child after the other in this process."""
    return run_search(
        HashSearcher(early_stop_driver.SPACE),
        FakeRunner(curve_train),
        Journal(path),
        make_trial=make_fake_trials(early_stop_driver.SPACE),
        early_stopper=early_stop_driver.make_stopper(),
        **early_stop_driver.ARGUMENTS,
    )
