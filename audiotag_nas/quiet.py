"""Keeps TensorFlow's start-up notices and such off the screen.

On processors where oneDNN is on by default, importing TensorFlow writes
notices to the standard error before its own log level counts, so that no
setting silences them. All else, e.g. a warning or the last words of a process
that dies in the import, is passed on.
"""

import contextlib
import importlib.abc
import importlib.machinery
import importlib.util
import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from types import ModuleType

_NOTICE = re.compile(
    rb"I\d{4} |WARNING: All log messages before absl::InitializeLog"
    rb"|To enable the following instructions"
)

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


def quiet_tensorflow_import() -> None:
    """From now on the first import of TensorFlow gives no notices."""
    if "tensorflow" not in sys.modules:
        sys.meta_path.insert(0, _Finder())


@contextlib.contextmanager
def without_notices() -> Iterator[None]:
    """Drops the notices that are written to file descriptor 2.

    A process of its own filters them: this one may be ended by TensorFlow, at
    once and without a Python exception, and what it wrote last says why.
    """
    sys.stderr.flush()
    screen = os.dup(2)
    # This file as a script, without the package. A session of its own, so
    # that Ctrl-C does not end it before what it has to pass on.
    command = [sys.executable, "-I", "-S", __file__]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, start_new_session=True
    ) as relay:
        if relay.stdin is None:
            raise RuntimeError("the relay has no standard input.")
        os.dup2(relay.stdin.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(screen, 2)
            os.close(screen)


def _relay() -> None:
    """Copies the standard input to the standard error, but for notices."""
    for line in sys.stdin.buffer:
        if not _NOTICE.match(line):
            os.write(2, line)


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


class _Finder(importlib.abc.MetaPathFinder):
    """Finds TensorFlow, once, with a loader that is quiet."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != "tensorflow":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            # The loader stays itself: TensorFlow's resources are read by it.
            run = without_notices()(spec.loader.exec_module)
            vars(spec.loader)["exec_module"] = run
        return spec


if __name__ == "__main__":
    _relay()
