"""Ctrl-C and SIGTERM: deferred, raised, and never swallowed."""

import signal

import pytest

from tests.run_code import run_code


@pytest.mark.parametrize(
    ("number", "name"),
    [(signal.SIGINT, "KeyboardInterrupt"), (signal.SIGTERM, "Terminated")],
)
def test_a_deferred_signal_waits_for_the_end_of_the_block(number, name):
    done = run_code(
        "import os\n"
        "from audiotag_nas import interrupts\n"
        "try:\n"
        "    with interrupts.termination_raised(), \\\n"
        "            interrupts.interrupts_deferred():\n"
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
        "from audiotag_nas import interrupts\n"
        "try:\n"
        "    with interrupts.termination_raised(), \\\n"
        "            interrupts.interrupts_kept():\n"
        "        try:\n"
        f"            os.kill(os.getpid(), {int(number)})\n"
        "        except KeyboardInterrupt:\n"
        "            raise RuntimeError('internal') from None\n"
        "except KeyboardInterrupt as error:\n"
        "    print(type(error).__name__)\n"
    )
    assert (done.stdout, done.stderr) == (f"{name}\n", "")


def test_after_the_block_sigterm_ends_the_process():
    done = run_code(
        "import os, signal\n"
        "from audiotag_nas import interrupts\n"
        "with interrupts.termination_raised(): pass\n"
        "os.kill(os.getpid(), signal.SIGTERM)\n"
    )
    assert done.returncode == -signal.SIGTERM
