"""The runner that trains in its own process."""

import pytest

from audiotag_nas.config import ExperimentConfig
from audiotag_nas.errors import ConfigError
from audiotag_nas.training.runners import (
    InProcessRunner,
    RunnerSettings,
    make_runner,
)
from tests.training.runner_contract import *  # noqa: F403


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
