"""Files and directories that appear whole or not at all.

Everything is written beside its place and renamed, so that a kill or a full
disk never leaves half a file where a good one is expected. Every writer of the
package comes through here: an error of the disk is a StoreError that names
the file in its final place.
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
    path: str | os.PathLike,
    data: bytes,
    *,
    temporary_name: str | None = None,
) -> None:
    """Writes `data` to `path`, whole or not at all; makes its directory.

    Args:
        path: the file.
        data: its content.
        temporary_name: what the temporary file is called after, by default
            `path`; for directories whose readers select files by name.

    Raises:
        StoreError: it can't be written.
    """
    path = Path(path)
    with store_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = _beside(path.with_name(temporary_name or path.name))
        try:
            with open(temporary, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


def atomic_write_text(path: str | os.PathLike, text: str) -> None:
    """Writes `text` as UTF-8 to `path`, whole or not at all.

    A file's name in it that is not UTF-8 keeps its bytes.

    Raises:
        StoreError: it can't be written.
    """
    atomic_write_bytes(path, text.encode(errors="surrogateescape"))


@contextlib.contextmanager
def atomic_file(path: str | os.PathLike) -> Iterator[Path]:
    """A path of the same name to write, renamed to `path` at the block's end.

    For libraries that write to a path only. If the block raises, `path` stays
    as it was.

    Raises:
        StoreError: it can't be written.
    """
    path = Path(path)
    with store_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        directory = _beside(path)
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
    """A directory to fill, renamed to `path` when the block ends well.

    What stood at `path` is replaced then, and only then; if the block raises,
    it stays as it was. Where `path` is a link, what it points to is.

    Raises:
        StoreError: it can't be written, or a file within it; named by the
            final place.
    """
    final = Path(path).resolve()
    with store_errors(path):
        final.parent.mkdir(parents=True, exist_ok=True)
        temporary = _beside(final)
        temporary.mkdir()
    try:
        with _final_names(temporary, Path(path)):
            yield temporary
        with store_errors(path):
            if final.exists():
                # A directory can't be renamed onto a filled one: step aside.
                old = _beside(final)
                os.rename(final, old)
                os.rename(temporary, final)
                shutil.rmtree(old)
            else:
                os.rename(temporary, final)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextlib.contextmanager
def _final_names(temporary: Path, final: Path) -> Iterator[None]:
    """Errors within name files by their final place.

    An OSError of a file elsewhere (one that is read) is no error of writing.
    """
    try:
        yield
    except StoreError as error:
        # The temporary name means nothing to a user, and is removed.
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
    """A directory of the system's temporary files, removed after the block.

    Raises:
        StoreError: there is no room for it, or no right to make it.
    """
    with store_errors("a temporary directory (TMPDIR)", continues=False):
        directory = tempfile.TemporaryDirectory(
            prefix="audiotag_nas-", ignore_cleanup_errors=True
        )
    with directory as name:
        yield Path(name)


@contextlib.contextmanager
def plain_path(directory: str | os.PathLike) -> Iterator[str]:
    """Another path of a directory, for libraries that misread special names.

    TensorFlow takes some paths as glob patterns, so that it does not find
    `exp[1]`, and encodes them as strict UTF-8. The path is valid within the
    block only. Where there is no `/proc`, it is the directory's own path.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        path = f"/proc/self/fd/{descriptor}"
        yield path if os.path.isdir(path) else os.fspath(directory)
    finally:
        os.close(descriptor)


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
    """As `atomic_write_text`, for a tool's output after its work is done.

    Raises:
        StoreError: it can't be written.
    """
    with store_errors(path, continues=False):
        atomic_write_text(path, text)


def check_writable(path: str | os.PathLike) -> None:
    """Checks, before the work, that a file could be written to `path`.

    Nothing is left behind, and what is there is not touched.

    Raises:
        StoreError: it could not.
    """
    with store_errors(path, continues=False):
        if Path(path).is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if Path(path).exists() and not Path(path).is_file():
            # A rename would put a file in the place of, say, /dev/null.
            raise OSError("not a regular file")
        _write_probe(Path(path).parent)


def check_writable_directory(path: str | os.PathLike) -> None:
    """As `check_writable`, for a directory that is made if need be."""
    with store_errors(path, continues=False):
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
def store_errors(path: object, *, continues: bool = True) -> Iterator[None]:
    """Raises a StoreError that names `path` where it can't be written.

    Args:
        path: the file or directory.
        continues: whether the same command continues with what it has finished,
            which the message then says. False removes that sentence from a
            StoreError raised within as well.
    """
    try:
        yield
    except BrokenPipeError:
        # Of the output's reader: no fault of the file.
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
    """The error of a command that continues once `path` can be written."""
    return StoreError(f"{path}: can't be written ({reason}).{_CONTINUES}")


def file_digest(path: str | os.PathLike) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _beside(path: Path) -> Path:
    # Of a long name the start: with the rest it could be too long itself.
    return path.with_name(_partial_name(path.name[:40], uuid.uuid4().hex[:8]))


def _partial_name(name: str, unique: str) -> str:
    return f".{name}.{unique}.partial"
