"""Stop rules and reward estimates by hand, and searches with early stopping."""

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
from audiotag_nas.search.events import TrialFinished
from audiotag_nas.search.journal import Journal, read_entries
from audiotag_nas.search.loop import run_search
from audiotag_nas.trial import TrialResult, TrialStatus, is_stopped
from tests.fakes import FakeRunner, HashSearcher, fake_failure, make_fake_trials
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


def test_halving_promotes_the_best_half_of_the_rewards_at_each_rung():
    stopper = halving()
    stopper.tell([result(*rising(f)) for f in (0.9, 0.95, 0.85, 0.8)])
    # The rungs are 2, 4 and 8. Two of four trials are promoted; the second of
    # them ends at 0.9.
    assert stopper.rule() == [
        [2, pytest.approx(0.9 - 0.7)],
        [4, pytest.approx(0.9 - 0.5)],
        [8, pytest.approx(0.9 - 0.1)],
    ]
    # The trial stopped at rung 2 counts there, so three of six are promoted.
    stopper.tell([result(0.1, 0.22, stopped=True), result(*rising(0.7))])
    assert stopper.rule()[:2] == [
        [2, pytest.approx(0.2)],
        [4, pytest.approx(0.9 - 0.5)],
    ]


def test_rungs_grow_by_eta_and_trials_shrink_by_it():
    stopper = halving(eta=3.0, num_epochs=28)
    stopper.tell([result(f) for f in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)])
    assert stopper.rule() == [[3, 0.5], [9, 0.5], [27, 0.5]]
    later = halving(eta=3.0, num_epochs=27, min_epochs=4)
    later.tell([result(f) for f in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)])
    assert later.rule() == [[9, 0.5]]


@pytest.mark.parametrize("name", ["halving", "curve"])
def test_no_trial_is_stopped_before_enough_full_trainings(name):
    stopper = make_early_stopper(name, num_epochs=9, min_trials=5, eta=2.0)
    four = [result(*rising(f)) for f in (0.9, 0.95, 0.85, 0.8)]
    stopper.tell([*four, result(0.1, 0.2, stopped=True), fake_failure_result()])
    assert stopper.rule() == []
    stopper.tell([result(*rising(0.7))])
    assert min(epoch for epoch, _ in stopper.rule()) == 2
    assert max(epoch for epoch, _ in stopper.rule()) < 9


def fake_failure_result() -> TrialResult:
    return TrialResult("search-0001", TrialStatus.FAILED, None, reason="NaN")


def test_the_curve_rule_is_the_lower_prediction_bound_of_a_regression():
    """Compares thresholds with SciPy's regression and a textbook's interval."""
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


def test_the_curve_rule_stops_trials_as_good_as_the_best_at_its_risk():
    rng = np.random.default_rng(8)
    risks = []
    for _ in range(300):
        finals = rng.normal(0.7, 0.05, 30)
        starts = finals - 0.2 + rng.normal(0, 0.03, 30)
        stopper = CurveStopper(num_epochs=2, min_epochs=1, risk=0.2)
        stopper.tell([result(*p) for p in zip(starts, finals, strict=True)])
        [[_, least]] = stopper.rule()
        # The reward after one epoch of trials that end at the best reward.
        risks.append(stats.norm(finals.max() - 0.2, 0.03).cdf(least))
    # The tolerance is four standard errors.
    assert np.mean(risks) == pytest.approx(0.2, abs=0.024)


def test_the_risk_is_divided_by_the_squares_of_the_epochs_saved():
    """Stops after epochs 1 and 2 of 3 save 2 and 1 epochs.

    So the two epochs get four fifths and one fifth of the risk.
    """
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
    # threshold = common mean + quantile * common deviation
    deviation = (late - late_alone) / (quantiles[1] - quantiles[2])
    assert deviation > 0
    assert early + 0.1 - late == pytest.approx(
        (quantiles[0] - quantiles[1]) * deviation
    )


def test_without_positive_correlation_the_curve_rule_stops_none():
    stopper = CurveStopper(num_epochs=2, min_trials=4, min_epochs=1)
    pairs = [(0.4, 0.5), (0.3, 0.6), (0.2, 0.7), (0.1, 0.8)]
    stopper.tell([result(*pair) for pair in pairs])
    assert stopper.rule() == []


@pytest.mark.parametrize("end", [0.1, 0.3, 0.7])
def test_with_equal_finals_the_curve_rule_stops_none(end):
    # In floats, the mean of eleven times 0.7 is not 0.7. This rounding error
    # must not count as a correlation with the starts.
    generator = np.random.default_rng(0)
    stopper = CurveStopper(num_epochs=6, min_trials=4, min_epochs=1)
    stopper.tell(
        [result(*generator.random(5).tolist(), end) for _ in range(11)]
    )
    assert stopper.rule() == []


def test_the_estimate_is_on_the_line_of_the_full_trainings():
    stopper = halving(num_epochs=3)
    whole = [(0.1, 0.3, 0.4), (0.2, 0.5, 0.6), (0.3, 0.7, 0.8)]
    stopper.tell([result(*curve) for curve in (*whole, (0.05, 0.2, 0.3))])
    # The regression is final = 0.2 + 2 start.
    stopped = result(0.15, stopped=True)
    assert stopper.estimated_final_reward(stopped) == pytest.approx(0.5)
    assert stopper.estimated_final_reward(result(*whole[0])) == 0.4


