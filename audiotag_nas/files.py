"""Writes files and directories atomically.

A file is written under a temporary name in the same directory and then renamed.
A partial file therefore never has the final name, even if the process is killed
or the disk is full. All writers of the package use this module. An error of the
disk is reported as a StoreError that names the final path.
"""

import contextlib
import errno
import hashlib
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

from audiotag_nas.errors import StoreError

_CONTINUES = " The same command continues once it can be written."


def atomic_write_bytes(
    path: str | os.PathLike, data: bytes, *, temporary_name: str | None = None
) -> None:
    """Writes `data` to `path` atomically and creates its directory.

    Args:
        path: path of the file.
        data: content of the file.
        temporary_name: base of the temporary file's name, by default the name
            of `path`. Set it if readers of the directory select files by name.

    Raises:
        StoreError: the file can't be written.
    """
    path = Path(path)
    with store_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = _temporary_path(path.with_name(temporary_name or path.name))
        try:
            with open(temporary, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


def atomic_write_text(path: str | os.PathLike, text: str) -> None:
    """Writes `text` as UTF-8 to `path` atomically.

    A file name in `text` that is not UTF-8 keeps its bytes.

    Raises:
        StoreError: the file can't be written.
    """
    atomic_write_bytes(path, text.encode(errors="surrogateescape"))


@contextlib.contextmanager
def atomic_file(path: str | os.PathLike) -> Iterator[Path]:
    """Yields a temporary path, whose file is renamed to `path` after the block.

    Use this for libraries that can write only to a path. Both paths have the
    same file name. If the block raises, `path` stays unchanged.

    Raises:
        StoreError: the file can't be written.
    """
    path = Path(path)
    with store_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        directory = _temporary_path(path)
        directory.mkdir()
        try:
            yield directory / path.name
            with open(directory / path.name, "rb") as file:
                os.fsync(file.fileno())
            os.replace(directory / path.name, path)
        finally:
            shutil.rmtree(directory, ignore_errors=True)


@contextlib.contextmanager
def atomic_directory(path: str | os.PathLike) -> Iterator[Path]:
    """Yields a directory to fill, which replaces `path` after the block.

    If the block raises, `path` stays unchanged. If `path` is a link, its
    target is replaced.

    Raises:
        StoreError: the directory or a file in the directory can't be written;
            the error names the final path.
    """
    final = Path(path).resolve()
    with store_errors(path):
        final.parent.mkdir(parents=True, exist_ok=True)
        temporary = _temporary_path(final)
        temporary.mkdir()
    try:
        with _final_names(temporary, Path(path)):
            yield temporary
        with store_errors(path):
            if final.exists():
                # A directory that is not empty can't be replaced by renaming.
                old = _temporary_path(final)
                os.rename(final, old)
                os.rename(temporary, final)
                shutil.rmtree(old)
            else:
                os.rename(temporary, final)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextlib.contextmanager
def _final_names(temporary: Path, final: Path) -> Iterator[None]:
    """Changes errors in the block so that they name the final path of a file.

    An OSError of a file outside of `temporary` is not changed, because such a
    file is only read.
    """
    try:
        yield
    except StoreError as error:
        text = str(error).replace(str(temporary), str(final))
        raise StoreError(text) from error
    except OSError as error:
        failed = Path(os.fsdecode(error.filename or temporary))
        if not failed.is_relative_to(temporary):
            raise
        with store_errors(final / failed.relative_to(temporary)):
            raise


@contextlib.contextmanager
def temporary_directory() -> Iterator[Path]:
    """Yields a temporary directory, which is removed after the block.

    Raises:
        StoreError: the directory can't be created.
    """
    with store_errors("a temporary directory (TMPDIR)", continues=False):
        directory = tempfile.TemporaryDirectory(
            prefix="audiotag_nas-", ignore_cleanup_errors=True
        )
    with directory as name:
        yield Path(name)


@contextlib.contextmanager
def plain_path(directory: str | os.PathLike) -> Iterator[str]:
    """Yields another path of a directory, without special characters.

    TensorFlow reads a path such as `exp[1]` as a glob pattern, and accepts only
    paths in UTF-8. The yielded path is valid within the block. On systems
    without `/proc`, the directory's own path is yielded.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        path = f"/proc/self/fd/{descriptor}"
        yield path if os.path.isdir(path) else os.fspath(directory)
    finally:
        os.close(descriptor)


def remove_partials(directory: str | os.PathLike) -> None:
    """Removes the temporary files of killed processes from `directory`.

    No other process may be writing to `directory`.
    """
    for path in Path(directory).glob(_partial_name("*", "[0-9a-f]" * 8)):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def write_output(path: str | os.PathLike, text: str) -> None:
    """Writes the final output of a tool with `atomic_write_text`.

    Raises:
        StoreError: the file can't be written.
    """
    with store_errors(path, continues=False):
        atomic_write_text(path, text)


def check_writable(path: str | os.PathLike) -> None:
    """Checks, without any change, that a file can be written to `path`.

    Raises:
        StoreError: the file can't be written.
    """
    with store_errors(path, continues=False):
        if Path(path).is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if Path(path).exists() and not Path(path).is_file():
            # For example, a file renamed to /dev/null would replace the device.
            raise OSError("not a regular file")
        _write_probe(Path(path).parent)


def check_writable_directory(path: str | os.PathLike) -> None:
    """Checks that files can be written to a directory, which may be missing."""
    with store_errors(path, continues=False):
        _write_probe(Path(path))


def _write_probe(directory: Path) -> None:
    """Creates and removes a file in `directory` or its nearest parent."""
    while not os.path.lexists(directory):
        directory = directory.parent
    probe = _temporary_path(directory / "probe")
    try:
        probe.touch()
    finally:
        with contextlib.suppress(OSError):
            probe.unlink()


@contextlib.contextmanager
def store_errors(path: object, *, continues: bool = True) -> Iterator[None]:
    """Turns an OSError in the block into a StoreError that names `path`.

    Args:
        path: path of the file or directory.
        continues: if True, the message ends with "The same command continues
            once it can be written." If False, that sentence is also removed
            from a StoreError in the block.
    """
    try:
        yield
    except BrokenPipeError:
        # The reader of the output has ended, which is no error of `path`.
        raise
    except StoreError as error:
        if continues or not str(error).endswith(_CONTINUES):
            raise
        raise StoreError(str(error).removesuffix(_CONTINUES)) from error
    except OSError as error:
        reason = error.strerror or str(error)
        if not continues:
            raise StoreError(f"{path}: can't be written ({reason}).") from error
        raise unwritable(path, reason) from error


def unwritable(path: object, reason: str) -> StoreError:
    """Returns the error of a failed write, for a command that can go on."""
    return StoreError(f"{path}: can't be written ({reason}).{_CONTINUES}")


def file_digest(path: str | os.PathLike) -> str:
    """Returns the SHA-256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _temporary_path(path: Path) -> Path:
    # File names have a maximum length, so use only 40 characters of the name.
    return path.with_name(_partial_name(path.name[:40], uuid.uuid4().hex[:8]))


def _partial_name(name: str, unique: str) -> str:
    return f".{name}.{unique}.partial"
