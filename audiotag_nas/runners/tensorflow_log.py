"""Recognizes and filters TensorFlow's log messages."""

import contextlib
import logging
import re
from collections.abc import Iterator

_LOG = re.compile(
    rb"(?P<level>[IWE])\d{4} |WARNING:|To enable the following instructions"
    # As TensorFlow wrote them up to 2.17.
    rb"|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: (?P<old_level>[IWE]) "
)


def is_log(line: bytes, *, with_errors: bool) -> bool:
    """Whether a line belongs to TensorFlow's log; a failed check does not.

    Args:
        line: a line of a process's output.
        with_errors: whether errors count. They may say why a process died,
            but TensorFlow also logs meaningless ones at its start.
    """
    match = _LOG.match(line)
    if match is None:
        return False
    return with_errors or b"E" not in (match["level"], match["old_level"])


@contextlib.contextmanager
def without_retracing_notes() -> Iterator[None]:
    """Hides TensorFlow's warnings of retracing: each trial must be traced."""

    def is_other(record: logging.LogRecord) -> bool:
        return "retracing" not in record.getMessage()

    log = logging.getLogger("tensorflow")
    log.addFilter(is_other)
    try:
        yield
    finally:
        log.removeFilter(is_other)
