"""One driver a working directory.

The lock is the kernel's (flock), so it ends with the process that holds it,
however that ends; the file `driver.lock` says who that is, and stays.
"""

import contextlib
import datetime
import errno
import fcntl
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from audiotag_nas.errors import StoreError

LOCK_NAME = "driver.lock"


@contextlib.contextmanager
def driver_lock(workdir: str | os.PathLike) -> Iterator[None]:
    """Holds `workdir` (made if missing) for this process, for the block.

    Children started by exec (subprocess, spawn) do not inherit it; a child
    made by a bare fork would, and would hold it on after its parent's death.

    Raises:
        StoreError: another driver holds it (saying which), or the directory
            can't be written.
    """
    path = Path(workdir) / LOCK_NAME
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise StoreError(
            f"{path}: can't be opened ({error.strerror})."
        ) from error
    try:
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
                f"{path}: this file system can't lock it ({error.strerror})."
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
        holder = json.loads(os.pread(file, 4096, 0))
        return (
            f"process {holder['pid']} on {holder['host']} since "
            f"{holder['since']}"
        )
    except (OSError, ValueError, KeyError, TypeError):
        return "which has not said who it is"
