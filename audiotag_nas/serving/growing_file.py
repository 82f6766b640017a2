"""A text file that grows entry by entry and is complete after each entry.

    <head><entry><separator><entry>...<tail>

One write replaces the tail by an entry and a new tail. All earlier entries stay
in the file, even if the process is killed. Several processes may append to the
same file.
"""

import contextlib
import enum
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from audiotag_nas.errors import StoreError
from audiotag_nas.files import atomic_write_text, store_errors

_MAX_SHOWN = 60


class Existing(enum.Enum):
    """What `GrowingFile` does with a file that exists."""

    REFUSE = "refuse"
    APPEND = "append"
    OVERWRITE = "overwrite"


def check_absent(path: str | os.PathLike) -> None:
    """Checks that the file at `path` does not exist or is empty.

    Raises:
        StoreError: the file exists and is not empty.
    """
    if os.path.exists(path) and os.path.getsize(path):
        raise StoreError(
            f"{path}: exists and is not overwritten. --append continues this "
            "file, and --overwrite replaces it."
        )


class GrowingFile:
    """Writes a growing file. Nothing is written before the first entry.

    Args:
        path: the file.
        head: text before the first entry.
        tail: text after the last entry.
        separator: text between two entries.
        existing: what happens to a file that exists and is not empty.

    Raises:
        StoreError: `existing` is REFUSE and the file exists; or `existing` is
            APPEND and the file can't be written or has another head or tail.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        *,
        head: str,
        tail: str,
        separator: str = "",
        existing: Existing = Existing.REFUSE,
    ) -> None:
        self.path = Path(path)
        self._head = head.encode()
        self._tail = tail.encode()
        self._separator = separator.encode()
        self._existing = existing
        if existing is Existing.REFUSE:
            check_absent(path)
        elif existing is Existing.APPEND and self.path.exists():
            with self._opened() as descriptor:
                self._check(descriptor)

    def add(self, entry: str) -> None:
        """Adds one entry, completely or not at all.

        Raises:
            StoreError: the file can't be written, or another process changed
                the file's beginning or end.
        """
        if self._existing is Existing.OVERWRITE:
            whole = self._head.decode() + entry + self._tail.decode()
            with store_errors(self.path, continues=False):
                atomic_write_text(self.path, whole)
        else:
            with self._opened() as descriptor:
                if self._existing is Existing.REFUSE:
                    # Another process may have created the file meanwhile.
                    check_absent(self.path)
                self._check(descriptor)
                self._append(descriptor, entry.encode())
        self._existing = Existing.APPEND

    @contextlib.contextmanager
    def _opened(self) -> Iterator[int]:
        """Opens the file and locks it against other processes that append."""
        with store_errors(self.path, continues=False):
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                yield descriptor
            finally:
                os.close(descriptor)

    def _check(self, descriptor: int) -> None:
        """Checks that the file is empty or can be continued."""
        size = os.fstat(descriptor).st_size
        if not size:
            return
        begin = os.pread(descriptor, len(self._head), 0)
        if begin != self._head:
            raise StoreError(
                f"{self.path}: can't be continued. It must begin like a table "
                "of this command and model. Received: "
                f"{_shown(begin[:_MAX_SHOWN])}"
            )
        end = os.pread(descriptor, _MAX_SHOWN, max(0, size - _MAX_SHOWN))
        if not end.endswith(self._tail):
            raise StoreError(
                f"{self.path}: can't be continued. It must end with a complete "
                "entry. Complete or remove the last one. Received at the end: "
                f"{_shown(end)}"
            )

    def _append(self, descriptor: int, entry: bytes) -> None:
        size = os.fstat(descriptor).st_size
        if not size:
            start, data = 0, self._head + entry + self._tail
        else:
            start = size - len(self._tail)
            is_first = start == len(self._head)
            separator = b"" if is_first else self._separator
            data = separator + entry + self._tail
        try:
            _write_all(descriptor, data, start)
        except BaseException:
            # The write failed, e.g. on a full disk. Remove what was written.
            os.ftruncate(descriptor, size)
            if size:
                _write_all(descriptor, self._tail, start)
            raise


def _write_all(descriptor: int, data: bytes, offset: int) -> None:
    while data:
        written = os.pwrite(descriptor, data, offset)
        data, offset = data[written:], offset + written


def _shown(data: bytes) -> str:
    return repr(data.decode("utf-8", "backslashreplace"))
