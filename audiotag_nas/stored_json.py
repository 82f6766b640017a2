"""Reads JSON files of this project, which may be damaged.

A file may be truncated, edited, or replaced by a pipe or a directory. Reading
never blocks and uses bounded memory. `StoreError` reports a file that can't be
read, and `ValueError` reports text that is not valid JSON.
"""

import json
import os
import stat
from pathlib import Path
from typing import Any, NoReturn

from audiotag_nas.errors import StoreError

MAX_BYTES = 16 * 2**20
"""Default size limit of a file. Most files have a few kilobytes."""


def read_regular_file(
    path: str | os.PathLike, *, max_bytes: int | None = MAX_BYTES
) -> bytes:
    """Returns the content of a regular file.

    Raises:
        FileNotFoundError: there is no such file.
        StoreError: the file is not regular, has more than `max_bytes` bytes or
            can't be read.
    """
    try:
        # Without O_NONBLOCK, opening a FIFO waits for a writer.
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            status = os.fstat(file)
            check_regular(path, status)
            if max_bytes is not None and status.st_size > max_bytes:
                raise StoreError(
                    f"{path}: must have at most {max_bytes} bytes. "
                    f"Received: {status.st_size}"
                )
            with open(file, "rb", closefd=False) as stream:
                return stream.read()
        finally:
            os.close(file)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise StoreError(f"{path}: can't be read ({error.strerror}).") from None
    except MemoryError:
        raise StoreError(
            f"{path}: can't be read (larger than the memory)."
        ) from None


def check_regular(
    path: str | os.PathLike, status: os.stat_result | None = None
) -> None:
    """Checks that `path` is a regular file or does not exist.

    Args:
        path: path of the file.
        status: result of `os.stat` for the file, if known.

    Raises:
        StoreError: `path` is a directory, a FIFO, a device or a socket.
    """
    if status is None:
        try:
            status = os.stat(path)
        except OSError:
            return
    if not stat.S_ISREG(status.st_mode):
        raise StoreError(
            f"{path}: must be a regular file. "
            f"Received: {_KINDS.get(stat.S_IFMT(status.st_mode), 'another')}"
        )


_KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFCHR: "a character device",
    stat.S_IFBLK: "a block device",
    stat.S_IFSOCK: "a socket",
}


def parse_json(data: bytes) -> Any:
    """Parses JSON in UTF-8.

    Raises:
        ValueError: `data` is not UTF-8 or not JSON, or contains a repeated name
            in an object, NaN, infinity, deep nesting or half a surrogate pair.
    """
    try:
        value = json.loads(
            data.decode(),
            parse_constant=_refuse_constant,
            object_pairs_hook=_object,
        )
        if b"\\u" in data:
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeDecodeError as error:
        raise ValueError(
            f"not UTF-8 text (byte {error.start} is 0x{data[error.start]:02x})"
        ) from None
    except UnicodeEncodeError:
        raise ValueError("a string has half a surrogate pair") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON ({error})") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except ValueError as error:
        if "integer string conversion" in str(error):
            raise ValueError("a number has too many digits") from None
        raise
    return value


def read_json(path: str | os.PathLike) -> Any:
    """Reads the JSON value of a small file.

    Raises:
        FileNotFoundError: there is no such file.
        StoreError: the file can't be read (`read_regular_file`) or is not valid
            JSON.
    """
    data = read_regular_file(path)
    try:
        return parse_json(data)
    except ValueError as error:
        raise StoreError(f"{Path(path)}: {error}") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the name {twice[:60]!r} occurs twice in an object")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")
