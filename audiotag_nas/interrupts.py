"""Turns Ctrl-C and SIGTERM into exceptions that no library can suppress."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

Handler = Callable[[int, FrameType | None], Any]
"""A signal's handler in Python."""


class Terminated(KeyboardInterrupt):
    """SIGTERM was received in a block of `termination_raised`."""


@contextlib.contextmanager
def termination_raised() -> Iterator[None]:
    """Within the block, SIGTERM raises `Terminated`.

    Has no effect outside of the main thread, or if SIGTERM is ignored or
    already has a handler.
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
    """Raises Ctrl-C's exception after the block if a library suppressed it.

    C code of a library may turn `KeyboardInterrupt` into another error, or
    ignore the exception. Within `termination_raised`, `Terminated` is raised
    again in the same way. Has no effect outside of the main thread, or if
    Ctrl-C is ignored.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed within the block.
        Terminated: SIGTERM was received within the block.
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
    """Defers Ctrl-C and SIGTERM until the end of the block.

    Use this for short steps that must be done completely or not at all, and for
    C libraries that call a Python function but lose its exceptions. Has no
    effect outside of the main thread.
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
    """Returns the handlers that raise a `KeyboardInterrupt`, by signal."""
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
    """Replaces handlers of signals within the block."""
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
