"""Tests that every runner must pass.

The test module of a runner defines the fixture `make_runner`, which returns a
function (target, on_epoch=None) -> runner. The module imports these tests with
`from tests.runners.runner_contract import *`.
"""

import math

import pytest

from audiotag_nas.errors import DataError
from audiotag_nas.trial import TrialStatus
from tests.fake_trainings import TARGET, make_trial
from tests.fakes import fake_reward

__all__ = [
    "runner",
    "test_a_training_that_raises_is_a_failed_result_and_others_go_on",
    "test_closing_may_be_repeated_and_leaves_work_behind",
    "test_each_submitted_trial_has_one_result_under_its_own_id",
    "test_epochs_are_told_before_their_trials_result",
    "test_the_users_error_comes_out_as_it_was_raised",
]


@pytest.fixture
def runner(make_runner):
    runner = make_runner(TARGET)
    yield runner
    runner.close()


def test_each_submitted_trial_has_one_result_under_its_own_id(runner):
    assert runner.num_slots >= 1
    names = [f"t{number}" for number in range(5)]
    for name in names:
        runner.submit(make_trial(name))
    results = [runner.next_result() for _ in names]
    assert sorted(result.trial_id for result in results) == names
    for result in results:
        assert result.status is TrialStatus.COMPLETED, result.reason
        assert result.reward == fake_reward((2, 0, 1))
        first, second = result.history["training_loss"]
        assert math.isnan(first)
        assert second == 0.5


def test_a_training_that_raises_is_a_failed_result_and_others_go_on(runner):
    for name, do in [("a", "complete"), ("b", "raise"), ("c", "complete")]:
        runner.submit(make_trial(name, do))
    results = {r.trial_id: r for r in (runner.next_result() for _ in range(3))}
    assert results["b"].status is TrialStatus.FAILED
    assert results["b"].reason == "ValueError: this one can't be trained"
    assert results["a"].status is results["c"].status is TrialStatus.COMPLETED


def test_the_users_error_comes_out_as_it_was_raised(runner):
    runner.submit(make_trial("a", "find damage"))
    with pytest.raises(DataError, match=r"^features\.tfrecord: damaged$"):
        runner.next_result()


def test_epochs_are_told_before_their_trials_result(make_runner):
    told = []
    runner = make_runner(
        TARGET, on_epoch=lambda *arguments: told.append(arguments)
    )
    trial = make_trial("a")
    runner.submit(trial)
    runner.next_result()
    runner.close()
    assert told == [(trial, 1, {"validation_eer": 0.25})]


def test_closing_may_be_repeated_and_leaves_work_behind(make_runner):
    runner = make_runner(TARGET)
    runner.submit(make_trial("a"))
    runner.next_result()
    for number in range(3):
        runner.submit(make_trial(f"b{number}", "sleep", seconds=60))
    runner.close()
    runner.close()
