"""Exit statuses of the commands, and the end of a command that failed."""

import signal
import sys
from typing import NoReturn

from audiotag_nas.terminal import print_lines

FAILED = 1
USAGE = 2
INTERRUPTED = 128 + signal.SIGINT
TERMINATED = 128 + signal.SIGTERM
READER_GONE = 128 + signal.SIGPIPE
"""If a signal ends a tool, a shell reports 128 + the signal's number."""


def fail(message: str, status: int) -> NoReturn:
    """Prints one line on standard error and ends the process."""
    print_lines(message, file=sys.stderr)
    sys.exit(status)
