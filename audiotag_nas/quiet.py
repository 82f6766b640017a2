"""Keeps TensorFlow's start-up notices and such off the screen.

On processors where oneDNN is on by default, importing TensorFlow writes
notices to the standard error before its own log level counts, so that no
setting silences them. What is no notice (a warning, an error) is passed on
once the import is done.
"""

import contextlib
import importlib.abc
import importlib.machinery
import importlib.util
import logging
import os
import re
import sys
import tempfile
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
    """Holds back what is written to file descriptor 2, drops the notices."""
    sys.stderr.flush()
    try:
        held = tempfile.TemporaryFile()  # noqa: SIM115  closed below
    except OSError:
        # Without room for it the notices are shown.
        yield
        return
    screen = os.dup(2)
    with held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(screen, 2)
            os.close(screen)
            held.seek(0)
            for line in held:
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
            spec.loader = _Loader(spec.loader)
        return spec


class _Loader(importlib.abc.Loader):
    """Runs a module by another loader, without its notices."""

    def __init__(self, loader: importlib.abc.Loader) -> None:
        self._loader = loader

    def create_module(
        self, spec: importlib.machinery.ModuleSpec
    ) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        with without_notices():
            self._loader.exec_module(module)

    def __getattr__(self, name: str) -> object:
        # Resource readers and the like, as the loader itself has them.
        return getattr(self._loader, name)
