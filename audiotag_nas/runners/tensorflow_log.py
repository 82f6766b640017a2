"""Recognizes and filters TensorFlow's log messages."""

import contextlib
import logging
import re
from collections.abc import Iterator

_LOG = re.compile(
    rb"(?P<level>[IWE])\d{4} |WARNING:|To enable the following instructions"
    # TensorFlow 2.17 and earlier begin a line with the date.
    rb"|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: (?P<old_level>[IWE]) "
)


def is_log(line: bytes, *, with_errors: bool) -> bool:
    """True for a line of TensorFlow's log, except a failed `CHECK` (level F).

    Args:
        line: a line of a process's output.
        with_errors: whether errors count as lines of the log. An error may be
            the reason why a process died, but TensorFlow also logs meaningless
            errors when it starts.
    """
    match = _LOG.match(line)
    if match is None:
        return False
    return with_errors or b"E" not in (match["level"], match["old_level"])


@contextlib.contextmanager
def without_retracing_notes() -> Iterator[None]:
    """Hides the warnings about retracing that every trial causes."""

    def is_other(record: logging.LogRecord) -> bool:
        return "retracing" not in record.getMessage()

    log = logging.getLogger("tensorflow")
    log.addFilter(is_other)
    try:
        yield
    finally:
        log.removeFilter(is_other)
