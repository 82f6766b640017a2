"""How the command lines end and warn: pipes, Ctrl-C, Python's warnings."""

import os
import signal
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest

from audiotag_nas import terminal

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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain name, ä 日本 🎵 \\n 50%.wav", None),
        ("no-break\u00a0space and joiner\u200d stay", None),
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("a\nb\r\tc\x00\x7f", r"a\nb\r\tc\x00\x7f"),
        ("\x85\x9b\x9d", r"\x85\x9b\x9d"),
        ("\u2028\u2029", r"\u2028\u2029"),
        ("\u202a\u202e\u2066\u2069", r"\u202a\u202e\u2066\u2069"),
        ("\u061c\u200e\u200f", r"\u061c\u200e\u200f"),
        ("caf\udce9.wav", r"caf\udce9.wav"),
        (Path("a\nb"), r"a\nb"),
    ],
)
def test_what_controls_a_terminal_is_escaped_and_all_else_stays(text, expected):
    assert terminal.escaped(text) == (text if expected is None else expected)


def test_every_character_that_is_left_is_harmless():
    left = terminal.escaped("".join(map(chr, range(sys.maxunicode + 1))))
    directions = {"LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"}
    for character in left:
        assert unicodedata.category(character) not in ("Cc", "Cs", "Zl", "Zp")
        assert unicodedata.bidirectional(character) not in directions
    assert len(left.splitlines()) == 1
    left.encode()


def test_warnings_logs_and_errors_are_escaped():
    done = run_code(
        "import logging, warnings\n"
        "from audiotag_nas.errors import DataError\n"
        "warnings.warn('\\x1b[1mwarned')\n"
        "logging.getLogger('any').warning('%s: logged', '\\x1b[2m')\n"
        "raise DataError('\\x1b[3m\\n: raised')\n"
    )
    assert done.returncode == 1
    warned, logged, raised = done.stderr.splitlines()
    assert warned == r"warning: \x1b[1mwarned"
    assert logged.endswith(r"] \x1b[2m: logged")
    assert raised == r"error: \x1b[3m\n: raised"


@pytest.mark.parametrize(
    ("number", "name"),
    [(signal.SIGINT, "KeyboardInterrupt"), (signal.SIGTERM, "Terminated")],
)
def test_a_deferred_signal_waits_for_the_end_of_the_block(number, name):
    done = run_code(
        "import os\n"
        "from audiotag_nas import terminal\n"
        "try:\n"
        "    with terminal.termination_raised(), \\\n"
        "            terminal.interrupts_deferred():\n"
        f"        os.kill(os.getpid(), {int(number)})\n"
        "        print('to the end', flush=True)\n"
        "except KeyboardInterrupt as error:\n"
        "    print(type(error).__name__)\n"
    )
    assert (done.stdout, done.stderr) == (f"to the end\n{name}\n", "")


@pytest.mark.parametrize(
    ("number", "name"),
    [(signal.SIGINT, "KeyboardInterrupt"), (signal.SIGTERM, "Terminated")],
)
def test_a_signal_that_a_library_swallows_ends_the_block(number, name):
    done = run_code(
        "import os, contextlib\n"
        "from audiotag_nas import terminal\n"
        "try:\n"
        "    with terminal.termination_raised(), terminal.interrupts_kept():\n"
        "        try:\n"
        f"            os.kill(os.getpid(), {int(number)})\n"
        "        except KeyboardInterrupt:\n"
        "            raise RuntimeError('internal') from None\n"
        "except KeyboardInterrupt as error:\n"
        "    print(type(error).__name__)\n"
    )
    assert (done.stdout, done.stderr) == (f"{name}\n", "")


def test_without_the_block_sigterm_ends_the_process_as_ever():
    done = run_code(
        "import os, signal\n"
        "from audiotag_nas import terminal\n"
        "with terminal.termination_raised(): pass\n"
        "os.kill(os.getpid(), signal.SIGTERM)\n"
    )
    assert done.returncode == -signal.SIGTERM


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
