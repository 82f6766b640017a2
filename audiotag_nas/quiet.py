"""Keeps the messages of libraries that help no user off the screen.

On processors where oneDNN is on by default, importing TensorFlow writes
notices to standard error before its own log level counts. The MP3 decoder
reports each damaged frame. All other lines are passed on, such as warnings
and the last line of a process that dies.
"""

import contextlib
import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator

from audiotag_nas import stderr_relay

_LOG = re.compile(
    rb"(?P<level>[IWE])\d{4} |WARNING:|To enable the following instructions"
    # As TensorFlow wrote them up to 2.17.
    rb"|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: (?P<old_level>[IWE]) "
)


def is_log(line: bytes, *, with_errors: bool) -> bool:
    """Whether a line is of TensorFlow's log; a failed check's never is.

    Args:
        line: what a process wrote.
        with_errors: errors count too. They may say why a process died; one
            that lives writes some at its start that mean nothing.
    """
    match = _LOG.match(line)
    if match is None:
        return False
    return with_errors or b"E" not in (match["level"], match["old_level"])


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


@contextlib.contextmanager
def without_retracing_notes() -> Iterator[None]:
    """Holds TensorFlow's advice against tracing anew: each child must be."""

    def is_other(record: logging.LogRecord) -> bool:
        return "retracing" not in record.getMessage()

    log = logging.getLogger("tensorflow")
    log.addFilter(is_other)
    try:
        yield
    finally:
        log.removeFilter(is_other)
