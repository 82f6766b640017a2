"""Warnings and log records as single lines, safe on a terminal."""

import logging
import sys
import warnings
from typing import Any

from audiotag_nas.terminal import escaped_text, print_lines


def print_warnings_as_lines() -> None:
    """From now on, prints each warning once, as one line without a path."""
    seen: set[str] = set()

    def show(message: Warning | str, *args: Any, **kwargs: Any) -> None:
        text = " ".join(str(message).split())
        if text not in seen and sys.stderr is not None:
            seen.add(text)
            print_lines(f"warning: {text}", file=sys.stderr)

    warnings.showwarning = show


def escape_record(record: logging.LogRecord) -> bool:
    """Escapes the text of a log record. True means that the record is kept."""
    record.msg, record.args = escaped_text(record.getMessage()), None
    return True
