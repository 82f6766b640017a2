"""`manifest.json`: what an exported model is, and what its files must be.

A SavedModel is a program, so none is loaded whose files differ from the
digests that were written with it. That tells damage and mix-ups, not a forger
who also writes the manifest: load only what comes from someone you trust.

    <export_dir>/manifest.json      tags, thresholds, features, metrics ...
                 model.keras        the network alone, log-mels to scores
                 saved_model.pb     front end and network, waveforms to scores
                 variables/ ...
"""

import contextlib
import dataclasses
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from audiotag_nas.config import FeatureConfig
from audiotag_nas.data import storage
from audiotag_nas.data.storage import Place, RemotePath
from audiotag_nas.errors import StoreError
from audiotag_nas.files import atomic_write_text, file_digest
from audiotag_nas.space import Architecture

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
        tags = tuple(value["tags"])
        architecture = value["architecture"]
        return cls(
            tags=tags,
            thresholds=tuple(float(value["thresholds"][tag]) for tag in tags),
            features=FeatureConfig(**value["features"]),
            clip_seconds=float(value["clip_seconds"]),
            metrics=dict(value["metrics"]),
            architecture=architecture and Architecture.from_json(architecture),
            num_parameters=int(value["num_parameters"]),
            versions=dict(value["versions"]),
            # Not in models written before it was known.
            pads_short_clips=bool(value.get("pads_short_clips", False)),
        )


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
        names = list(json.loads(path.read_bytes())["files"])
    except FileNotFoundError:
        raise StoreError(
            f"{path}: missing; {place} is no exported model."
        ) from None
    except OSError as error:
        raise StoreError(f"{path}: can't be read ({error.strerror}).") from None
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"{path}: damaged: {type(error).__name__}: {error}"
        ) from None
    with storage.local_copy(place, [FILE_NAME, *names]) as directory:
        yield directory, read_manifest(directory, place=place)


def read_manifest(export_dir: Path, *, place: Place | None = None) -> Manifest:
    """Reads the manifest and checks every file that it lists.

    Args:
        export_dir: the model, or a copy of it.
        place: of what it is a copy, for messages.

    Raises:
        StoreError: no exported model, one of another schema version, or a
            file that is missing or was changed, named.
    """
    place = export_dir if place is None else place
    path = place / FILE_NAME
    if not (export_dir / FILE_NAME).is_file():
        raise StoreError(f"{path}: missing; {place} is no exported model.")
    try:
        text = (export_dir / FILE_NAME).read_text(encoding="utf-8")
        value = json.loads(text)
        version = value["schema_version"]
        if version != SCHEMA_VERSION:
            raise StoreError(
                f"{path}: schema_version must be {SCHEMA_VERSION}. "
                f"Received: {version!r}"
            )
        manifest, files = Manifest.from_json(value), dict(value["files"])
        expected = {
            name: (file["bytes"], file["sha256"])
            for name, file in files.items()
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(
            f"{path}: damaged: {type(error).__name__}: {error}"
        ) from None
    if SAVED_MODEL_FILE_NAME not in expected:
        raise StoreError(f"{path}: must list {SAVED_MODEL_FILE_NAME}.")
    for name, (num_bytes, digest) in expected.items():
        _check_file(export_dir / name, place / name, num_bytes, digest)
    return manifest


def _check_file(path: Path, shown: Place, num_bytes: int, digest: str) -> None:
    if not path.is_file():
        raise StoreError(f"{shown}: missing, though the manifest lists it.")
    if path.stat().st_size != num_bytes or file_digest(path) != digest:
        raise StoreError(
            f"{shown}: not the file that was exported (its bytes differ from "
            "the manifest's digest); export the model again."
        )
