"""The journal, a file `trials.jsonl` with one line per finished trial.

The journal is the state of a search. A new searcher that is told the journal's
results continues the search as if nothing had happened (see `loop`). One file
serves all stages of a working directory. Each line has the form

    {"schema_version": 3, "order": 7, "finished_at": "2026-01-31T12:00:00Z",
     "trial": {...}, "result": {...}, "checksum": "0123456789abcdef"}

with the fields of `Trial` and `TrialResult` (docs/reference/journal.md). A line
with a wrong type or checksum is an error. Only the process that holds
`lock.driver_lock` may open a `Journal`. Any process may call `read_entries`.
"""

import contextlib
import dataclasses
import datetime
import hashlib
import json
import math
import os
import re
from pathlib import Path
from typing import Any, NoReturn

from absl import logging

from audiotag_nas.errors import ConfigError, StoreError
from audiotag_nas.fields import flatten, from_json
from audiotag_nas.stored_json import (
    check_regular,
    parse_json,
    read_regular_file,
)
from audiotag_nas.trial import Trial, TrialResult

SCHEMA_VERSION = 3

_CHECKSUM = re.compile(rb', "checksum": "([0-9a-f]{16})"\}')


@dataclasses.dataclass(frozen=True)
class _Line:
    """The fields of a journal line, in their order."""

    schema_version: int
    order: int
    finished_at: str
    trial: Trial
    result: TrialResult
    checksum: str


@dataclasses.dataclass(frozen=True)
class JournalEntry:
    """One line of the journal.

    Attributes:
        order: a number that increases from each line to the next.
        finished_at: when the trial finished (UTC), `2026-01-31T12:00:00Z`.
        trial: the finished trial.
        result: the result of `trial`.
        line_number: the number of the line, from 1.
    """

    order: int
    finished_at: str
    trial: Trial
    result: TrialResult
    line_number: int

    def differences(self, trial: Trial) -> list[str]:
        """How `trial` differs, such as `seed: 4 here, 5 in the journal`."""
        mine, theirs = (
            flatten(json.loads(_dump(value.to_json())))
            for value in (trial, self.trial)
        )
        return [
            f"{name}: {mine.get(name, 'nothing')!r} here, "
            f"{theirs.get(name, 'nothing')!r} in the journal"
            for name in dict.fromkeys((*mine, *theirs))
            if name not in mine
            or name not in theirs
            or mine[name] != theirs[name]
        ]


class Journal:
    """A journal open for writing, by one process at a time.

    The constructor reads the whole file; a missing file is an empty journal. A
    kill or a power cut can leave an incomplete last line. The constructor
    removes such a line and logs a warning.

    Attributes:
        path: the path of the file.
        entries: the entries of all lines, in order.

    Raises:
        StoreError: a complete line is damaged (the message names the line), or
            the file can't be read or truncated.
    """

    def __init__(self, path: str | os.PathLike) -> None:
        self.path = Path(path)
        entries, self._num_bytes, torn = self._read()
        self.entries: list[JournalEntry] = entries
        self._by_trial_id = {entry.trial.trial_id: entry for entry in entries}
        if torn:
            logging.warning(
                "%s: removed the incomplete last line (%d bytes) of an "
                "interrupted run; the line's trial will run again.",
                self.path,
                torn,
            )
            try:
                os.truncate(self.path, self._num_bytes)
            except OSError as error:
                self._fail(error)

    def __len__(self) -> int:
        return len(self.entries)

    def get(self, trial_id: str) -> JournalEntry | None:
        """The entry of a trial, or None if the trial has not finished."""
        return self._by_trial_id.get(trial_id)

    def append(self, trial: Trial, result: TrialResult) -> JournalEntry:
        """Writes one line durably.

        Returns:
            The entry as a later run will read it: without metrics that are not
            finite, and with None for each number of a curve that is not finite.
            Callers must use the entry's result instead of `result`, in order to
            have the same numbers after a resume.

        Raises:
            StoreError: the trial is in the journal already, or the line can't
                be written. The file is then unchanged.
            ValueError: `result` belongs to another trial.
        """
        if trial.trial_id != result.trial_id:
            raise ValueError(
                f"the result of {result.trial_id} can't be journaled as "
                f"that of {trial.trial_id}."
            )
        if trial.trial_id in self._by_trial_id:
            raise StoreError(
                f"{self.path}: trial {trial.trial_id} is in the journal "
                "already."
            )
        now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
        line = _dump(
            {
                "schema_version": SCHEMA_VERSION,
                "order": self.entries[-1].order + 1 if self.entries else 0,
                "finished_at": now.isoformat().replace("+00:00", "Z"),
                "trial": trial.to_json(),
                "result": _with_finite_metrics(result).to_json(),
            }
        ).encode()
        line = with_checksum(line)
        last_line = self.entries[-1].line_number if self.entries else 0
        entry = _decode(line, line_number=last_line + 1)
        self._write(line + b"\n")
        self.entries.append(entry)
        self._by_trial_id[trial.trial_id] = entry
        return entry

    def _read(self) -> tuple[list[JournalEntry], int, int]:
        return _read(self.path)

    def _write(self, data: bytes) -> None:
        """Appends `data` durably, or leaves the file unchanged."""
        check_regular(self.path)
        try:
            is_new = not self.path.exists()
            self.path.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
            file = os.open(self.path, flags, 0o644)
        except OSError as error:
            self._fail(error)
        try:
            if os.fstat(file).st_size != self._num_bytes:
                raise StoreError(
                    f"{self.path}: another program changed the file since it "
                    "was opened."
                )
            try:
                _write_all(file, data)
                os.fsync(file)
                if is_new:
                    _sync_directory(self.path.parent)
            except OSError as error:
                # Part of the line may be in the file. If this part can't be
                # removed now, the next `Journal` removes it.
                with contextlib.suppress(OSError):
                    os.ftruncate(file, self._num_bytes)
                self._fail(error)
        finally:
            os.close(file)
        self._num_bytes += len(data)

    def _fail(self, error: OSError) -> NoReturn:
        raise StoreError(
            f"{self.path}: can't be written ({error.strerror}). The "
            "earlier trials are safe, and the same command continues after "
            "them."
        ) from error