def test_the_estimate_does_not_shrink_to_the_mean():
    stopper = halving(num_epochs=3)
    pairs = [(0.1, 0.4), (0.1, 0.6), (0.3, 0.6), (0.3, 0.8)]
    stopper.tell([result(start, start, final) for start, final in pairs])
    # The regression of final on start has slope 1 and predicts 0.5. The
    # regression of start on final has slope 1 / 2 through (0.6, 0.2). Its
    # inverse predicts 0.4.
    assert stopper.estimated_final_reward(
        result(0.1, stopped=True)
    ) == pytest.approx(0.4)


def test_the_estimate_is_at_most_the_best_reward_of_a_full_training():
    stopper = halving(num_epochs=3)
    whole = [(0.1, 0.3, 0.4), (0.2, 0.5, 0.6), (0.3, 0.7, 0.8)]
    stopper.tell([result(*curve) for curve in (*whole, (0.05, 0.2, 0.3))])
    assert stopper.estimated_final_reward(result(0.45, stopped=True)) == 0.8


def test_costs_are_subtracted_from_the_curve_and_the_estimate():
    stopper = halving(num_epochs=3)
    whole = [(0.1, 0.3, 0.4), (0.2, 0.5, 0.6), (0.3, 0.7, 0.8)]
    stopper.tell(
        [result(*curve, cost=0.1) for curve in (*whole, (0.05, 0.2, 0.3))]
    )
    # All rewards are 0.1 lower, 0.15 - 0.1 at the stop and 0.5 - 0.1 finally.
    stopped = result(0.15, cost=0.1, stopped=True)
    assert stopped.reward == pytest.approx(0.05)
    assert stopper.estimated_final_reward(stopped) == pytest.approx(0.4)
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


class RecordingSearcher(HashSearcher):
    """A searcher that records every told reward."""

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
def test_a_search_stops_trials_and_its_best_are_full_trainings(tmp_path, name):
    searcher, events = RecordingSearcher(), []
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


def test_repeated_tokens_are_trained_in_full(tmp_path):
    outcome = search(tmp_path / "trials", retrain_repeats=True, num_trials=60)
    trained, num_repeats = set(), 0
    for trial, done in zip(outcome.trials, outcome.results, strict=True):
        if trial.tokens in trained:
            num_repeats += 1
            assert not trial.stop_rule
            assert done.is_whole
        trained.add(trial.tokens)
    assert num_repeats >= 10
    assert any(r.stopped_epoch for r in outcome.results)


def test_the_recommendation_is_one_of_the_full_trainings(tmp_path):
    path = tmp_path / "trials"
    outcome = search(path)
    stopped = next(
        t
        for t, r in zip(outcome.trials, outcome.results, strict=True)
        if r.stopped_epoch
    )

    class Checking(HashSearcher):
        def recommend(self, among=None):
            assert stopped.tokens not in among
            return min(among)

    again = search(path, searcher=Checking(SPACE))
    assert again.num_from_journal == NUM_TRIALS
    whole = [
        t.tokens
        for t, r in zip(outcome.trials, outcome.results, strict=True)
        if not r.stopped_epoch
    ]
    assert again.recommendation == min(whole)


def test_order_and_slots_do_not_change_a_search_with_early_stopping(tmp_path):
    outcomes = []
    for num_slots, shuffle in [(1, None), (2, 2), (3, 3), (20, 4)]:
        searcher = RecordingSearcher()
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
def test_a_search_with_early_stopping_resumes_from_any_number_of_lines(
    tmp_path, name
):
    path, searcher = tmp_path / "whole", RecordingSearcher()
    runner = FakeRunner(curve_train, num_slots=3, shuffle=1)
    whole = search(path, name, runner=runner, searcher=searcher)
    lines = path.read_text().splitlines(True)
    for num_lines in range(len(lines)):
        path, again = tmp_path / f"cut{num_lines}", RecordingSearcher()
        path.write_text("".join(lines[:num_lines]))
        runner = FakeRunner(curve_train, num_slots=3, shuffle=num_lines)
        outcome = search(path, name, runner=runner, searcher=again)
        assert outcome.trials == whole.trials
        assert outcome.recommendation == whole.recommendation
        assert outcome.num_from_journal == num_lines
        assert again.told == searcher.told


def test_an_extended_search_stops_the_same_trials_as_a_long_one(tmp_path):
    for num_trials in (9, 14, NUM_TRIALS):
        extended = search(tmp_path / "short", num_trials=num_trials)
    at_once = search(tmp_path / "long")
    assert extended.trials == at_once.trials
    assert extended.recommendation == at_once.recommendation


def test_failed_trials_do_not_influence_the_rules(tmp_path):
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


def test_rules_have_finite_numbers_and_increasing_epochs(tmp_path):
    for trial in search(tmp_path / "trials").trials:
        rule = trial.stop_rule
        epochs = [epoch for epoch, _ in rule]
        assert all(a < b for a, b in itertools.pairwise(epochs))
        assert all(np.isfinite(least) for _, least in rule)


def test_a_killed_parallel_search_with_early_stopping_ends_the_same(tmp_path):
    """Uses real workers, two open rounds, and a driver killed repeatedly."""
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
    """Runs the driver's search sequentially in this process."""
    return run_search(
        HashSearcher(early_stop_driver.SPACE),
        FakeRunner(curve_train),
        Journal(path),
        make_trial=make_fake_trials(early_stop_driver.SPACE),
        early_stopper=early_stop_driver.make_stopper(),
        **early_stop_driver.ARGUMENTS,
    )
