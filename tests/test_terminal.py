"""How the command lines end and warn: pipes, Ctrl-C, Python's warnings."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TOOL = (sys.executable, "-m", "audiotag_nas")


def run_code(code: str) -> subprocess.CompletedProcess:
    """A tool's frame around `code`, the body of its main."""
    lines = "".join(f"    {line}\n" for line in code.splitlines())
    script = f"from audiotag_nas import cli\ndef main(argv):\n{lines}"
    return subprocess.run(
        [sys.executable, "-c", f"{script}cli.run(main)\n"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )


@pytest.fixture
def bad_manifest(tmp_path):
    """`check` prints a line for each of 3001 files that are not there."""
    path = tmp_path / "clips.csv"
    rows = "".join(f"{n}.wav,dog,development\n" for n in range(3001))
    path.write_text(f"path,tags,split\n{rows}")
    return path


def test_head_ends_a_tool_as_it_ends_others(bad_manifest):
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
def test_little_output_that_nobody_reads_ends_as_quietly(arguments):
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


def test_another_pipe_that_breaks_is_no_quiet_end():
    done = run_code("raise BrokenPipeError(32, 'a worker is gone')")
    assert done.returncode == 1
    assert "a worker is gone" in done.stderr


def test_a_reader_that_is_gone_is_no_fault_of_a_data_set(tmp_path):
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


def test_an_interrupt_promises_nothing_that_is_not_kept(tmp_path):
    manifest = tmp_path / "clips.csv"
    os.mkfifo(manifest)
    process = subprocess.Popen(
        [*TOOL, "check", f"--manifest={manifest}"],
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    # It opens once the tool does, which then waits for its first line.
    with open(manifest, "w"):
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=30)
    assert process.returncode == 128 + signal.SIGINT
    assert told == "interrupted.\n"


def test_a_warning_is_one_line_once_without_its_source():
    done = run_code(
        "import warnings, numpy\n"
        "for text in ('odd\\nfile', 'odd file', 'another'):\n"
        "    warnings.warn(text)\n"
        "numpy.log(numpy.zeros(3))\n"
        "warnings.warn('an old name', DeprecationWarning, stacklevel=2)\n"
    )
    assert done.returncode == 0
    assert done.stderr.splitlines() == [
        "warning: odd file",
        "warning: another",
        "warning: divide by zero encountered in log",
    ]


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


def test_another_full_disk_is_no_fault_of_the_output():
    done = run_code("raise OSError(28, 'a defect')")
    assert "OSError: [Errno 28] a defect" in done.stderr
    assert "standard output" not in done.stderr
