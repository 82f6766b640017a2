"""Searches on worker processes: kills, resumes and utilization."""

import json
import random
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

from audiotag_nas.search.journal import read_entries
from tests.search import parallel_driver

ROOT = Path(parallel_driver.__file__).parents[2]
NUM_KILLS = 50


def _start(workdir: Path) -> subprocess.Popen:
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "tests.search.parallel_driver",
            str(workdir),
            "2",
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _num_begun(workdir: Path) -> int:
    paths = (workdir / "trials").glob("*/pids.txt")
    return sum(path.read_bytes().count(b"\n") for path in paths)


def _wait_for_a_training(workdir: Path, process: subprocess.Popen) -> None:
    """Waits until one more training has begun."""
    before = _num_begun(workdir)
    while _num_begun(workdir) == before and process.poll() is None:
        time.sleep(0.01)


def test_a_parallel_search_killed_50_times_ends_the_same(tmp_path):
    workdir = tmp_path / "killed"
    moment = random.Random(11)
    num_kills = 0
    while num_kills < NUM_KILLS:
        process = _start(workdir)
        if moment.random() < 0.2:
            time.sleep(moment.uniform(0, 0.5))  # while it starts
        else:
            _wait_for_a_training(workdir, process)
            time.sleep(moment.uniform(0, 0.2))
        process.kill()
        _, errors = process.communicate()
        assert process.returncode == -signal.SIGKILL, errors
        num_kills += 1
    num_before = len(read_entries(workdir / "trials.jsonl"))

    process = _start(workdir)
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    undisturbed = parallel_driver.search(
        tmp_path / "undisturbed", num_workers=5
    )
    assert json.loads(output) == parallel_driver.plain(undisturbed)
    assert 10 <= num_before < parallel_driver.NUM_TRIALS
    trained = [
        len(path.read_text().split())
        for path in (workdir / "trials").glob("*/pids.txt")
    ]
    assert len(trained) == parallel_driver.NUM_TRIALS
    # Each kill loses at most one training per worker.
    assert sum(trained) <= parallel_driver.NUM_TRIALS + 2 * num_kills


def test_open_rounds_keep_workers_busy_despite_slow_trials(tmp_path):
    outcome = parallel_driver.search(
        tmp_path, num_workers=2, num_trials=40, mean_seconds=0.3, warm_up=True
    )
    seconds = [result.seconds for result in outcome.results]
    assert max(seconds) > 4 * statistics.median(seconds)
    assert 0.85 < outcome.utilization <= 1
