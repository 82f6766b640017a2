"""The directory of an exported model: its files and their digests.

    <export_dir>/manifest.json      tags, thresholds, features, metrics ...
                 model.keras        the network alone: log-mels to scores
                 saved_model.pb     front end and network: waveforms to scores
                 variables/ ...

A SavedModel is a program. It is loaded only if the directory has exactly the
files that the manifest lists, with the listed digests. This check detects
damage and mix-ups, but no forged manifest. Load only models that you trust.
"""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from audiotag_nas.data import storage
from audiotag_nas.data.storage import AnyPath, RemotePath
from audiotag_nas.errors import StoreError
from audiotag_nas.files import atomic_write_text, file_digest
from audiotag_nas.serving.model_manifest import SCHEMA_VERSION, Manifest

FILE_NAME = "manifest.json"
KERAS_FILE_NAME = "model.keras"
SAVED_MODEL_FILE_NAME = "saved_model.pb"


def check_replaceable(export_dir: AnyPath) -> None:
    """Checks that `export_dir` is new, empty or an exported model.

    Raises:
        StoreError: `export_dir` is a file, or a directory with other files.
    """
    if isinstance(export_dir, RemotePath) or not export_dir.exists():
        return
    is_export = all(
        (export_dir / name).is_file()
        for name in (FILE_NAME, SAVED_MODEL_FILE_NAME)
    )
    if export_dir.is_dir() and (is_export or not any(export_dir.iterdir())):
        return
    raise StoreError(
        f"{export_dir}: must be a new or empty directory, or an exported "
        "model. Received: a directory with other files, or a file"
    )


def write_manifest(export_dir: Path, manifest: Manifest) -> None:
    """Writes the manifest, which lists all files in `export_dir`."""
    files = {
        path.relative_to(export_dir).as_posix(): {
            "bytes": path.stat().st_size,
            "sha256": file_digest(path),
        }
        for path in sorted(export_dir.rglob("*"))
        if path.is_file() and path.name != FILE_NAME
    }
    text = json.dumps(manifest.to_json() | {"files": files}, indent=1)
    atomic_write_text(export_dir / FILE_NAME, text + "\n")


@contextlib.contextmanager
def fetched(
    export_dir: str | os.PathLike | RemotePath,
) -> Iterator[tuple[Path, Manifest]]:
    """Yields a checked local directory of an exported model, and its manifest.

    A remote model (`storage`) is copied for the duration of the `with` block.

    Raises:
        StoreError: a file of the model can't be read, or `read_manifest` finds
            an error.
    """
    place = storage.as_path(export_dir)
    if not isinstance(place, RemotePath):
        yield place, read_manifest(place)
        return
    path = place / FILE_NAME
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        raise StoreError(
            f"{path}: missing; {place} is not an exported model."
        ) from None
    except OSError as error:
        raise StoreError(f"{path}: can't be read ({error.strerror}).") from None
    _, listed = _parse(text, path)
    with storage.local_copy(place, [FILE_NAME, *listed]) as directory:
        yield directory, read_manifest(directory, place=place)


def read_manifest(
    export_dir: Path, *, place: AnyPath | None = None
) -> Manifest:
    """Reads the manifest and checks the directory against it.

    Args:
        export_dir: the model, or a local copy of it.
        place: the model's path for messages. None means `export_dir`.

    Raises:
        StoreError: there is no exported model, the manifest has another schema
            version, or a file is missing, changed, not listed or not a regular
            file (e.g. a symbolic link).
    """
    place = export_dir if place is None else place
    path = place / FILE_NAME
    if not (export_dir / FILE_NAME).is_file():
        raise StoreError(f"{path}: missing; {place} is not an exported model.")
    try:
        text = (export_dir / FILE_NAME).read_bytes()
        manifest, listed = _parse(text, path)
        found = _regular_files(export_dir, place) - {FILE_NAME}
        for name, file in listed.items():
            if name not in found:
                raise StoreError(
                    f"{place / name}: missing, although the manifest lists it."
                )
            num_bytes = (export_dir / name).stat().st_size
            if (num_bytes, file_digest(export_dir / name)) != file:
                raise StoreError(
                    f"{place / name}: not the exported file, because its "
                    "digest differs from that in the manifest. Export the "
                    "model again."
                )
    except OSError as error:
        raise StoreError(
            f"{place}: can't be read ({error.filename}: {error.strerror})."
        ) from None
    for name in sorted(found - set(listed)):
        raise StoreError(
            f"{place / name}: must not exist, because the manifest does not "
            "list it. Remove this file, or export the model again."
        )
    return manifest


def _parse(
    text: bytes, path: AnyPath
) -> tuple[Manifest, dict[str, tuple[int, str]]]:
    """Returns the manifest, and the size and digest of each listed file.

    Raises:
        StoreError: the manifest is damaged, has another schema version, or
            lists a file outside the directory.
    """
    try:
        value = json.loads(text)
        version = value["schema_version"]
        if version != SCHEMA_VERSION:
            raise StoreError(
                f"{path}: schema_version must be {SCHEMA_VERSION}. "
                f"Received: {version!r}"
            )
        manifest = Manifest.from_json(value)
        listed = {
            name: (file["bytes"], file["sha256"])
            for name, file in dict(value["files"]).items()
        }
    except (
        *(ValueError, KeyError, TypeError, AttributeError),
        *(OverflowError, RecursionError),
    ) as error:
        raise StoreError(
            f"{path}: damaged: {type(error).__name__}: {error}"
        ) from None
    for name in listed:
        if not _is_inside(name):
            raise StoreError(
                f"{path}: files must be inside the model's directory, with "
                f"paths such as 'variables/x'. Received: {name!r}"
            )
    if SAVED_MODEL_FILE_NAME not in listed:
        raise StoreError(f"{path}: must list {SAVED_MODEL_FILE_NAME}.")
    return manifest, listed


def _is_inside(name: str) -> bool:
    """Returns whether `name` is a normalized path inside the directory."""
    path = PurePosixPath(name)
    return (
        bool(path.parts)
        and not path.is_absolute()
        and ".." not in path.parts
        and path.as_posix() == name
        and name != FILE_NAME
    )


def _regular_files(export_dir: Path, place: AnyPath) -> set[str]:
    """Returns the names of all files in a directory, at any depth.

    Raises:
        StoreError: an entry is neither a regular file nor a directory.
        OSError: a directory can't be read.
    """
    names: set[str] = set()
    pending = [""]
    while pending:
        prefix = pending.pop()
        with os.scandir(export_dir / prefix) as entries:
            for entry in entries:
                name = f"{prefix}{entry.name}"
                if entry.is_dir(follow_symlinks=False):
                    pending.append(f"{name}/")
                elif entry.is_file(follow_symlinks=False):
                    names.add(name)
                else:
                    is_link = entry.is_symlink()
                    raise StoreError(
                        f"{place / name}: must be a regular file or a "
                        "directory. Received: "
                        f"a {'symbolic link' if is_link else 'special file'}"
                    )
    return names
