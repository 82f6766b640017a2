"""Local and remote storage of features and exported models.

A local location is a `pathlib.Path`. A location with a scheme, such as `s3://`,
is a `RemotePath`, which has those methods of `pathlib.Path` that this project
uses. tensorflow-io provides the remote file systems (s3, az, hdfs, ...).
tensorflow-io works only with TensorFlow up to 2.17, so it is an optional
dependency. Without tensorflow-io, a remote path is an error.

Object stores can't rename a directory. Instead, one file of each directory is
removed first and written last. This file is the index of features, or the
manifest of an exported model, and lists the digests of all other files. A
directory that a crash left incomplete is therefore detected.
"""

import contextlib
import ctypes
import dataclasses
import errno
import functools
import hashlib
import os
import re
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from audiotag_nas.errors import StoreError
from audiotag_nas.files import (
    atomic_directory,
    atomic_write_bytes,
    file_digest,
    temporary_directory,
)
from audiotag_nas.stored_json import check_regular, read_regular_file

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/]+(/.*)?")
_READ_BYTES = 16 * 2**20  # large, because each read costs a round trip


@dataclasses.dataclass(frozen=True)
class RemotePath:
    """A file or directory on a remote file system, made by `as_path`.

    Methods behave like the methods of `pathlib.Path` with the same names.
    """

    url: str

    def __str__(self) -> str:
        return self.url

    def __truediv__(self, name: str) -> "RemotePath":
        return RemotePath(f"{self.url}/{name}")

    @property
    def name(self) -> str:
        return self.url.rpartition("/")[2]

    @property
    def suffix(self) -> str:
        return Path(self.name).suffix

    def absolute(self) -> "RemotePath":
        return self

    def exists(self) -> bool:
        with self._os_errors():
            return self._gfile.exists(self.url)

    def iterdir(self) -> Iterator["RemotePath"]:
        with self._os_errors():
            names = self._gfile.listdir(self.url)
        return (self / name.rstrip("/") for name in names)

    def read_bytes(self) -> bytes:
        return b"".join(self._blocks())

    def write_bytes(self, data: bytes) -> None:
        """Writes `data`; on an object store, this is atomic."""
        with self._os_errors(), self._gfile.GFile(self.url, "wb") as file:
            file.write(data)

    def unlink(self, *, missing_ok: bool = False) -> None:
        try:
            with self._os_errors():
                self._gfile.remove(self.url)
        except FileNotFoundError:
            if not missing_ok:
                raise

    def digest(self) -> tuple[int, str]:
        size, sha256 = 0, hashlib.sha256()
        for block in self._blocks():
            size += len(block)
            sha256.update(block)
        return size, sha256.hexdigest()

    def _blocks(self) -> Iterator[bytes]:
        with self._os_errors(), self._gfile.GFile(self.url, "rb") as file:
            while block := file.read(_READ_BYTES):
                yield block

    @property
    def _gfile(self) -> Any:
        import tensorflow as tf

        # Register here, because another process may have made this path.
        _register(self.url.partition("://")[0], tf)
        return tf.io.gfile

    @contextlib.contextmanager
    def _os_errors(self) -> Iterator[None]:
        """Replaces TensorFlow's errors by OSErrors, the errors of pathlib."""
        import tensorflow as tf

        try:
            yield
        except tf.errors.OpError as error:
            missing = isinstance(error, tf.errors.NotFoundError)
            number = errno.ENOENT if missing else errno.EIO
            # Network messages begin with a colon: ": curlCode: 7, ...".
            reason = " ".join(error.message.split()).lstrip(": ")
            # With the number ENOENT, this raises a FileNotFoundError.
            raise OSError(
                number, reason or os.strerror(number), self.url
            ) from None


AnyPath = Path | RemotePath
"""A local or remote path."""


def is_remote(location: str | os.PathLike | RemotePath) -> bool:
    """Returns True if `location` has a scheme, e.g. `s3://`."""
    return isinstance(location, RemotePath) or "://" in os.fspath(location)


def as_path(location: str | os.PathLike | RemotePath) -> AnyPath:
    """Returns `location` as a path. A remote location is checked first.

    Raises:
        StoreError: a remote path is malformed, or tensorflow-io can't be
            used; the message says what to install.
    """
    if isinstance(location, RemotePath):
        return location
    text = os.fspath(location)
    if not is_remote(text):
        return Path(text)
    if _URL.fullmatch(text) is None:
        raise StoreError(
            "a remote path must be <scheme>://<bucket>/<path>. "
            f"Received: {text!r}"
        )
    scheme, _, rest = text.partition("://")
    _check_versions(text)
    return RemotePath(f"{scheme.lower()}://{rest.rstrip('/')}")


