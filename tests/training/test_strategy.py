"""Tests that TensorFlow is told how to allocate GPU memory before it starts."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run_driver(workdir: Path, how: str) -> tuple[dict, str]:
    """Returns what the driver printed, and its warnings."""
    module = "tests.runners.gpu_memory_driver"
    done = subprocess.run(
        [sys.executable, "-m", module, str(workdir), how],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1]), done.stderr


@pytest.mark.parametrize("how", ["latency", "tuner"])
def test_a_gpus_memory_is_shared_though_tensorflow_starts_before_the_training(
    tmp_path, how
):
    outcome, warnings = run_driver(tmp_path, how)
    assert outcome == {"reasons": [""], "grows": True}
    assert "TensorFlow runs in this process already" not in warnings


def test_where_tensorflow_runs_already_trials_train_after_one_warning(tmp_path):
    outcome, warnings = run_driver(tmp_path, "started")
    assert outcome == {"reasons": ["", ""], "grows": False}
    assert warnings.count("may have allocated all the memory of the GPUs") == 1
