"""Drops unhelpful messages of C libraries.

During its import, TensorFlow writes notices to standard error, because its log
level has no effect yet. The MP3 decoder reports each damaged frame. All other
lines are kept, e.g. warnings and the last line of a process that crashes.
"""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator

from audiotag_nas.command_line import stderr_relay


@contextlib.contextmanager
def without_library_messages() -> Iterator[None]:
    """Drops known messages of C libraries on standard error.

    Only commands may use this function, because it replaces file descriptor 2
    of the whole process. Within the block, `sys.stderr` bypasses this filter.
    """
    stderr = sys.stderr
    if stderr is None:
        yield
        return
    stderr.flush()
    # This file is never closed, because log handlers may still use it.
    screen = open(  # noqa: SIM115
        os.dup(2), "w", buffering=1, errors="backslashreplace"
    )
    # The relay runs in its own session, where Ctrl-C does not end it.
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
        # Do not wait for the end of the relay, only for its answer: child
        # processes (e.g. a resource tracker) may keep its standard input open.
        with contextlib.suppress(BrokenPipeError), relay.stdout:
            os.write(2, stderr_relay.FLUSH)
            relay.stdout.read(len(stderr_relay.FLUSHED))
        os.dup2(screen.fileno(), 2)
