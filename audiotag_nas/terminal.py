"""How programs end and warn, as a terminal's user expects it.

Python shows a warning with the source line that raised it, and meets a reader
that is gone (`audiotag-nas results ... | head`) with a traceback. Both are
for the programmer; here a warning is one line, and such an end is quiet. And
Ctrl-C is an end, wherever it strikes.
"""

import contextlib
import os
import select
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from types import FrameType
from typing import Any

EXIT_READER_GONE = 128 + signal.SIGPIPE
"""What a shell reports of a Unix tool whose reader is gone."""

EXIT_UNWRITABLE = 1


def plain_warnings() -> None:
    """From now on a warning is one line on the standard error, once."""
    seen: set[str] = set()

    def show(message: Warning | str, *args: Any, **kwargs: Any) -> None:
        text = " ".join(str(message).split())
        if text not in seen and sys.stderr is not None:
            seen.add(text)
            print(f"warning: {text}", file=sys.stderr, flush=True)

    warnings.showwarning = show


@contextlib.contextmanager
def quiet_when_reader_is_gone() -> Iterator[None]:
    """Ends the process without a word where nobody reads its output.

    SIGPIPE's default action would do that too, but would also kill a search
    whose worker has died while it was written to. Output that can't be
    written, as to a file on a full disk, ends the process with one line.
    """
    try:
        try:
            yield
        except SystemExit:
            # Else the interpreter flushes on its way out, and complains.
            if sys.stdout is not None:
                sys.stdout.flush()
            raise
    except BrokenPipeError:
        gone = [number for number in (1, 2) if _reader_is_gone(number)]
        if not gone:
            # Another pipe, e.g. a worker's: that is no way to end.
            raise
        _discard(gone)
        sys.exit(EXIT_READER_GONE)
    except OSError as error:
        if not _output_fails():
            raise
        # What is still buffered would fail again on the way out.
        _discard([1])
        print(
            f"error: standard output: can't be written ({error.strerror}).",
            file=sys.stderr,
            flush=True,
        )
        sys.exit(EXIT_UNWRITABLE)


@contextlib.contextmanager
def interrupts_kept() -> Iterator[None]:
    """Ctrl-C ends what is within, even where somebody swallows it.

    `KeyboardInterrupt` may be raised in the midst of a library's C code, which
    makes another error of it, or none. Does nothing where Ctrl-C raises
    nothing: in other threads than the main one, and where it is ignored.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed within.
    """
    before = signal.getsignal(signal.SIGINT)
    in_main = threading.current_thread() is threading.main_thread()
    if not in_main or not callable(before):
        yield
        return
    pressed = False

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        pressed = True
        before(number, frame)

    signal.signal(signal.SIGINT, note)
    try:
        yield
    except Exception:
        if pressed:
            raise KeyboardInterrupt from None
        raise
    finally:
        signal.signal(signal.SIGINT, before)
    if pressed:
        raise KeyboardInterrupt


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
    """What is written to them from now on is lost."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for number in file_descriptors:
        os.dup2(nowhere, number)
    os.close(nowhere)


def _reader_is_gone(file_descriptor: int) -> bool:
    poll = select.poll()
    poll.register(file_descriptor, 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))
