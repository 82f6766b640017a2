"""Reads and writes the index of the stored features of one split.

`index.json` lists the stored clips, and the shards with their sizes and
digests. `open_prepared` checks all digests. This module does not import
TensorFlow. `feature_writer` writes the shards, and `pipeline` reads them.
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
from audiotag_nas.data.clip import Clip
from audiotag_nas.data.storage import AnyPath, RemotePath
from audiotag_nas.errors import ConfigError, StoreError
from audiotag_nas.files import atomic_write_text

SCHEMA_VERSION = 1
INDEX_NAME = "index.json"


@dataclasses.dataclass(frozen=True)
class PreparedClip:
    """A clip whose features are stored; its fields are fields of `Clip`."""

    clip_id: str
    segment_id: str
    tags: tuple[str, ...]
    fold: int | None

    @classmethod
    def from_clip(cls, clip: Clip) -> "PreparedClip":
        return cls(clip.clip_id, clip.segment_id, clip.tags, clip.fold)


@dataclasses.dataclass(frozen=True)
class Shard:
    """One TFRecord file, which holds clips of one fold."""

    path: AnyPath
    fold: int | None
    num_clips: int
    num_bytes: int
    sha256: str


@dataclasses.dataclass(frozen=True)
class RejectedClip:
    """A clip that is not stored, and the reason in one line."""

    clip_id: str
    path: str
    reason: str


@dataclasses.dataclass(frozen=True)
class PreparedSet:
    """The index of a split's features on disk.

    Attributes:
        split_dir: the directory of the features.
        key: the digest of everything that decides the content (`feature_key`).
        features: the settings of the front end.
        clip_seconds: the length to which every clip was cut or padded.
        tags: the vocabulary, in the order of the stored labels.
        clips: the stored clips, sorted by fold; clips without a fold come
            last. Within a fold, clips are in the order of the reader.
        shards: the TFRecord files, in the order of the clips.
        rejected: the clips that are not stored.
        num_cut: the number of clips that were too long and therefore cut.
    """

    split_dir: AnyPath
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
        """The folds, in stored order; None stands for clips without a fold."""
        return tuple(dict.fromkeys(shard.fold for shard in self.shards))

    def select(
        self, folds: Collection[int | None] | None = None
    ) -> tuple[PreparedClip, ...]:
        """Returns the clips of `folds` (None for all folds), in stored order.

        Raises:
            ConfigError: a fold has no clips.
        """
        wanted = self._check_folds(folds)
        return tuple(clip for clip in self.clips if clip.fold in wanted)

    def select_shards(
        self, folds: Collection[int | None] | None = None
    ) -> tuple[Shard, ...]:
        """Returns the shards of `folds` (None for all), in stored order.

        Raises:
            ConfigError: a fold has no clips.
        """
        wanted = self._check_folds(folds)
        return tuple(shard for shard in self.shards if shard.fold in wanted)

    def columns(self, tags: Sequence[str]) -> list[int]:
        """Returns the position of each tag in the stored labels.

        Raises:
            ConfigError: a tag is not in the vocabulary.
        """
        for tag in tags:
            if tag not in self.tags:
                raise ConfigError(
                    f"tags: must be among the stored tags {list(self.tags)}. "
                    f"Received: {tag!r}"
                )
        return [self.tags.index(tag) for tag in tags]

    def labels(
        self, tags: Sequence[str], folds: Collection[int | None] | None = None
    ) -> np.ndarray:
        """Returns labels of 0 and 1, float32 (clips of `folds`, tags).

        Raises:
            ConfigError: a tag or fold is not stored.
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
    """Opens the features in `split_dir` and checks every byte.

    If this process has checked a local shard before, the shard is read again
    only if its size or times changed. A remote shard is read each time.

    Raises:
        StoreError: the features are missing, damaged or have another
            schema version.
    """
    prepared = _read_index(storage.as_path(split_dir))
    for shard in prepared.shards:
        try:
            _check_intact(shard)
        except OSError as error:
            raise StoreError(
                f"{shard.path}: can't be read ({error.strerror})."
            ) from None
    return prepared


_INTACT: dict[Shard, tuple[int, ...]] = {}
"""The size and times of each local shard that was intact when last read."""


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
    """Returns the key of the features in `split_dir`; reads only the index.

    Raises:
        StoreError: the index is missing or damaged, or has another version.
    """
    return _read_index(storage.as_path(split_dir)).key


def write_index(prepared: PreparedSet, directory: Path) -> None:
    """Writes `index.json` to `directory`."""
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
    """Returns the SHA-256 of a JSON value, ignoring the order of its keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _read_index(split_dir: AnyPath) -> PreparedSet:
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


def _parse_index(split_dir: AnyPath, content: dict[str, Any]) -> PreparedSet:
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
        # Older indexes lack this count.
        num_cut=content.get("num_cut", 0),
    )
