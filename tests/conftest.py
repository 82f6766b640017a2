"""Shared by all tests: the order of files, and runs of the commands."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

# Shells start background processes with SIGINT ignored, which subprocesses
# inherit. Some tests send SIGINT.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).parents[1]

_LONGEST = (
    "test_main_job.py",
    "test_ray_runner.py",
    "test_trial_training.py",
    "test_trials_killed.py",
    "test_strategy.py",
    "test_parallel_search.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Runs the longest files first, to keep all cores busy to the end."""
    items.sort(key=lambda item: item.path.name not in _LONGEST)


@pytest.fixture(scope="session")
def run_tool():
    """Runs `audiotag-nas <arguments>` in another process."""

    def run(
        *arguments: object, cwd: Path = ROOT, **environment: str
    ) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, "-m", "audiotag_nas", *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
            cwd=cwd,
            env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        )

    return run
