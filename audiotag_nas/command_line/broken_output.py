"""Ends a command without a traceback if standard output can't be written.

Without this module, Python would print a traceback if the disk is full, or if
the reader of a pipe has ended (`audiotag-nas results ... | head`).
"""

import contextlib
import os
import select
import sys
from collections.abc import Iterator

from audiotag_nas.command_line import exit_status


@contextlib.contextmanager
def broken_output_ends() -> Iterator[None]:
    """Ends the process if standard output can't be written.

    Prints nothing if the reader of a pipe has ended, and one line for any other
    error. The default action of SIGPIPE is not used, because SIGPIPE would also
    end a search that writes to a dead worker process.
    """
    try:
        try:
            yield
        except SystemExit:
            # Otherwise, Python would flush at exit and print a traceback.
            if sys.stdout is not None:
                sys.stdout.flush()
            raise
    except BrokenPipeError:
        gone = [number for number in (1, 2) if _reader_is_gone(number)]
        if not gone:
            # Another pipe is broken, e.g. the pipe to a worker.
            raise
        _discard(gone)
        sys.exit(exit_status.READER_GONE)
    except OSError as error:
        if not _output_fails():
            raise
        # Otherwise, Python would write its buffer at exit and fail again.
        _discard([1])
        exit_status.fail(
            f"error: standard output: can't be written ({error.strerror}).",
            exit_status.FAILED,
        )


def _output_fails() -> bool:
    """Returns True if the standard output can't be written."""
    try:
        if sys.stdout is not None:
            # Write a line, because a flush of unbuffered output does nothing.
            sys.stdout.write("\n")
            sys.stdout.flush()
    except OSError:
        return True
    return False


def _discard(file_descriptors: list[int]) -> None:
    """Discards all further output to these file descriptors."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for number in file_descriptors:
        os.dup2(nowhere, number)
    os.close(nowhere)


def _reader_is_gone(file_descriptor: int) -> bool:
    poll = select.poll()
    poll.register(file_descriptor, 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))
