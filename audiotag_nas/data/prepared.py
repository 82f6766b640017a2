"""What `tfrecords.prepare` stored: the index of a directory of features.

`index.json` says which clips are stored, in which shards, with the shards'
sizes and digests and its own; `open_prepared` believes none of it without
looking. TensorFlow is not needed to know what is there.
"""

import dataclasses
import hashlib
import json
import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from audiotag_nas.config import FeatureConfig
from audiotag_nas.data import storage
from audiotag_nas.data.storage import Place, RemotePath
from audiotag_nas.errors import ConfigError, StoreError
from audiotag_nas.files import atomic_write_text

SCHEMA_VERSION = 1
INDEX_NAME = "index.json"


@dataclasses.dataclass(frozen=True)
class PreparedClip:
    """A stored clip; the fields are those of `Clip`."""

    clip_id: str
    segment_id: str
    tags: tuple[str, ...]
    fold: int | None


@dataclasses.dataclass(frozen=True)
class Shard:
    """One TFRecord file, of clips of one fold."""

    path: Place
    fold: int | None
    num_clips: int
    num_bytes: int
    sha256: str


@dataclasses.dataclass(frozen=True)
class RejectedClip:
    """A clip that is not stored, and why in one line."""

    clip_id: str
    path: str
    reason: str


@dataclasses.dataclass(frozen=True)
class PreparedSet:
    """A split's features on disk.

    Attributes:
        split_dir: the directory.
        key: the digest of all that decided the content.
        features: the front end that made it.
        clip_seconds: the length that every clip was cut or padded to.
        tags: the vocabulary, in the order of the stored labels.
        clips: in stored order: by fold, clips without one last, and within a
            fold as the reader gave them.
        shards: in stored order.
        rejected: the clips that are not stored.
        num_cut: of how many clips only the beginning is stored.
    """

    split_dir: Place
    key: str
    features: FeatureConfig
    clip_seconds: float
    tags: tuple[str, ...]
    clips: tuple[PreparedClip, ...]
    shards: tuple[Shard, ...]
    rejected: tuple[RejectedClip, ...]
    num_cut: int = 0

    @property
    def num_frames(self) -> int:
        return self.features.num_frames(
            round(self.clip_seconds * self.features.sample_rate_hz)
        )

    @property
    def num_mels(self) -> int:
        return self.features.num_mels

    @property
    def folds(self) -> tuple[int | None, ...]:
        """The folds that hold a clip, in stored order; None: no fold."""
        return tuple(dict.fromkeys(shard.fold for shard in self.shards))

    def select(
        self, folds: Collection[int | None] | None = None
    ) -> tuple[PreparedClip, ...]:
        """The clips of some folds (None: all), in stored order.

        Raises:
            ConfigError: a fold that holds no clip.
        """
        wanted = self._check_folds(folds)
        return tuple(clip for clip in self.clips if clip.fold in wanted)

    def select_shards(
        self, folds: Collection[int | None] | None = None
    ) -> tuple[Shard, ...]:
        """The shards of some folds (None: all), in stored order.

        Raises:
            ConfigError: a fold that holds no clip.
        """
        wanted = self._check_folds(folds)
        return tuple(shard for shard in self.shards if shard.fold in wanted)

    def columns(self, tags: Sequence[str]) -> list[int]:
        """Where `tags` stand in a stored label.

        Raises:
            ConfigError: a tag that the vocabulary has not.
        """
        for tag in tags:
            if tag not in self.tags:
                raise ConfigError(
                    f"tags: must be among the stored ones, {list(self.tags)}. "
                    f"Received: {tag!r}"
                )
        return [self.tags.index(tag) for tag in tags]

    def labels(
        self,
        tags: Sequence[str],
        folds: Collection[int | None] | None = None,
    ) -> np.ndarray:
        """1 where a clip carries a tag: float32 (clips of `folds`, tags).

        Raises:
            ConfigError: a tag or fold that is not stored.
        """
        self.columns(tags)
        rows = [[tag in c.tags for tag in tags] for c in self.select(folds)]
        return np.array(rows, np.float32).reshape(len(rows), len(tags))

    def _check_folds(
        self, folds: Collection[int | None] | None
    ) -> Collection[int | None]:
        if folds is None:
            return self.folds
        if not folds:
            raise ConfigError("folds: must be at least one. Received: none")
        for fold in folds:
            if fold not in self.folds:
                raise ConfigError(
                    f"folds: must be among {list(self.folds)}, the folds in "
                    f"{self.split_dir}. Received: {fold!r}"
                )
        return folds