def read_entries(path: str | os.PathLike) -> list[JournalEntry]:
    """Reads a journal without changing it, even while a driver writes it.

    An incomplete last line is ignored. For a missing file, the list is empty.

    Raises:
        StoreError: a complete line is damaged, or the file can't be read.
    """
    return _read(Path(path))[0]


def with_checksum(line: bytes) -> bytes:
    """Returns a line with its checksum added as the last field.

    The checksum is the first 16 hexadecimal digits of the SHA-256 of `line`.

    Args:
        line: a JSON object without a newline.
    """
    digest = hashlib.sha256(line).hexdigest()[:16]
    return line[:-1] + f', "checksum": "{digest}"}}'.encode()


def _read(path: Path) -> tuple[list[JournalEntry], int, int]:
    """The entries, their size in bytes, and the size of an incomplete line."""
    try:
        data = read_regular_file(path, max_bytes=None)
    except FileNotFoundError:
        return [], 0, 0
    *lines, rest = data.split(b"\n")
    if lines and not rest and not _is_json(lines[-1]):
        # After a power cut, the disk may have only the end of the last line.
        rest = lines.pop() + b"\n"
    entries: list[JournalEntry] = []
    line_numbers: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        try:
            entry = _decode(line, line_number=number)
            if entries and entry.order <= entries[-1].order:
                raise ValueError(
                    f"`order` must increase. Received: {entry.order} after "
                    f"{entries[-1].order}"
                )
            trial_id = entry.trial.trial_id
            if trial_id in line_numbers:
                raise ValueError(
                    f"trial {trial_id} is on line {line_numbers[trial_id]} "
                    "already"
                )
        except _OtherVersionError as error:
            raise StoreError(f"{path}, line {number}: {error}") from None
        except (ValueError, StoreError) as error:
            raise StoreError(
                f"{path}, line {number}: damaged: {error}"
            ) from error
        line_numbers[trial_id] = number
        entries.append(entry)
    return entries, len(data) - len(rest), len(rest)


class _OtherVersionError(ValueError):
    """A line was written by another version of this project."""


def _decode(line: bytes, *, line_number: int) -> JournalEntry:
    """Decodes and checks a line.

    Raises:
        _OtherVersionError: the line has another format version.
        ValueError, StoreError: the line is damaged.
    """
    value = parse_json(line)
    if not isinstance(value, dict):
        raise ValueError("must be a JSON object")
    version: Any = value.get("schema_version")
    is_version = type(version) is int
    if is_version and 0 < version < 1000 and version != SCHEMA_VERSION:
        raise _OtherVersionError(
            f"the journal has format version {version}; this version of "
            f"audiotag-nas reads and continues version {SCHEMA_VERSION} only. "
            "Use the version that wrote the journal, or another --workdir."
        )
    if not is_version or version != SCHEMA_VERSION:
        raise ValueError(
            f"`schema_version` must be {SCHEMA_VERSION}. Received: "
            f"{str(version)[:40]!r}"
        )
    match = _CHECKSUM.search(line, max(0, len(line) - 34))
    if match is None or match.end() != len(line):
        raise ValueError("the last field must be a `checksum`")
    if with_checksum(line[: match.start()] + b"}") != line:
        raise ValueError(
            "the checksum must match the line; the line was changed after it "
            f"was written. Received: {match[1].decode()}"
        )
    fields: _Line = from_json(_Line, value)
    if fields.trial.trial_id != fields.result.trial_id:
        raise ConfigError(
            f"trial {fields.trial.trial_id} has the result of "
            f"{fields.result.trial_id[:60]!r}"
        )
    return JournalEntry(
        order=fields.order,
        finished_at=fields.finished_at,
        trial=fields.trial,
        result=fields.result,
        line_number=line_number,
    )


def _is_json(line: bytes) -> bool:
    """False if `line` may be incomplete; True even for other damage."""
    try:
        json.loads(line.decode())
    except (json.JSONDecodeError, UnicodeDecodeError):
        return False
    except (ValueError, RecursionError):
        return True
    return True


def _with_finite_metrics(result: TrialResult) -> TrialResult:
    metrics = {k: v for k, v in result.metrics.items() if math.isfinite(v)}
    return dataclasses.replace(result, metrics=metrics)


def _dump(value: Any) -> str:
    """`value` as one line of JSON, with null for each number not finite."""
    return json.dumps(_finite(value), allow_nan=False, ensure_ascii=False)


def _finite(value: Any) -> Any:
    """`value` with None in place of each number that is not finite."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, str):
        # For a file name that is not UTF-8, Python makes lone surrogates,
        # which can't be encoded.
        return value.encode(errors="backslashreplace").decode()
    return value


def _write_all(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]


def _sync_directory(path: Path) -> None:
    """Makes the names of new files in the directory `path` durable."""
    directory = os.open(path, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
