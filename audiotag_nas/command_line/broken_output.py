"""Ends a command whose standard output can't be written, without a traceback.

Python would report a reader that is gone (`audiotag-nas results ... | head`)
or a full disk with a traceback.
"""

import contextlib
import os
import select
import sys
from collections.abc import Iterator

from audiotag_nas.command_line import exit_status


@contextlib.contextmanager
def broken_output_ends() -> Iterator[None]:
    """Ends the process if its output can't be written.

    Prints nothing if the reader is gone, and one line for another error. The
    default action of SIGPIPE would also end a search whose worker has died
    while the search was writing to it.
    """
    try:
        try:
            yield
        except SystemExit:
            # At exit the interpreter flushes too, and prints a traceback.
            if sys.stdout is not None:
                sys.stdout.flush()
            raise
    except BrokenPipeError:
        gone = [number for number in (1, 2) if _reader_is_gone(number)]
        if not gone:
            # The broken pipe is another one, e.g. to a worker.
            raise
        _discard(gone)
        sys.exit(exit_status.READER_GONE)
    except OSError as error:
        if not _output_fails():
            raise
        # Buffered output would fail again at exit.
        _discard([1])
        exit_status.fail(
            f"error: standard output: can't be written ({error.strerror}).",
            exit_status.FAILED,
        )


def _output_fails() -> bool:
    """Whether the standard output can't be written."""
    try:
        if sys.stdout is not None:
            # Unbuffered output has nothing left to flush.
            sys.stdout.write("\n")
            sys.stdout.flush()
    except OSError:
        return True
    return False


def _discard(file_descriptors: list[int]) -> None:
    """Discards everything that is written to them from now on."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for number in file_descriptors:
        os.dup2(nowhere, number)
    os.close(nowhere)


def _reader_is_gone(file_descriptor: int) -> bool:
    poll = select.poll()
    poll.register(file_descriptor, 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))
