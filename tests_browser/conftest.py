"""An experiment with fake trainings, a TensorBoard server and Chromium."""

import contextlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.support.ui import WebDriverWait

from audiotag_nas.experiment.workspace import Workspace
from audiotag_nas.trial import Trial, TrialResult, TrialStatus
from tests.fakes import fake_failure, fake_reward
from tests.inspection.status_driver import FakeTuner, config

LIMIT_SECONDS = 300
"""Time limit for the server or a page on a busy machine."""

FAILED = "search-0003"


class MeasuredTuner(FakeTuner):
    """Its results have all metrics of real trainings."""

    def _train(self, trial: Trial) -> TrialResult:
        if trial.trial_id == FAILED:
            return fake_failure(trial)
        reward = fake_reward(trial.tokens)
        metrics = {
            "validation_eer": 1 - reward,
            "validation_loss": 2 - reward,
            "num_parameters": 12345.0 + sum(trial.tokens),
            "multiply_adds": 33554432.0 + sum(trial.tokens),
        }
        if trial.stage == "search":
            metrics["latency_seconds"] = 0.03125
        return TrialResult(
            trial.trial_id,
            TrialStatus.COMPLETED,
            reward,
            metrics,
            {"validation_eer": [0.75, 1 - reward], "training_loss": [3, 2]},
            seconds=75.5,
        )


@pytest.fixture(scope="session")
def workspace(tmp_path_factory) -> Workspace:
    """A complete experiment: 1, 7 (one failed), 6 and 2 trials."""
    workdir = tmp_path_factory.mktemp("experiment")
    tuner = MeasuredTuner(config(), workdir=workdir)
    tuner.train_baseline()
    architecture = tuner.search().recommended[0].architecture
    grid = tuner.grid_search(architecture)
    tuner.train_final(architecture, grid.recommended[0].tokens)
    return tuner.workspace


@pytest.fixture(scope="session")
def tensorboard(tmp_path_factory):
    """`with tensorboard(log_dir) as url:` runs the server."""

    @contextlib.contextmanager
    def serve(log_dir: Path) -> Iterator[str]:
        output_path = tmp_path_factory.mktemp("tensorboard") / "output"
        arguments = ["--logdir", log_dir, "--host", "127.0.0.1", "--port", "0"]
        with output_path.open("w") as output:
            server = subprocess.Popen(
                [sys.executable, "-m", "tensorboard.main", *arguments],
                stdout=output,
                stderr=output,
            )

        def address(_) -> str | None:
            text = output_path.read_text()
            assert server.poll() is None, text
            found = re.search(r"TensorBoard \S+ at (http://\S+)", text)
            return found[1] if found else None

        try:
            yield WebDriverWait(None, LIMIT_SECONDS).until(address)
        finally:
            server.terminate()
            server.wait()

    return serve


@pytest.fixture
def browser(tmp_path) -> Iterator[webdriver.Chrome]:
    """A headless Chromium with a new profile."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for argument in (
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-first-run",
        "--window-size=1900,1200",
        f"--user-data-dir={tmp_path / 'profile'}",
    ):
        options.add_argument(argument)
    service = webdriver.ChromeService(shutil.which("chromedriver"))
    with webdriver.Chrome(options=options, service=service) as driver:
        driver.set_page_load_timeout(LIMIT_SECONDS)
        driver.set_script_timeout(LIMIT_SECONDS)
        yield driver
