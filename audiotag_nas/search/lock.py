"""The lock of a working directory, which only one driver can hold at a time.

A driver is the process that runs a search. The kernel releases the lock (flock)
when the driver ends. The file `driver.lock` names the driver. This file is
never removed.
"""

import contextlib
import dataclasses
import datetime
import errno
import fcntl
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from audiotag_nas.errors import StoreError
from audiotag_nas.fields import from_json
from audiotag_nas.stored_json import (
    check_regular,
    parse_json,
    read_regular_file,
)

LOCK_NAME = "driver.lock"


@dataclasses.dataclass(frozen=True)
class Holder:
    """The last process that took the lock, if it did not release the lock.

    Attributes:
        pid, host: the id of the process, and the name of its machine.
        since: when the process took the lock (UTC), `2026-01-31T12:00:00Z`.
        is_alive: True if the process still holds the lock, False if the process
            was killed, and None if the process ran on another machine.
    """

    pid: int
    host: str
    since: str
    is_alive: bool | None = None


def read_holder(workdir: str | os.PathLike) -> Holder | None:
    """The driver of `workdir`, or None if no driver is named.

    This function does not take the lock, not even for a moment, because a
    driver that starts at this moment would be refused.
    """
    path = Path(workdir) / LOCK_NAME
    try:
        written = _written_holder(read_regular_file(path))
    except (OSError, StoreError):
        return None
    if written is None or written.host != socket.gethostname():
        return written
    is_alive = _has_open(written.pid, path)
    return dataclasses.replace(written, is_alive=is_alive)


def _written_holder(data: bytes) -> Holder | None:
    """The holder named in `data`, the lock file's content, or None."""
    try:
        holder: Holder = from_json(Holder, parse_json(data))
    except ValueError:
        return None
    is_text = holder.host.isprintable() and holder.since.isprintable()
    is_process = 0 < holder.pid < 2**31
    is_unknown = holder.is_alive is None
    return holder if is_text and is_process and is_unknown else None


def _has_open(pid: int, path: Path) -> bool:
    """Whether a process is alive and has the file open.

    The pid alone is not enough, because another process may have got the pid of
    a dead driver. A process whose open files can't be listed counts as having
    the file open.
    """
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except OSError:
        return False
    try:
        files = list(Path(f"/proc/{pid}/fd").iterdir())
    except OSError:  # another user's process, or no /proc
        return True
    for file in files:
        with contextlib.suppress(OSError):
            if os.path.samefile(file, path):
                return True
    return False


@contextlib.contextmanager
def driver_lock(workdir: str | os.PathLike) -> Iterator[None]:
    """Locks `workdir` for this process, within the block.

    A missing directory is made. Processes started by exec (subprocess, spawn)
    do not inherit the lock. A process made by fork would inherit the lock, and
    keep the lock after the death of its parent.

    Raises:
        StoreError: another driver holds the lock (the message names the
            driver), or the directory can't be written.
    """
    path = Path(workdir) / LOCK_NAME
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Without O_NONBLOCK, opening a FIFO or a device could block.
        flags = os.O_RDWR | os.O_CREAT | os.O_NONBLOCK
        file = os.open(path, flags, 0o644)
    except OSError as error:
        raise StoreError(
            f"{path}: can't be opened ({error.strerror})."
        ) from error
    try:
        check_regular(path, os.fstat(file))
        _lock(file, path)
        _write_holder(file, path)
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                os.ftruncate(file, 0)
    finally:
        os.close(file)


def _lock(file: int, path: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
            raise StoreError(
                f"{path}: the file system can't lock this file "
                f"({error.strerror})."
            ) from error
        raise StoreError(
            f"{path.parent}: in use by another driver, "
            f"{_describe_holder(file)}. Wait for it to end, or stop it."
        ) from error


def _write_holder(file: int, path: Path) -> None:
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    holder = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": now.isoformat().replace("+00:00", "Z"),
    }
    try:
        os.ftruncate(file, 0)
        os.pwrite(file, json.dumps(holder).encode() + b"\n", 0)
    except OSError as error:
        raise StoreError(
            f"{path}: can't be written ({error.strerror})."
        ) from error


def _describe_holder(file: int) -> str:
    try:
        holder = _written_holder(os.pread(file, 4096, 0))
    except OSError:
        holder = None
    if holder is None:
        return "whose process is unknown"
    return f"process {holder.pid} on {holder.host} since {holder.since}"
