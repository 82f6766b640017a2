"""Keeps the messages of libraries that help no user off the screen.

On processors where oneDNN is on by default, importing TensorFlow writes
notices to standard error before its own log level counts. The MP3 decoder
reports each damaged frame. All other lines are passed on, such as warnings
and the last line of a process that dies.
"""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator

from audiotag_nas.command_line import stderr_relay


@contextlib.contextmanager
def without_library_messages() -> Iterator[None]:
    """Drops what C libraries print to standard error on their own.

    That is TensorFlow's start-up notices, which no setting silences, and the
    MP3 decoder's reports of damaged frames. Other lines are passed on. For
    commands only: file descriptor 2 belongs to the whole process. Within the
    block, `sys.stderr` writes to the screen directly.
    """
    stderr = sys.stderr
    if stderr is None:
        yield
        return
    stderr.flush()
    # Not closed at the end: a log handler made within the block may keep it.
    screen = open(  # noqa: SIM115
        os.dup(2), "w", buffering=1, errors="backslashreplace"
    )
    # A session of its own, so that Ctrl-C does not end it too early.
    relay = subprocess.Popen(
        [sys.executable, "-I", "-S", stderr_relay.__file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    if relay.stdin is None or relay.stdout is None:
        raise RuntimeError("the relay must have a standard input and output.")
    with relay.stdin:
        os.dup2(relay.stdin.fileno(), 2)
    sys.stderr = screen
    try:
        yield
    finally:
        screen.flush()
        sys.stderr = stderr
        # Not the relay's end: processes that this one started, such as a
        # resource tracker, may keep its standard input open.
        with contextlib.suppress(BrokenPipeError), relay.stdout:
            os.write(2, stderr_relay.FLUSH)
            relay.stdout.read(len(stderr_relay.FLUSHED))
        os.dup2(screen.fileno(), 2)