def read_bytes(path: AnyPath) -> bytes:
    """Returns a file's content.

    Raises:
        OSError: the file can't be read.
        StoreError: `path` is not a regular file.
    """
    if isinstance(path, RemotePath):
        return path.read_bytes()
    return read_regular_file(path, max_bytes=None)


def digest(path: AnyPath) -> tuple[int, str]:
    """Returns a file's size in bytes and its SHA-256 in hexadecimal.

    Raises:
        OSError: the file can't be read.
        StoreError: `path` is not a regular file.
    """
    if isinstance(path, RemotePath):
        return path.digest()
    check_regular(path)
    return path.stat().st_size, file_digest(path)


@contextlib.contextmanager
def new_directory(path: AnyPath, *, last: str) -> Iterator[Path]:
    """Yields a local directory that becomes `path` if the block succeeds.

    A local `path` is replaced by a rename. In a remote `path`, the file `last`
    is removed first and copied after all other files. If `last` exists, all
    other files therefore exist too.

    Raises:
        StoreError: `path` can't be written.
    """
    if not isinstance(path, RemotePath):
        with atomic_directory(path) as directory:
            yield directory
        return
    with _store_errors(path, "reached"), contextlib.suppress(FileNotFoundError):
        # Notice a missing server or login here, not after hours of work.
        (path / last).read_bytes()
    with temporary_directory() as directory:
        yield directory
        with _store_errors(path, "written"):
            _upload(directory, path, last)


@contextlib.contextmanager
def local_copy(path: RemotePath, names: Iterable[str]) -> Iterator[Path]:
    """Yields a temporary local copy of some files of a remote directory.

    Raises:
        StoreError: a file can't be read, or its name leads out of `path`.
    """
    with temporary_directory() as directory:
        for name in names:
            relative = PurePosixPath(name)
            if relative.is_absolute() or ".." in relative.parts:
                raise StoreError(
                    f"{path}: files must be inside the directory. "
                    f"Received: {name!r}"
                )
            with _store_errors(path / name, "read"):
                data = (path / name).read_bytes()
            atomic_write_bytes(directory / relative, data)
        yield directory


@contextlib.contextmanager
def _store_errors(path: RemotePath, verb: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"{path}: can't be {verb} ({error.strerror})."
        ) from None


def _upload(directory: Path, path: RemotePath, last: str) -> None:
    files = [local for local in directory.rglob("*") if local.is_file()]
    files.sort(key=lambda local: (local == directory / last, local))
    (path / last).unlink(missing_ok=True)
    for local in files:
        target = path / local.relative_to(directory).as_posix()
        target.write_bytes(local.read_bytes())


def _check_versions(url: str) -> None:
    """Raises a StoreError if tensorflow-io can't be used.

    Only version numbers are compared, to avoid importing TensorFlow.
    """
    from importlib import metadata

    needs = (
        f"{url}: remote storage needs audiotag-nas[tfio], on TensorFlow "
        "2.17 in an environment of its own: pip install "
        "'audiotag-nas[tfio]'."
    )
    try:
        metadata.version("tensorflow-io")
    except metadata.PackageNotFoundError:
        raise StoreError(f"{needs} Found: no tensorflow-io.") from None
    for name in ("tensorflow-cpu", "tensorflow"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            version = metadata.version(name)
            major, minor = map(int, version.split(".")[:2])
            if (major, minor) > (2, 17):
                raise StoreError(f"{needs} Found: {name} {version}.")


@functools.cache
def _register(scheme: str, tf: Any) -> None:
    """Imports tensorflow-io, which registers file systems; checks `scheme`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import tensorflow_io  # noqa: F401
    _skip_native_clean_up()
    schemes = tf.io.gfile.get_registered_schemes()
    if scheme not in schemes:
        remote = sorted({"az", "hdfs", "s3", "viewfs", *schemes} - {"", "ram"})
        raise StoreError(
            f"{scheme}://: must be a file system that tensorflow-io "
            f"registers, e.g. {', '.join(remote)}. Received: {scheme!r}"
        )


def _skip_native_clean_up() -> None:
    """Makes this process exit without running C++ destructors.

    The destructors of tensorflow-io's s3 client abort the process with status
    134 (github.com/tensorflow/io/issues/2039; not fixed in any release).
    """
    libc = ctypes.CDLL(None)
    # Only glibc has on_exit. Exit handlers run in reverse order. This handler
    # is registered after the destructors, so it runs before them.
    if hasattr(libc, "on_exit"):
        libc.on_exit(libc._exit, None)
