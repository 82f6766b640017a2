"""How programs print, end and warn, as a terminal's user expects it.

Python shows a warning with the source line that raised it, and meets a reader
that is gone (`audiotag-nas results ... | head`) with a traceback. Both are
for the programmer; here a warning is one line, and such an end is quiet. And
Ctrl-C is an end, wherever it strikes. Names that come from outside are
printed without the characters that control a terminal.
"""

import contextlib
import logging
import os
import re
import select
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, TextIO

EXIT_READER_GONE = 128 + signal.SIGPIPE
"""What a shell reports of a Unix tool whose reader is gone."""

EXIT_TERMINATED = 128 + signal.SIGTERM
"""What a shell reports of a Unix tool that SIGTERM ended."""

_UNPRINTABLE = re.compile(
    r"[\x00-\x1f\x7f-\x9f"  # control characters: line breaks, ESC, CSI
    r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # text direction
    r"\u2028\u2029"  # line and paragraph separators
    r"\ud800-\udfff]"  # bytes that are not UTF-8, as Python decodes them
)

Handler = Callable[[int, FrameType | None], Any]
"""A signal's handler in Python."""


class Terminated(KeyboardInterrupt):
    """SIGTERM was received; see `termination_raised`."""


def escaped(text: object) -> str:
    """`text` as one line that is safe on a terminal.

    Control characters, line breaks, characters that change the direction of
    text, and bytes that are not UTF-8 become escapes as in Python's source,
    e.g. `\\x1b`. All else stays, so this can be applied to whole lines.
    """
    return _UNPRINTABLE.sub(
        lambda match: match[0].encode("unicode_escape").decode(), str(text)
    )


def escaped_text(text: str) -> str:
    """Text of several lines, each `escaped`; its line breaks stay."""
    return "\n".join(map(escaped, text.split("\n")))


def escape_record(record: logging.LogRecord) -> bool:
    """A filter of log handlers that keeps each record, `escaped_text`."""
    record.msg, record.args = escaped_text(record.getMessage()), None
    return True


def print_lines(*lines: object, file: TextIO | None = None) -> None:
    """Prints each of `lines` as one line, `escaped`, and flushes."""
    for line in lines:
        print(escaped(line), file=file)
    # Without a console (pythonw), there is nothing to flush.
    stream = sys.stdout if file is None else file
    if stream is not None:
        stream.flush()


EXIT_UNWRITABLE = 1


def plain_warnings() -> None:
    """From now on a warning is one line on the standard error, once."""
    seen: set[str] = set()

    def show(message: Warning | str, *args: Any, **kwargs: Any) -> None:
        text = " ".join(str(message).split())
        if text not in seen and sys.stderr is not None:
            seen.add(text)
            print_lines(f"warning: {text}", file=sys.stderr)

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
def termination_raised() -> Iterator[None]:
    """Within the block, SIGTERM raises `Terminated`, as Ctrl-C does its error.

    Does nothing in threads other than the main one, and where SIGTERM is
    ignored or handled already.
    """
    if not _in_main_thread() or (
        signal.getsignal(signal.SIGTERM) != signal.SIG_DFL
    ):
        yield
        return
    with _handlers({signal.SIGTERM: _raise_terminated}):
        yield


@contextlib.contextmanager
def interrupts_kept() -> Iterator[None]:
    """Ctrl-C ends what is within, even where somebody swallows it.

    `KeyboardInterrupt` may be raised in the midst of a library's C code, which
    makes another error of it, or none. The same holds for `Terminated` within
    `termination_raised`. Does nothing where Ctrl-C raises nothing: in other
    threads than the main one, and where it is ignored.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed within, or (as `Terminated`)
            SIGTERM was received.
    """
    before = _interrupt_handlers()
    pressed: list[type[KeyboardInterrupt]] = []

    def note(number: int, frame: FrameType | None) -> None:
        pressed.append(_error_of(number))
        before[number](number, frame)

    try:
        with _handlers(dict.fromkeys(before, note)):
            yield
    except Exception:
        if pressed:
            raise pressed[0] from None
        raise
    if pressed:
        raise pressed[0]


@contextlib.contextmanager
def interrupts_deferred() -> Iterator[None]:
    """Ctrl-C and SIGTERM wait until the block has ended.

    For short steps that must be done completely or not at all, and for calls
    of C libraries that call Python back: an exception there is printed and
    lost. Once the block has ended, the handlers that were there are called.
    Does nothing in threads other than the main one.
    """
    before: dict[int, Handler] = {}
    if _in_main_thread():
        for kind in (signal.SIGINT, signal.SIGTERM):
            handler = signal.getsignal(kind)
            if callable(handler):
                before[kind] = handler
    received: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        received.append(number)

    try:
        with _handlers(dict.fromkeys(before, note)):
            yield
    finally:
        for number in received:
            before[number](number, None)


def _interrupt_handlers() -> dict[int, Handler]:
    """The handlers, by signal, that raise a `KeyboardInterrupt` here."""
    if not _in_main_thread():
        return {}
    found: dict[int, Handler] = {}
    interrupt = signal.getsignal(signal.SIGINT)
    if callable(interrupt):
        found[signal.SIGINT] = interrupt
    if signal.getsignal(signal.SIGTERM) is _raise_terminated:
        found[signal.SIGTERM] = _raise_terminated
    return found


@contextlib.contextmanager
def _handlers(handlers: dict[int, Handler]) -> Iterator[None]:
    """Other handlers of signals, for as long as the block lasts."""
    before = {number: signal.getsignal(number) for number in handlers}
    try:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        yield
    finally:
        for number, handler_before in before.items():
            signal.signal(number, handler_before)


def _error_of(number: int) -> type[KeyboardInterrupt]:
    return Terminated if number == signal.SIGTERM else KeyboardInterrupt


def _raise_terminated(number: int, frame: FrameType | None) -> None:
    raise Terminated


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


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
