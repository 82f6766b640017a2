"""Tests real trainings in worker processes whose driver is killed repeatedly.

One search runs undisturbed in one process. The same search runs on two workers
and is killed five times. All results must be equal, bit for bit.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from audiotag_nas.search.journal import read_entries
from tests.runners import trials_driver

ROOT = Path(trials_driver.__file__).parents[2]


def _start(workdir: Path, runner: str, num_workers: int) -> subprocess.Popen:
    module = "tests.runners.trials_driver"
    return subprocess.Popen(
        [sys.executable, "-m", module, str(workdir), runner, str(num_workers)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "2"},
        text=True,
    )


def _outcome(process: subprocess.Popen) -> dict:
    output, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors
    return json.loads(output)


def _num_lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def test_real_trials_killed_five_times_learn_the_same_to_the_last_bit(tmp_path):
    workdir, alone = tmp_path / "killed", tmp_path / "alone"
    trials_driver.prepare(workdir)
    shutil.copytree(workdir, alone)
    undisturbed = _outcome(_start(alone, "in_process", 1))
    assert undisturbed["reasons"] == [""] * trials_driver.NUM_TRIALS

    # (file to wait for, number of new lines in it, seconds after these lines)
    moments = [
        (None, 0, 1.0),  # while the workers start
        ("epochs.txt", 1, 0.0),  # in the first epochs
        ("trials.jsonl", 1, 0.0),  # after one trial, during another trial
        (None, 0, 6.0),  # while TensorFlow traces
        ("trials.jsonl", 1, 0.0),
    ]
    for name, num_lines, seconds in moments:
        process = _start(workdir, "process", 2)
        if name is not None:
            enough = _num_lines(workdir / name) + num_lines
            while _num_lines(workdir / name) < enough:
                assert process.poll() is None, process.communicate()
                time.sleep(0.01)
        time.sleep(seconds)
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
    assert len(read_entries(workdir / "trials.jsonl")) >= 2

    assert _outcome(_start(workdir, "process", 2)) == undisturbed
    for number in range(trials_driver.NUM_TRIALS):
        trial_dir = workdir / "trials" / f"search-{number:04d}"
        assert (trial_dir / "model.keras").is_file()
