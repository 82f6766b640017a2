"""Computes the key of stored features, a digest of all that decides them."""

import dataclasses
import importlib.metadata
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from audiotag_nas.config import DataConfig, FeatureConfig
from audiotag_nas.data.clip import Clip
from audiotag_nas.data.stored_features import (
    SCHEMA_VERSION,
    PreparedClip,
    PreparedSet,
    json_digest,
)
from audiotag_nas.files import file_digest

NUM_THREADS = 2  # decoding, resampling, FFT and SHA-256 release the GIL
_LIBRARIES = ("soundfile", "soxr")  # the libraries that compute the samples


def feature_key(
    clips: Sequence[Clip],
    tags: tuple[str, ...],
    features: FeatureConfig,
    data: DataConfig,
) -> str:
    """Returns the digest of everything that `write_log_mels` depends on.

    The digest covers the settings of the front end, the lengths of clips, the
    vocabulary `tags`, the versions of the audio libraries, and the annotation
    and sound file of each clip.
    """
    with ThreadPoolExecutor(NUM_THREADS) as executor:
        files = list(executor.map(_file_identity, clips))
    return json_digest(
        {
            "schema_version": SCHEMA_VERSION,
            "features": dataclasses.asdict(features),
            "clip_seconds": float(data.clip_seconds),
            "min_clip_seconds": float(data.min_clip_seconds),
            "tags": tags,
            "libraries": {
                name: importlib.metadata.version(name) for name in _LIBRARIES
            },
            "clips": [
                [c.clip_id, c.segment_id, c.tags, c.fold, *identity]
                for c, identity in zip(clips, files, strict=True)
            ],
        }
    )


def describe_changes(
    prepared: PreparedSet,
    clips: Sequence[Clip],
    tags: tuple[str, ...],
    features: FeatureConfig,
    data: DataConfig,
) -> str:
    """Describes how the new input differs from the input of `prepared`.

    The index of `prepared` does not record every part of the input. If all
    recorded parts are equal, the unrecorded parts are named as possible causes.
    """
    changes = [
        f"features.{name} was {before!r} and is {now!r}"
        for name, before in dataclasses.asdict(prepared.features).items()
        if before != (now := getattr(features, name))
    ]
    if prepared.clip_seconds != data.clip_seconds:
        changes.append(
            f"data.clip_seconds was {prepared.clip_seconds} and is "
            f"{data.clip_seconds}"
        )
    before = {clip.clip_id: clip for clip in prepared.clips}
    known = before.keys() | {clip.clip_id for clip in prepared.rejected}
    now = {clip.clip_id: PreparedClip.from_clip(clip) for clip in clips}
    for what, ids in (
        ("new clips", [name for name in now if name not in known]),
        ("clips that are gone", sorted(known - now.keys())),
        (
            "clips of other tags, fold or segment",
            [n for n in now if n in before and now[n] != before[n]],
        ),
    ):
        if ids:
            changes.append(f"{len(ids)} {what}, first {ids[0]!r}")
    if not changes and prepared.tags != tags:
        changes.append(
            f"the tags were {', '.join(prepared.tags)} and are "
            f"{', '.join(tags)}"
        )
    return "; ".join(changes) or (
        "the sound of a clip, data.min_clip_seconds or a version of "
        f"{', '.join(_LIBRARIES)}"
    )


def _file_identity(clip: Clip) -> tuple[int, str]:
    """Returns (size in bytes, digest), or (-1, "") for an unreadable file."""
    try:
        return clip.path.stat().st_size, file_digest(clip.path)
    except OSError:
        return -1, ""
