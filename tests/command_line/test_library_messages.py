"""Messages of libraries on standard error: dropped ones and kept ones."""

import logging
import subprocess
import sys

import pytest

from audiotag_nas.command_line.library_messages import without_library_messages
from audiotag_nas.runners.tensorflow_log import without_retracing_notes

IMPORT = (
    "from audiotag_nas.command_line.library_messages "
    "import without_library_messages\n"
)


def test_notices_are_dropped_and_other_lines_are_kept(capfd):
    script = (
        "import os; os.write(2, b'I0000 00:00:1 port.cc:153] oneDNN is on\\n"
        "E0000 00:00:1 x.cc:1] an error\\nTraceback\\n')"
    )
    with without_library_messages():
        # Another process writes to the descriptor itself, as C++ does.
        subprocess.run([sys.executable, "-c", script], check=True)
    written = capfd.readouterr().err
    assert written == "E0000 00:00:1 x.cc:1] an error\nTraceback\n"


@pytest.mark.parametrize(
    "end", ["os._exit(1)", "os.abort()", "os.kill(os.getpid(), 9)"]
)
def test_the_last_line_is_printed_however_the_process_ends(end):
    script = (
        "import os\n" + IMPORT + "with without_library_messages():\n"
        "    os.write(2, b'I0000 00:00:1 port.cc:153] oneDNN is on\\n')\n"
        "    os.write(2, b'F0000 00:00:1 x.cc:1] no such flag\\n')\n"
        f"    {end}\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True
    )
    assert done.returncode != 0
    assert done.stderr == "F0000 00:00:1 x.cc:1] no such flag\n"


def test_tensorflow_is_imported_without_a_message():
    script = (
        "import os; os.environ['TF_CPP_MIN_LOG_LEVEL'] = '2'\n"
        + IMPORT
        + "with without_library_messages():\n"
        "    import tensorflow as tf\n"
        "assert int(tf.add(1, 2)) == 3\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_process_left_behind_neither_delays_the_end_nor_loses_its_lines():
    script = (
        "import subprocess\n" + IMPORT + "with without_library_messages():\n"
        "    subprocess.Popen(['sh', '-c', 'read line; echo late >&2'],\n"
        "                     stdin=0)\n"
        "print('ended', flush=True)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        # The shell still waits for a line: its end can't be what ends this.
        assert process.stdout.readline() == "ended\n"
        _, written = process.communicate("go\n")
    assert written == "late\n"


def test_advice_against_tracing_is_held_back_and_nothing_else(caplog):
    log = logging.getLogger("tensorflow")
    advice = "5 out of the last %d calls triggered tf.function retracing"
    with without_retracing_notes():
        log.warning(advice, 13)
        log.warning("another")
    log.warning(advice, 14)
    assert [record.getMessage()[:8] for record in caplog.records] == [
        *("another", "5 out of")
    ]
