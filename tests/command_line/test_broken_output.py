"""Commands whose output can't be written: no reader, or a full disk."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.run_code import run_code

ROOT = Path(__file__).parents[2]
TOOL = (sys.executable, "-m", "audiotag_nas")


@pytest.fixture
def bad_manifest(tmp_path):
    """`check` prints a line for each of 3001 files that are not there."""
    path = tmp_path / "clips.csv"
    rows = "".join(f"{n}.wav,dog,development\n" for n in range(3001))
    path.write_text(f"path,tags,split\n{rows}")
    return path


def test_head_ends_a_tool_without_a_message(bad_manifest):
    command = f"'{sys.executable}' -m audiotag_nas check --manifest "
    done = subprocess.run(
        [
            *("bash", "-c"),
            f"set -o pipefail; {command} '{bad_manifest}' | head -n 1",
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.stderr == ""
    assert done.stdout.startswith(f"{bad_manifest}:2: rejected 0.wav: ")
    assert done.stdout.count("\n") == 1
    # bash's own number for a command that SIGPIPE ended.
    piped = "set -o pipefail; yes | head -n 1"
    assert (
        done.returncode
        == subprocess.run(
            ["bash", "-c", piped], check=False, stdout=subprocess.DEVNULL
        ).returncode
    )


@pytest.mark.parametrize("arguments", [("--help",), ("score", "--help")])
def test_short_output_without_a_reader_ends_without_a_message(arguments):
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [*TOOL, *arguments],
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        cwd=ROOT,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, "")


def test_another_broken_pipe_is_reported():
    done = run_code("raise BrokenPipeError(32, 'a worker is gone')")
    assert done.returncode == 1
    assert "a worker is gone" in done.stderr


def test_a_reader_that_is_gone_is_no_error_of_the_data_set(tmp_path):
    command = f"'{sys.executable}' -m audiotag_nas synthesize"
    done = subprocess.run(
        [
            *("bash", "-c"),
            f"set -o pipefail; {command} --dataset_dir='{tmp_path}/syn' "
            "--num_development_clips=200 --num_evaluation_clips=20 | true",
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("arguments", [("--help",), ("check",)])
def test_output_to_a_full_disk_is_one_line(bad_manifest, arguments, unbuffered):
    if arguments == ("check",):
        arguments = ("check", f"--manifest={bad_manifest}")
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*TOOL, *arguments],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            cwd=ROOT,
            env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
        )
    assert done.returncode == 1
    assert done.stderr == (
        "error: standard output: can't be written (No space left on device).\n"
    )


def test_an_unrelated_os_error_is_not_reported_as_one_of_the_output():
    done = run_code("raise OSError(28, 'a defect')")
    assert "OSError: [Errno 28] a defect" in done.stderr
    assert "standard output" not in done.stderr
