"""Tests the runner that trains in the process of its caller."""

import os
import signal
import time

import pytest

from audiotag_nas.architecture import CRNN_BASELINE
from audiotag_nas.config import ExperimentConfig
from audiotag_nas.errors import ConfigError
from audiotag_nas.runners.factory import make_runner
from audiotag_nas.runners.in_process_runner import InProcessRunner
from audiotag_nas.runners.settings import RunnerSettings
from audiotag_nas.trial import Trial
from tests.fakes import fake_failure
from tests.runners.runner_contract import *  # noqa: F403


@pytest.fixture(name="make_runner")
def _make_runner(tmp_path):
    def make(target, on_epoch=None):
        return InProcessRunner(
            ExperimentConfig(),
            features_dir=tmp_path / "features",
            trials_dir=tmp_path / "trials",
            on_epoch=on_epoch,
            target=target,
        )

    return make


def swallows_an_interrupt(trial, **kept):
    """Raises another error for Ctrl-C, like TensorFlow in its C code."""
    try:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(10)
    except KeyboardInterrupt:
        return fake_failure(trial, "SystemError: bad argument")


def raises_another_error(trial, **kept):
    try:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(10)
    except KeyboardInterrupt:
        raise SystemError("bad argument") from None


@pytest.mark.parametrize(
    "target", [swallows_an_interrupt, raises_another_error]
)
def test_ctrl_c_ends_the_search_whatever_the_training_makes_of_it(
    make_runner, target
):
    handler = signal.getsignal(signal.SIGINT)
    runner = make_runner(f"{__name__}:{target.__name__}")
    runner.submit(Trial("search-0000", "search", 0, (0,), {}, CRNN_BASELINE, 1))
    with pytest.raises(KeyboardInterrupt):
        runner.next_result()
    assert signal.getsignal(signal.SIGINT) is handler


def test_it_refuses_limits_that_it_could_not_keep(tmp_path):
    for limits in (
        {"num_workers": 2},
        {"trial_timeout_seconds": 5.0},
        {"memory_limit_gib": 1.0},
        {"retries": 1},
        {"gpus_per_trial": 1},
    ):
        with pytest.raises(ConfigError, match="need --runner=process"):
            RunnerSettings("in_process", **limits)
    with pytest.raises(ConfigError, match="one of in_process, process"):
        RunnerSettings("thread")


def test_the_settings_reach_the_runner_that_they_name(tmp_path):
    arguments = {"features_dir": tmp_path, "trials_dir": tmp_path}
    config = ExperimentConfig()
    alone = make_runner(RunnerSettings(), config, **arguments)
    assert alone.num_slots == 1
    three = make_runner(
        RunnerSettings("process", num_workers=3), config, **arguments
    )
    assert three.num_slots == 3
    three.close()
