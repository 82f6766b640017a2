"""`manifest.json`: what an exported model is, and what its files must be.

A SavedModel is a program, so none is loaded whose files differ from the
digests that were written with it, or that has other files. That tells damage
and mix-ups, not a forger who also writes the manifest: load only what comes
from someone you trust.

    <export_dir>/manifest.json      tags, thresholds, features, metrics ...
                 model.keras        the network alone, log-mels to scores
                 saved_model.pb     front end and network, waveforms to scores
                 variables/ ...
"""

import contextlib
import dataclasses
import json
import math
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from audiotag_nas import fields
from audiotag_nas.architecture import Architecture
from audiotag_nas.config import FeatureConfig
from audiotag_nas.data import storage
from audiotag_nas.data.storage import Place, RemotePath
from audiotag_nas.errors import ConfigError, StoreError
from audiotag_nas.files import atomic_write_text, file_digest

FILE_NAME = "manifest.json"
KERAS_FILE_NAME = "model.keras"
SAVED_MODEL_FILE_NAME = "saved_model.pb"
SCHEMA_VERSION = 1


def check_replaceable(export_dir: Place) -> None:
    """Checks that an export would replace nothing but another export.

    Raises:
        StoreError: something else stands at `export_dir`, which must not be
            lost.
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
        f"{export_dir}: holds what is no exported model, and is not written "
        "over. Export into a directory that is new, empty, or has a model."
    )


@dataclasses.dataclass(frozen=True)
class Manifest:
    """What goes with an exported model.

    Attributes:
        tags: the network's outputs, in order.
        thresholds: a tag is present from this score on; one a tag.
        features: the front end inside the model.
        clip_seconds: the length that the network was trained on.
        pads_short_clips: it was trained on shorter clips too, filled up to
            `clip_seconds` with zeros.
        metrics: named numbers; None where undefined.
        architecture: None where the network is not of the search space.
        num_parameters: of the network.
        versions: of the libraries that wrote it.
    """

    tags: tuple[str, ...]
    thresholds: tuple[float, ...]
    features: FeatureConfig
    clip_seconds: float
    metrics: dict[str, float | None]
    architecture: Architecture | None
    num_parameters: int
    versions: dict[str, str]
    pads_short_clips: bool = False

    def to_json(self) -> dict[str, Any]:
        rate = self.features.sample_rate_hz
        architecture = self.architecture
        return {
            "schema_version": SCHEMA_VERSION,
            "tags": list(self.tags),
            "thresholds": dict(zip(self.tags, self.thresholds, strict=True)),
            "sample_rate_hz": rate,
            "frame_step_seconds": self.features.frame_step / rate,
            "frame_length_seconds": self.features.frame_length / rate,
            "clip_seconds": self.clip_seconds,
            "pads_short_clips": self.pads_short_clips,
            "features": dataclasses.asdict(self.features),
            "metrics": self.metrics,
            "architecture": architecture and architecture.to_json(),
            "num_parameters": self.num_parameters,
            "versions": self.versions,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Manifest":
        """The manifest that `to_json` turned to `value`.

        Raises:
            ConfigError: a value that is not allowed.
            ValueError, KeyError, TypeError, AttributeError, OverflowError:
                a value that is missing or of another type.
        """
        tags = tuple(value["tags"])
        if (
            not tags
            or not all(isinstance(tag, str) and tag for tag in tags)
            or len(set(tags)) != len(tags)
        ):
            raise ConfigError(
                "tags: must be different names, at least one. "
                f"Received: {value['tags']!r}"
            )
        thresholds = tuple(float(value["thresholds"][tag]) for tag in tags)
        if not all(0 <= threshold <= 1 for threshold in thresholds):
            raise ConfigError(
                f"thresholds: must be in [0, 1]. Received: {thresholds}"
            )
        clip_seconds = float(value["clip_seconds"])
        if not 0 < clip_seconds < math.inf:
            raise ConfigError(
                "clip_seconds: must be a positive finite number. "
                f"Received: {clip_seconds}"
            )
        architecture = value["architecture"]
        return cls(
            tags=tags,
            thresholds=thresholds,
            features=_features(value["features"]),
            clip_seconds=clip_seconds,
            metrics=dict(value["metrics"]),
            architecture=architecture and Architecture.from_json(architecture),
            num_parameters=int(value["num_parameters"]),
            versions=dict(value["versions"]),
            # Not in models written before it was known.
            pads_short_clips=bool(value.get("pads_short_clips", False)),
        )


def _features(value: dict[str, Any]) -> FeatureConfig:
    features: FeatureConfig = fields.from_json(FeatureConfig, value, "features")
    features.check("features")
    return features


def write_manifest(export_dir: Path, manifest: Manifest) -> None:
    """Writes the manifest over all files that are in `export_dir`."""
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
    """An exported model as a checked local directory, with its manifest.

    A remote one (`storage`) is copied for as long as the block lasts.

    Raises:
        StoreError: as `read_manifest`, or it can't be reached.
    """
    place = storage.as_place(export_dir)
    if not isinstance(place, RemotePath):
        yield place, read_manifest(place)
        return
    path = place / FILE_NAME
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        raise StoreError(
            f"{path}: missing; {place} is no exported model."
        ) from None
    except OSError as error:
        raise StoreError(f"{path}: can't be read ({error.strerror}).") from None
    _, listed = _parse(text, path)
    with storage.local_copy(place, [FILE_NAME, *listed]) as directory:
        yield directory, read_manifest(directory, place=place)


def read_manifest(export_dir: Path, *, place: Place | None = None) -> Manifest:
    """Reads the manifest and checks that the directory is what it lists.

    Args:
        export_dir: the model, or a copy of it.
        place: of what it is a copy, for messages.

    Raises:
        StoreError: no exported model, one of another schema version, or a
            file that is missing, was changed, is not listed or is not a
            regular file (e.g. a symbolic link), named.
    """
    place = export_dir if place is None else place
    path = place / FILE_NAME
    if not (export_dir / FILE_NAME).is_file():
        raise StoreError(f"{path}: missing; {place} is no exported model.")
    try:
        text = (export_dir / FILE_NAME).read_bytes()
        manifest, listed = _parse(text, path)
        found = _regular_files(export_dir, place) - {FILE_NAME}
        for name, file in listed.items():
            if name not in found:
                raise StoreError(
                    f"{place / name}: missing, though the manifest lists it."
                )
            _check_file(export_dir / name, place / name, file)
    except OSError as error:
        raise StoreError(
            f"{place}: can't be read ({error.filename}: {error.strerror})."
        ) from None
    for name in sorted(found - set(listed)):
        raise StoreError(
            f"{place / name}: must not be there: the manifest does not list "
            "it. Remove it, or export the model again."
        )
    return manifest


@dataclasses.dataclass(frozen=True)
class _ListedFile:
    """The size and digest that a file must have."""

    num_bytes: int
    sha256: str


def _parse(text: bytes, path: Place) -> tuple[Manifest, dict[str, _ListedFile]]:
    """The manifest, and the files that it lists by their names.

    Raises:
        StoreError: it is damaged, of another schema version, or lists a file
            that is not inside the directory.
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
            name: _ListedFile(file["bytes"], file["sha256"])
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
    """Whether a relative path is spelled in the one way that stays inside."""
    path = PurePosixPath(name)
    return (
        bool(path.parts)
        and not path.is_absolute()
        and ".." not in path.parts
        and path.as_posix() == name
        and name != FILE_NAME
    )


def _regular_files(export_dir: Path, place: Place) -> set[str]:
    """The names of all files in a directory.

    Raises:
        StoreError: one is neither a regular file nor a directory.
        OSError: a directory can't be read.
    """
    names: set[str] = set()
    waiting = [""]
    while waiting:
        prefix = waiting.pop()
        with os.scandir(export_dir / prefix) as entries:
            for entry in entries:
                name = f"{prefix}{entry.name}"
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(f"{name}/")
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


def _check_file(path: Path, shown: Place, listed: _ListedFile) -> None:
    """Checks one file's size and digest.

    Raises:
        StoreError: they are not those that are listed.
        OSError: it can't be read.
    """
    if (
        path.stat().st_size != listed.num_bytes
        or file_digest(path) != listed.sha256
    ):
        raise StoreError(
            f"{shown}: not the file that was exported (its bytes differ from "
            "the manifest's digest); export the model again."
        )