def open_prepared(split_dir: str | os.PathLike | RemotePath) -> PreparedSet:
    """Returns the prepared set at `split_dir`, with every byte checked.

    A process reads a local shard again only if its size or time changed since
    the last check. A remote one (`storage`) it reads each time.

    Raises:
        StoreError: it is missing, damaged or of another version.
    """
    prepared = _read_index(storage.as_place(split_dir))
    for shard in prepared.shards:
        try:
            _check_intact(shard)
        except OSError as error:
            raise StoreError(
                f"{shard.path}: can't be read ({error.strerror})."
            ) from None
    return prepared


_INTACT: dict[Shard, tuple[int, ...]] = {}
"""The size and times of the local shards that were intact when last read."""


def _check_intact(shard: Shard) -> None:
    state = None
    if isinstance(shard.path, Path):
        status = shard.path.stat()
        state = (status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        if _INTACT.get(shard) == state:
            return
    if storage.digest(shard.path) != (shard.num_bytes, shard.sha256):
        raise StoreError(f"{shard.path}: damaged (digest differs).")
    if state is not None:
        _INTACT[shard] = state


def read_key(split_dir: str | os.PathLike | RemotePath) -> str:
    """The key of the prepared set at `split_dir`; its shards are not read.

    Raises:
        StoreError: the index is missing, damaged or of another version.
    """
    return _read_index(storage.as_place(split_dir)).key


def write_index(prepared: PreparedSet, directory: Path) -> None:
    """Writes `index.json`, which `open_prepared` reads, to `directory`."""
    content = {
        "schema_version": SCHEMA_VERSION,
        "key": prepared.key,
        "features": dataclasses.asdict(prepared.features),
        "clip_seconds": prepared.clip_seconds,
        "tags": prepared.tags,
        "clips": [dataclasses.asdict(clip) for clip in prepared.clips],
        "shards": [
            dataclasses.asdict(shard) | {"path": shard.path.name}
            for shard in prepared.shards
        ],
        "rejected": [dataclasses.asdict(clip) for clip in prepared.rejected],
        "num_cut": prepared.num_cut,
    }
    text = json.dumps(content | {"sha256": json_digest(content)}, indent=1)
    atomic_write_text(directory / INDEX_NAME, text + "\n")


def json_digest(value: Any) -> str:
    """The SHA-256 of a JSON value, whatever the order of its keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _read_index(split_dir: Place) -> PreparedSet:
    path = split_dir / INDEX_NAME
    try:
        content = json.loads(storage.read_bytes(path))
        if content["schema_version"] != SCHEMA_VERSION:
            raise StoreError(
                f"{path}: schema_version must be {SCHEMA_VERSION}. "
                f"Received: {content['schema_version']!r}"
            )
        digest = content.pop("sha256")
        if digest != json_digest(content):
            raise StoreError(f"{path}: damaged (digest differs).")
        return _parse_index(split_dir, content)
    except OSError as error:
        raise StoreError(f"{path}: can't be read ({error.strerror}).") from None
    except RecursionError:
        raise StoreError(f"{path}: damaged (nested too deeply).") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(f"{path}: damaged ({error}).") from None


def _parse_index(split_dir: Place, content: dict[str, Any]) -> PreparedSet:
    return PreparedSet(
        split_dir=split_dir,
        key=content["key"],
        features=FeatureConfig(**content["features"]),
        clip_seconds=content["clip_seconds"],
        tags=tuple(content["tags"]),
        clips=tuple(
            PreparedClip(**clip | {"tags": tuple(clip["tags"])})
            for clip in content["clips"]
        ),
        shards=tuple(
            Shard(**shard | {"path": split_dir / shard["path"]})
            for shard in content["shards"]
        ),
        rejected=tuple(RejectedClip(**clip) for clip in content["rejected"]),
        # Features that were made before it was counted are good ones too.
        num_cut=content.get("num_cut", 0),
    )
