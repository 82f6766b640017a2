"""Places for prepared features and exported models: a disk, or s3:// ...

A place is a `pathlib.Path`, or a `RemotePath` for what has a scheme, with the
part of pathlib's interface that this project uses. Remote file systems come
from tensorflow-io, which registers s3, az, hdfs and others with TensorFlow;
its native library loads with TensorFlow up to 2.17 only, so it is an extra,
and a remote place is refused in one line where it can't be had.

Object stores can't rename a directory. Instead a directory is made whole by
one file, which is removed first and written last: the index of prepared
features, the manifest of an exported model. Both list the digests of the
other files, so a set torn by a crash is never taken for a whole one.
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
_READ_BYTES = 16 * 2**20  # a remote read costs a round trip


@dataclasses.dataclass(frozen=True)
class RemotePath:
    """A file or directory on a remote file system; made by `as_path`.

    Methods do what those of `pathlib.Path` of the same name do, and raise
    OSError as those do.
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
        """Writes `data`; an object store shows it whole or not at all."""
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
        """The size in bytes, and the SHA-256 in hexadecimal."""
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

        # In a process that unpickled this path as well.
        _register(self.url.partition("://")[0], tf)
        return tf.io.gfile

    @contextlib.contextmanager
    def _os_errors(self) -> Iterator[None]:
        """TensorFlow's errors as those that pathlib would raise."""
        import tensorflow as tf

        try:
            yield
        except tf.errors.OpError as error:
            missing = isinstance(error, tf.errors.NotFoundError)
            number = errno.ENOENT if missing else errno.EIO
            # Errors of the network come as ": curlCode: 7, ...".
            reason = " ".join(error.message.split()).lstrip(": ")
            # OSError makes it a FileNotFoundError where it is one.
            raise OSError(
                number, reason or os.strerror(number), self.url
            ) from None


AnyPath = Path | RemotePath
"""Where a file or directory is."""


def is_remote(location: str | os.PathLike | RemotePath) -> bool:
    """Whether `location` has a scheme, e.g. `s3://`."""
    return isinstance(location, RemotePath) or "://" in os.fspath(location)


def as_path(location: str | os.PathLike | RemotePath) -> AnyPath:
    """The place that `location` names; a remote one can be used at once.

    Raises:
        StoreError: it is remote and malformed, or tensorflow-io can't be
            used; says what to install.
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
    place = RemotePath(f"{scheme.lower()}://{rest.rstrip('/')}")
    _check_versions(text)
    return place


def read_bytes(place: AnyPath) -> bytes:
    """A file's content.

    Raises:
        OSError: it can't be read.
        StoreError: it is no regular file.
    """
    if isinstance(place, RemotePath):
        return place.read_bytes()
    return read_regular_file(place, max_bytes=None)


def digest(place: AnyPath) -> tuple[int, str]:
    """A file's size in bytes, and the SHA-256 of them in hexadecimal.

    Raises:
        OSError: it can't be read.
        StoreError: it is no regular file.
    """
    if isinstance(place, RemotePath):
        return place.digest()
    check_regular(place)
    return place.stat().st_size, file_digest(place)


@contextlib.contextmanager
def new_directory(place: AnyPath, *, last: str) -> Iterator[Path]:
    """A local directory to fill, which is at `place` when the block ends well.

    On a disk it replaces what is there by a rename. Elsewhere its files are
    copied over what is there, `last` last and removed before all else, so
    that `place` has a file of that name only if all others are there.

    Raises:
        StoreError: `place` can't be written.
    """
    if not isinstance(place, RemotePath):
        with atomic_directory(place) as directory:
            yield directory
        return
    with (
        _store_errors(place, "reached"),
        contextlib.suppress(FileNotFoundError),
    ):
        # Before hours of work: is the server there, and does it know us?
        (place / last).read_bytes()
    with temporary_directory() as directory:
        yield directory
        with _store_errors(place, "written"):
            _upload(directory, place, last)


@contextlib.contextmanager
def local_copy(place: RemotePath, names: Iterable[str]) -> Iterator[Path]:
    """A local directory with some files of a remote one, for a while.

    Raises:
        StoreError: a file can't be read, or its name leads elsewhere.
    """
    with temporary_directory() as directory:
        for name in names:
            path = PurePosixPath(name)
            if path.is_absolute() or ".." in path.parts:
                raise StoreError(f"{place}: lists {name!r}, outside itself.")
            with _store_errors(place / name, "read"):
                data = (place / name).read_bytes()
            atomic_write_bytes(directory / path, data)
        yield directory


@contextlib.contextmanager
def _store_errors(place: RemotePath, verb: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"{place}: can't be {verb} ({error.strerror})."
        ) from None


def _upload(directory: Path, place: RemotePath, last: str) -> None:
    paths = [path for path in directory.rglob("*") if path.is_file()]
    paths.sort(key=lambda path: (path == directory / last, path))
    (place / last).unlink(missing_ok=True)
    for path in paths:
        target = place / path.relative_to(directory).as_posix()
        target.write_bytes(path.read_bytes())


def _check_versions(url: str) -> None:
    """Raises a StoreError if tensorflow-io's file systems can't be loaded.

    The versions tell, so that the answer comes before TensorFlow starts.
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
    """Loads tensorflow-io, which registers its file systems on import."""
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
    """Ends this process, once Python is done, without C++ destructors.

    Those of tensorflow-io's s3 client abort any process that used it, with
    status 134 (github.com/tensorflow/io/issues/2039; no release has the fix).
    """
    libc = ctypes.CDLL(None)
    # Of glibc; handlers run in reverse order, so before those destructors.
    if hasattr(libc, "on_exit"):
        libc.on_exit(libc._exit, None)
