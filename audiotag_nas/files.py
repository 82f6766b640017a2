"""Files and directories that appear whole or not at all.

Everything is written beside its place and renamed, so that a kill or a full
disk never leaves half a file where a good one is expected.
"""

import contextlib
import errno
import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

from audiotag_nas.errors import StoreError


def atomic_write_bytes(path: str | os.PathLike, data: bytes) -> None:
    """Writes `data` to `path`, whole or not at all; makes its directory."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _beside(path)
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def atomic_write_text(path: str | os.PathLike, text: str) -> None:
    """Writes `text` as UTF-8 to `path`, whole or not at all."""
    atomic_write_bytes(path, text.encode())


@contextlib.contextmanager
def atomic_directory(path: str | os.PathLike) -> Iterator[Path]:
    """A directory to fill, renamed to `path` when the block ends well.

    What stood at `path` is replaced then, and only then; if the block raises,
    it stays as it was. Where `path` is a link, what it points to is.
    """
    path = Path(path).resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _beside(path)
    temporary.mkdir()
    try:
        yield temporary
        if path.exists():
            # A directory can't be renamed onto a filled one: step aside.
            old = _beside(path)
            os.rename(path, old)
            os.rename(temporary, path)
            shutil.rmtree(old)
        else:
            os.rename(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def remove_partials(directory: str | os.PathLike) -> None:
    """Removes what killed processes left half written right in `directory`.

    Nothing else may be writing there.
    """
    for path in Path(directory).glob(_partial_name("*", "[0-9a-f]" * 8)):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def write_output(path: str | os.PathLike, text: str) -> None:
    """As `atomic_write_text`, for what a tool writes once its work is done.

    Raises:
        StoreError: it can't be written.
    """
    with store_errors(path, goes_on=False):
        atomic_write_text(path, text)


def check_writable(path: str | os.PathLike) -> None:
    """Checks, before the work, that a file could be written to `path`.

    Nothing is left behind, and what is there is not touched.

    Raises:
        StoreError: it could not.
    """
    with store_errors(path, goes_on=False):
        if Path(path).is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if Path(path).exists() and not Path(path).is_file():
            # A rename would put a file in the place of, say, /dev/null.
            raise OSError("not a regular file")
        _write_probe(Path(path).parent)


def check_writable_directory(path: str | os.PathLike) -> None:
    """As `check_writable`, for a directory that is made if need be."""
    with store_errors(path, goes_on=False):
        _write_probe(Path(path))


def _write_probe(directory: Path) -> None:
    """Writes to the directory, or to the one that it would be made in."""
    while not os.path.lexists(directory):
        directory = directory.parent
    probe = _beside(directory / "probe")
    try:
        probe.touch()
    finally:
        with contextlib.suppress(OSError):
            probe.unlink()


@contextlib.contextmanager
def store_errors(path: object, *, goes_on: bool = True) -> Iterator[None]:
    """Raises a StoreError that names `path` where it can't be written.

    `goes_on`: of a command that keeps what it has done, as `unwritable`.
    """
    try:
        yield
    except BrokenPipeError:
        # Of the output's reader: no fault of the file.
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        if not goes_on:
            raise StoreError(f"{path}: can't be written ({reason}).") from error
        raise unwritable(path, reason) from error


def unwritable(path: object, reason: str) -> StoreError:
    """The error of a command that can go on once `path` can be written."""
    return StoreError(
        f"{path}: can't be written ({reason}). The same command goes on once "
        "it can."
    )


def file_digest(path: str | os.PathLike) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _beside(path: Path) -> Path:
    # Of a long name the start: with the rest it could be too long itself.
    return path.with_name(_partial_name(path.name[:40], uuid.uuid4().hex[:8]))


def _partial_name(name: str, unique: str) -> str:
    return f".{name}.{unique}.partial"
