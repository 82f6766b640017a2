"""Tests the runner with real worker processes, which are really killed."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from audiotag_nas.config import ExperimentConfig
from audiotag_nas.errors import ConfigError, SearchError
from audiotag_nas.runners.process_runner import ProcessRunner
from audiotag_nas.trial import TrialStatus
from tests.fake_trainings import TARGET, make_trial
from tests.runners.runner_contract import *  # noqa: F403
from tests.runners.runner_helpers import (
    BusyDriver,
    is_running,
    run_trials,
    wait_until,
)

ROOT = Path(__file__).parents[2]


@pytest.fixture(name="make_runner")
def _make_runner(tmp_path):
    with contextlib.ExitStack() as stack:

        def make(target=TARGET, *, num_workers=2, threads=3, **arguments):
            runner = ProcessRunner(
                ExperimentConfig(threads_per_trial=threads),
                features_dir=tmp_path / "features",
                trials_dir=tmp_path / "trials",
                num_workers=num_workers,
                target=target,
                **arguments,
            )
            stack.callback(runner.close)
            return runner

        yield make


def _pids(tmp_path, trial_id) -> list[int]:
    path = tmp_path / "trials" / trial_id / "pids.txt"
    return [int(pid) for pid in path.read_text().split()]


def test_trials_run_side_by_side_in_processes_that_stay_warm(
    make_runner, tmp_path
):
    runner = make_runner(num_workers=3)
    met = [make_trial(f"m{number}", "meet", num=3) for number in range(3)]
    results = run_trials(runner, *met)
    assert {r.status for r in results.values()} == {TrialStatus.COMPLETED}
    pids = {result.metrics["pid"] for result in results.values()}
    assert len(pids) == 3
    assert os.getpid() not in pids
    later = run_trials(
        runner, *[make_trial(f"l{number}") for number in range(4)]
    )
    assert {result.metrics["pid"] for result in later.values()} <= pids


def test_no_more_workers_are_started_than_there_is_work_for(
    make_runner, tmp_path
):
    runner = make_runner(num_workers=3)
    for number in range(3):
        run_trials(runner, make_trial(f"t{number}"))
    pids = {_pids(tmp_path, f"t{number}")[0] for number in range(3)}
    assert len(pids) == 1


def test_a_worker_is_replaced_after_its_share_of_trials(make_runner):
    runner = make_runner(num_workers=1, max_trials_per_worker=2)
    trials = [make_trial(f"t{number}") for number in range(5)]
    pids = [run_trials(runner, trial)[trial.trial_id] for trial in trials]
    pids = [result.metrics["pid"] for result in pids]
    assert pids[0] == pids[1] != pids[2] == pids[3] != pids[4]
    wait_until(lambda: not is_running(int(pids[0])))


def test_what_takes_a_worker_down_fails_its_trial_alone_and_says_how(
    make_runner,
):
    runner = make_runner()
    deeds = {
        "be killed": "its process was killed by SIGKILL (the kernel does so if "
        "memory runs out)",
        "read null": "its process was killed by SIGSEGV",
        "abort": "its process was killed by SIGABRT; last output line: F0000 "
        "kernels.cc:12] Check failed: size > 0",
        "exit": "its process ended with exit status 3",
    }
    results = run_trials(
        runner,
        *[make_trial(do.replace(" ", "-"), do) for do in deeds],
        *[make_trial(f"good{number}") for number in range(4)],
    )
    reasons = {name: result.reason for name, result in results.items()}
    deeds = {do.replace(" ", "-"): reason for do, reason in deeds.items()}
    assert reasons == deeds | {f"good{number}": "" for number in range(4)}
    for name in deeds:
        assert results[name].status is TrialStatus.FAILED


def test_a_training_over_its_time_is_stopped_and_the_other_goes_on(
    make_runner, tmp_path
):
    runner = make_runner(trial_timeout_seconds=1.0)
    results = run_trials(runner, make_trial("a", "spin"), make_trial("b"))
    reason = "its process took longer than its limit of 1 s"
    assert results["a"].reason == reason
    assert 1.0 <= results["a"].seconds < 10
    assert results["b"].status is TrialStatus.COMPLETED
    assert not is_running(_pids(tmp_path, "a")[0])
    assert run_trials(runner, make_trial("c"))["c"].reason == ""


_LIMIT = "its process took longer than its limit of 1 s"
_EXIT = "its process ended with exit status 3"
_ERROR = "E0000 00:00:1764077716.5 9 cuda.cc:1] no more memory"


@pytest.mark.parametrize(
    ("words", "then", "reason"),
    [
        ("", "spin", _LIMIT),
        (
            "reading fold 3\n",
            "spin",
            f"{_LIMIT}; last output line: reading fold 3",
        ),
        (f"{_ERROR}\n", "spin", _LIMIT),
        (f"{_ERROR}\n", "exit", f"{_EXIT}; last output line: {_ERROR}"),
        ("terminate\n", "exit", f"{_EXIT}; last output line: terminate"),
    ],
)
def test_last_words_are_not_those_of_tensorflows_log(
    make_runner, words, then, reason
):
    runner = make_runner(num_workers=1, trial_timeout_seconds=1.0)
    trial = make_trial("a", "log", words=words, then=then)
    assert run_trials(runner, trial)["a"].reason == reason


def test_a_training_that_ended_while_the_driver_was_busy_is_not_over_its_time(
    make_runner,
):
    driver = BusyDriver(seconds=4.0)
    runner = make_runner(trial_timeout_seconds=3.0, on_epoch=driver)
    trials = [make_trial(name, epochs=5) for name in "ab"]
    results = run_trials(runner, *trials)
    assert {result.reason for result in results.values()} == {""}
    epochs = [(name, epoch) for name in "ab" for epoch in range(1, 6)]
    assert sorted(driver.heard) == epochs


def test_a_training_over_its_memory_is_stopped_before_the_machine_is_full(
    make_runner, tmp_path
):
    runner = make_runner(memory_limit_bytes=3 * 2**28)
    results = run_trials(runner, make_trial("a", "hoard"), make_trial("b"))
    assert "GiB of memory, more than its limit of 0.75 GiB" in (
        results["a"].reason
    )
    assert results["b"].status is TrialStatus.COMPLETED
    assert not is_running(_pids(tmp_path, "a")[0])


@pytest.mark.parametrize(
    ("retries", "do", "num_tries", "reason"),
    [
        (1, "be killed once", 2, ""),
        (0, "be killed once", 1, "SIGKILL"),
        (2, "be killed", 3, "SIGKILL"),
        # With the same seed, a second try would raise the same error.
        (2, "raise", 1, "ValueError"),
    ],
)
def test_a_trial_that_lost_its_worker_is_tried_again_as_often_as_said(
    make_runner, tmp_path, retries, do, num_tries, reason
):
    runner = make_runner(num_workers=1, retries=retries)
    result = run_trials(runner, make_trial("a", do))["a"]
    assert reason in result.reason
    assert bool(result.reason) == bool(reason)
    assert len(_pids(tmp_path, "a")) == num_tries


def test_a_worker_killed_while_it_waits_is_replaced_and_costs_no_trial(
    make_runner,
):
    runner = make_runner(num_workers=1)
    pid = int(run_trials(runner, make_trial("a"))["a"].metrics["pid"])
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not is_running(pid))
    result = run_trials(runner, make_trial("b"))["b"]
    assert result.status is TrialStatus.COMPLETED
    assert result.metrics["pid"] != pid


def test_closing_kills_workers_whatever_they_do(make_runner, tmp_path):
    runner = make_runner()
    runner.submit(make_trial("a", "spin"))
    runner.submit(make_trial("b", "spin"))
    runner.submit(make_trial("c"))
    with pytest.raises(_EnoughError), _interrupted_after(1.5):
        runner.next_result()
    started = time.monotonic()
    runner.close()
    assert time.monotonic() - started < 2
    for name in ("a", "b"):
        assert not is_running(_pids(tmp_path, name)[0])
    with pytest.raises(RuntimeError, match="no trial was submitted"):
        runner.next_result()


class _EnoughError(Exception):
    pass


@contextlib.contextmanager
def _interrupted_after(seconds):
    """Lets a signal raise an exception, as Ctrl-C does."""

    def stop(number, frame):
        raise _EnoughError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_each_worker_has_the_configs_threads_and_gpus_of_its_own(
    make_runner, monkeypatch
):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7,9,11,12")
    target = "tests.runners.test_process_runner:_report_environment"
    runner = make_runner(target, gpus_per_trial=2)
    met = [make_trial(f"m{number}", num=2) for number in range(2)]
    results = run_trials(runner, *met)
    gpus = sorted(result.metrics["gpus"] for result in results.values())
    assert gpus == [[4, 7], [9, 11]]
    for result in results.values():
        assert result.metrics["threads"] == "3"
    result = run_trials(make_runner(target), make_trial("c", num=1))["c"]
    assert result.metrics["gpus"] == [-1]
    with pytest.raises(
        ConfigError, match="need 6 GPUs, but this machine has 5"
    ):
        make_runner(num_workers=3, gpus_per_trial=2)


def _report_environment(trial, *, trial_dir, on_epoch, **unused):
    from audiotag_nas.trial import TrialResult
    from tests import fake_trainings

    trial_dir.mkdir(parents=True)
    fake_trainings._meet(trial, trial_dir)
    gpus = os.environ["CUDA_VISIBLE_DEVICES"].split(",")
    metrics = {
        "gpus": [int(gpu) for gpu in gpus],
        "threads": os.environ["TF_NUM_INTRAOP_THREADS"],
    }
    return TrialResult(
        trial.trial_id, TrialStatus.COMPLETED, 0.5, metrics=metrics
    )


def test_workers_that_can_not_start_stop_the_search_and_say_why(make_runner):
    runner = make_runner("tests.fake_trainings:no_such_function")
    runner.submit(make_trial("a"))
    with pytest.raises(RuntimeError, match="no_such_function"):
        runner.next_result()
    runner = make_runner("tests.runners.dies_on_import:run_trial")
    runner.submit(make_trial("a"))
    with pytest.raises(
        SearchError,
        match=r"3 worker processes in a row .* killed by SIGBUS; .* no luck\.",
    ):
        runner.next_result()


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"num_workers": 0}, "`num_workers` must be at least 1. Received: 0"),
        ({"retries": -1}, "`retries` must be at least 0. Received: -1"),
        ({"trial_timeout_seconds": 0.0}, "`trial_timeout_seconds` must be"),
        ({"memory_limit_bytes": 0}, "`memory_limit_bytes` must be"),
        ({"max_trials_per_worker": 0}, "`max_trials_per_worker` must be"),
    ],
)
def test_arguments_out_of_range_are_named(make_runner, changes, rule):
    with pytest.raises(ConfigError, match=rule):
        make_runner(**changes)


_DRIVER = """
import sys
from audiotag_nas.command_line import command
from tests.fake_trainings import TARGET, make_trial

