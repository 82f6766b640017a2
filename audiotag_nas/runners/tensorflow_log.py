"""TensorFlow's log, where a runner reads or filters it."""

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
