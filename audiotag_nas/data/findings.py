"""Errors and notes on the files of a data set, with path and line.

Readers and checks share one parser per file format. A reader raises the first
error (`raise_first`); a check collects all errors.
"""

import dataclasses
import os
from collections.abc import Callable, Sequence

from audiotag_nas.errors import DataError

_MAX_NOTES = 20


@dataclasses.dataclass(frozen=True)
class Finding:
    """One error or note.

    Attributes:
        path: the file.
        line: the line in the file, counted from 1, or None for the whole file.
        reason: the rule that is broken, and the received value.
        is_error: True for an error, False for a note.
    """

    path: str
    line: int | None
    reason: str
    is_error: bool = True

    def __str__(self) -> str:
        place = self.path if self.line is None else f"{self.path}:{self.line}"
        return f"{place}: {self.reason}"


class FileError(DataError):
    """The error that a reader raises for a finding."""

    def __init__(self, finding: Finding):
        super().__init__(str(finding))
        self.finding = finding


Report = Callable[[Finding], None]


def raise_first(finding: Finding) -> None:
    """Raises the finding as an error. Readers use this function as `Report`.

    Raises:
        FileError: always.
    """
    raise FileError(finding)


def finding_lines(findings: Sequence[Finding]) -> list[str]:
    """Returns one line for each error and for each of the first 20 notes."""
    errors = [f"error: {f}" for f in findings if f.is_error]
    notes = [f"note: {f}" for f in findings if not f.is_error]
    lines = errors + notes[:_MAX_NOTES]
    if len(notes) > _MAX_NOTES:
        lines.append(
            f"... and {len(notes) - _MAX_NOTES} more notes (`check --csv` "
            "writes all)"
        )
    return lines


def shown(value: object) -> str:
    """Returns a value for an error message: quoted, shortened, on one line."""
    text = str(value)
    return repr(text if len(text) <= 80 else text[:77] + "...")


def read_lines(path: str | os.PathLike) -> list[str]:
    """Returns the lines of a UTF-8 file, without line ends or byte-order mark.

    Raises:
        FileError: the file can't be read, or is not UTF-8.
    """
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        reason = f"can't be read: {error.strerror}"
        raise FileError(Finding(str(path), None, reason)) from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        reason = "must be UTF-8 text."
        raise FileError(Finding(str(path), line, reason)) from None
    # str.splitlines would also split at other characters, e.g. U+2028.
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