def main(argv):
    from pathlib import Path
    from audiotag_nas.config import ExperimentConfig
    from audiotag_nas.runners.process_runner import ProcessRunner
    runner = ProcessRunner(
        ExperimentConfig(), features_dir=Path(), trials_dir=Path(argv[1]),
        num_workers=2, target=TARGET,
    )
    try:
        runner.submit(make_trial("a", "spin"))
        runner.submit(make_trial("b", "sleep", seconds=600))
        runner.next_result()
    finally:
        runner.close()

command.run(main, positional="a directory", interrupted=command.RESUMABLE)
"""


@pytest.fixture
def spinning_driver(tmp_path):
    """Starts a driver whose two workers train endlessly; returns their ids."""
    driver = subprocess.Popen(
        [sys.executable, "-c", _DRIVER, str(tmp_path / "trials")],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # like a terminal's processes
    )
    paths = [tmp_path / "trials" / name / "pids.txt" for name in "ab"]
    wait_until(lambda: all(p.exists() and p.read_text() for p in paths))
    yield driver, [int(path.read_text()) for path in paths]
    driver.kill()
    driver.communicate()


def test_no_worker_outlives_a_driver_killed_by_sigkill(spinning_driver):
    driver, pids = spinning_driver
    assert all(map(is_running, pids))
    driver.kill()
    wait_until(lambda: not any(map(is_running, pids)), seconds=5)


def test_an_interrupt_ends_driver_and_workers_and_says_how_to_go_on(
    spinning_driver,
):
    driver, pids = spinning_driver
    os.killpg(driver.pid, signal.SIGINT)
    _, output = driver.communicate(timeout=5)
    assert driver.returncode == 130
    assert output == (
        "interrupted. Finished results are kept; the same command continues.\n"
    )
    assert not any(map(is_running, pids))
