"""A killed and resumed search ends like an undisturbed one (real processes)."""

import collections
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from audiotag_nas.errors import StoreError
from audiotag_nas.search.journal import read_entries
from audiotag_nas.search.lock import driver_lock
from tests.search import driver

_ROOT = Path(driver.__file__).parents[2]

_HOLDER = """
import sys, time
from audiotag_nas.search.lock import driver_lock
with driver_lock(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


def _start(
    workdir: Path,
    name: str = "random",
    moment: str = "never",
    kill_at: int = 0,
    num_bytes: int = 0,
) -> subprocess.Popen:
    arguments = [str(workdir), name, moment, str(kill_at), str(num_bytes)]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.search.driver", *arguments],
        cwd=_ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _run(*arguments, **keywords) -> tuple[int, str, str]:
    process = _start(*arguments, **keywords)
    output, errors = process.communicate(timeout=120)
    return process.returncode, output, errors


def _timeless_lines(workdir: Path) -> list[str]:
    """The journal's lines without values that depend on the clock."""
    lines = []
    for line in (workdir / "trials.jsonl").read_text().splitlines():
        value = json.loads(line)
        del value["finished_at"], value["result"]["seconds"]
        del value["checksum"]  # it covers them
        lines.append(json.dumps(value))
    return lines


def _plain(outcome: dict) -> dict:
    return json.loads(json.dumps(outcome))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> tuple[Path, dict]:
    workdir = tmp_path_factory.mktemp("undisturbed")
    return workdir, _plain(driver.search(workdir, "random"))


def test_a_search_killed_at_every_kind_of_moment_ends_the_same(
    tmp_path, undisturbed
):
    workdir = tmp_path / "killed"
    # Kills at the first and the last training, between and within rounds.
    kills = [
        ("training", 1),
        ("writing", 1),
        ("learning", 1),
        ("writing", 2),
        ("training", 3),
        ("learning", 4),
        ("writing", 4),
        ("learning", 1),
        ("training", 1),
    ]
    for moment, kill_at in kills:
        code, _, errors = _run(workdir, moment=moment, kill_at=kill_at)
        assert code == -signal.SIGKILL, errors

    code, output, errors = _run(workdir)
    assert code == 0, errors
    assert json.loads(output) == undisturbed[1]
    assert _timeless_lines(workdir) == _timeless_lines(undisturbed[0])
    trained = (workdir / "trained.txt").read_text().split()
    assert len(set(trained)) == driver.NUM_TRIALS
    # `learning` kills after the line is durable, so no training is lost.
    lost = sum(moment != "learning" for moment, _ in kills)
    assert len(trained) == driver.NUM_TRIALS + lost
    assert max(collections.Counter(trained).values()) <= 3


def test_a_search_killed_from_outside_at_any_time_ends_the_same(
    tmp_path, undisturbed
):
    workdir = tmp_path / "killed"
    workdir.mkdir()
    journal = workdir / "trials.jsonl"
    pause = random.Random(7)
    num_kills = 0
    for num_lines in (1, 4, 6, 9, 13):
        process = _start(workdir)
        while process.poll() is None:
            if (
                journal.exists()
                and journal.read_bytes().count(b"\n") >= num_lines
            ):
                time.sleep(pause.uniform(0, 0.008))
                process.kill()
                break
            time.sleep(0.001)
        process.communicate()
        num_kills += process.returncode == -signal.SIGKILL

    code, output, errors = _run(workdir)
    assert code == 0, errors
    assert num_kills >= 3
    assert json.loads(output) == undisturbed[1]
    assert _timeless_lines(workdir) == _timeless_lines(undisturbed[0])
    trained = (workdir / "trained.txt").read_text().split()
    assert len(trained) <= driver.NUM_TRIALS + num_kills


def test_a_resumed_reinforce_search_ends_the_same(tmp_path):
    undisturbed = tmp_path / "undisturbed"
    expected = _plain(driver.search(undisturbed, "reinforce"))

    workdir = tmp_path / "killed"
    code, _, errors = _run(workdir, "reinforce", "writing", 10)
    assert code == -signal.SIGKILL, errors
    assert len(read_entries(workdir / "trials.jsonl")) == 9

    # The search is resumed in this process, which has TensorFlow loaded.
    assert _plain(driver.search(workdir, "reinforce")) == expected
    assert _timeless_lines(workdir) == _timeless_lines(undisturbed)


def test_a_search_stopped_by_a_full_disk_continues_with_free_space(
    tmp_path, undisturbed
):
    # The file may grow by five and a half lines. Then the kernel returns EFBIG.
    lines = (undisturbed[0] / "trials.jsonl").read_bytes().splitlines(True)
    room = sum(map(len, lines[:5])) + len(lines[5]) // 2

    workdir = tmp_path / "full"
    code, output, errors = _run(workdir, num_bytes=room)
    assert code == 1
    assert output == ""
    assert "trials.jsonl: can't be written (File too large)" in errors
    assert "Traceback" not in errors
    assert (workdir / "trials.jsonl").read_bytes().endswith(b"}\n")
    assert len(read_entries(workdir / "trials.jsonl")) in (4, 5)

    code, output, errors = _run(workdir)
    assert code == 0, errors
    assert json.loads(output) == undisturbed[1]
    assert _timeless_lines(workdir) == _timeless_lines(undisturbed[0])


def test_a_second_driver_is_refused_until_the_first_one_dies(tmp_path):
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(tmp_path)],
        cwd=_ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout.readline() == "held\n"
        code, _, errors = _run(tmp_path)
        assert code == 1
        assert (
            f"in use by another driver, process {holder.pid} on "
            f"{os.uname().nodename}" in errors
        )
        assert not (tmp_path / "trials.jsonl").exists()
    finally:
        holder.kill()
        holder.communicate()
    # The file still names the dead holder, but the lock is free.
    assert str(holder.pid) in (tmp_path / "driver.lock").read_text()
    with driver_lock(tmp_path):
        pass


def test_the_lock_is_released_after_an_exception(tmp_path):
    with pytest.raises(KeyboardInterrupt), driver_lock(tmp_path):
        raise KeyboardInterrupt
    with driver_lock(tmp_path), pytest.raises(StoreError, match="in use by"):
        driver_lock(tmp_path).__enter__()
