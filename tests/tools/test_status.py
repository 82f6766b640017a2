"""`status` and `export_trials` on a real driver: running, killed, finished."""

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from audiotag_nas.search.journal import read_entries

ROOT = Path(__file__).parents[2]


@pytest.fixture
def start_driver(tmp_path):
    """Starts status_driver; kills it at the end of the test."""
    processes = []

    def start() -> subprocess.Popen:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.inspection.status_driver", tmp_path],
            cwd=ROOT,
            stderr=subprocess.DEVNULL,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.wait()


def wait_for(is_true) -> None:
    deadline = time.monotonic() + 120
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_status_of_a_running_a_killed_and_a_finished_search(
    tmp_path, start_driver, run_tool
):
    def look() -> str:
        done = run_tool("status", f"--workdir={tmp_path}")
        assert done.returncode == 0, done.stderr
        return done.stdout

    def search_row(text: str) -> list[str]:
        return next(
            line for line in text.splitlines() if line.startswith("search")
        ).split()

    def running_has(trial_id: str) -> bool:
        path = tmp_path / "running.json"
        return path.exists() and trial_id in path.read_text()

    def num_done() -> int:
        return len(read_entries(tmp_path / "trials.jsonl"))

    driver = start_driver()
    wait_for(lambda: running_has("search-0001"))
    text = look()
    assert f"driver: process {driver.pid} on " in text
    assert search_row(text) == ["search", "0", "0", "2", "7"]
    for number in (1, 2):
        (tmp_path / "go").touch()
        wait_for(lambda number=number: num_done() == number)
    wait_for(lambda: running_has("search-0002") and not running_has("-0001"))
    text = look()
    assert search_row(text) == ["search", "1", "1", "1", "7", "0.2500"]
    first = read_entries(tmp_path / "trials.jsonl")[0]
    assert "running: search-0002  " in text
    assert "failed: 1 x NaN weights (search-0001)" in text
    assert "best of the search: search-0000, EER 0.2500, 12,345" in text
    assert f"\n  {first.trial.architecture.describe()}\n" in text
    assert " left" in text
    assert "utilization: " in text

    os.kill(driver.pid, signal.SIGKILL)
    driver.wait()
    text = look()
    assert f"driver: none; process {driver.pid} on " in text
    assert search_row(text) == ["search", "1", "1", "0", "7", "0.2500"]
    assert "lost: search-0002 (1)" in text
    assert " left" not in text

    (tmp_path / "free").touch()
    assert start_driver().wait() == 0
    text = look()
    assert "driver: none; no command is running" in text
    # The EERs are 0.25, 0.24 ... 0.19, except for the trials that fail.
    assert search_row(text) == [
        *("search", "4", "3", "0", "7", "0.1900", "ended")
    ]
    assert "failed: 2 x out of memory (search-0003, search-0004)" in text
    assert "lost" not in text

    done = run_tool(
        "export_trials", f"--workdir={tmp_path}", f"--output={tmp_path}/t.csv"
    )
    assert done.stdout.endswith("t.csv: 7 trials\n")
    with open(tmp_path / "t.csv", newline="") as file:
        table = list(csv.DictReader(file))
    assert [row["trial_id"] for row in table] == [
        f"search-{number:04d}" for number in range(7)
    ]
    assert table[6]["validation_eer"] == "0.19"


def test_status_shows_the_error_or_interrupt_that_ended_a_driver(
    tmp_path, start_driver, run_tool
):
    def look() -> str:
        return run_tool("status", f"--workdir={tmp_path}").stdout

    def search_row(text: str) -> str:
        return next(x for x in text.splitlines() if x.startswith("search"))

    driver = start_driver()
    running = tmp_path / "running.json"
    wait_for(lambda: running.exists() and "0001" in running.read_text())
    assert "stopped" not in look()
    driver.send_signal(signal.SIGINT)
    driver.wait()
    text = look()
    assert "driver: none; the last driver stopped: interrupted\n" in text
    assert "stopped: search-0000, search-0001 (2), running when the" in text
    assert search_row(text).endswith("  stopped")
    assert "lost" not in text

    # An error in the data.
    driver = start_driver()
    wait_for(
        lambda: running.exists() and str(driver.pid) in running.read_text()
    )
    assert "stopped" not in look()
    (tmp_path / "damage").touch()
    (tmp_path / "go").touch()
    assert driver.wait() == 1
    text = look()
    assert (
        "driver: none; the last driver stopped: error: features: damaged\n"
    ) in text
    assert search_row(text).endswith("  stopped")

    # A session that ends normally removes the stop reason.
    (tmp_path / "damage").unlink()
    (tmp_path / "free").touch()
    assert start_driver().wait() == 0
    text = look()
    assert "driver: none; no command is running" in text
    assert search_row(text).endswith("  ended")
    assert "stopped" not in text


def test_status_does_not_import_tensorflow(tmp_path, run_tool):
    before = os.times().children_user
    done = run_tool("status", f"--workdir={tmp_path}")
    user_seconds = os.times().children_user - before
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {tmp_path}: contains no experiment")
    # Importing TensorFlow alone takes several seconds of CPU time.
    assert user_seconds < 1.0
