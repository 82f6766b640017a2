"""Log-mels on disk: prepared once, read many times.

A split's clips become a directory:

    <split_dir>/index.json             what is stored, and what made it
    <split_dir>/fold0-00000.tfrecord   the clips of fold 0; `nofold-...` for
                                       clips without one
    <split_dir>/rejected.csv           clips that can't be used, with reasons

A record is a `tf.train.Example` with `features` (float16, frames x mel bins,
little-endian bytes), `label` (uint8, one a tag of the vocabulary) and `index`
(int64, the clip's place in the stored order). Uncompressed, because reading
is then three times as fast as with compression, for a quarter more space.
Float16 rounds by at most 0.031 dB, or by 0.008 on the natural scale.

The index holds a key, the digest of all that decides the content: front end,
lengths, vocabulary, library versions, every clip's annotation and audio.
`write_log_mels` reuses a directory only if its key equals the current key and
every byte is as written; otherwise it writes the directory again.
"""

import concurrent.futures
import csv
import dataclasses
import importlib.metadata
import io
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from audiotag_nas.config import DataConfig, FeatureConfig
from audiotag_nas.data.audio import read_beginning
from audiotag_nas.data.clip import Clip
from audiotag_nas.data.decoding import Note
from audiotag_nas.data.log_mel import log_mel
from audiotag_nas.data.storage import (
    AnyPath,
    RemotePath,
    as_path,
    new_directory,
)
from audiotag_nas.data.stored_features import (
    INDEX_NAME,
    SCHEMA_VERSION,
    PreparedClip,
    PreparedSet,
    RejectedClip,
    json_digest,
    open_prepared,
    write_index,
)
from audiotag_nas.errors import DataError, StoreError
from audiotag_nas.files import atomic_write_text, file_digest
from audiotag_nas.spreadsheet import quoted_formula

Progress = Callable[[int, int], None]
"""Called with (clips done, clips in all)."""

_REJECTED_NAME = "rejected.csv"
_NUM_THREADS = 2  # decoding, resampling, FFT and SHA-256 release the GIL
_CLIPS_IN_FLIGHT = 64  # bounds the memory that finished clips wait in
_LIBRARIES = ("soundfile", "soxr")  # they decide the numbers

_log = logging.getLogger(__name__)


def write_log_mels(
    clips: Sequence[Clip],
    features: FeatureConfig,
    *,
    data: DataConfig,
    split_dir: str | os.PathLike | RemotePath,
    may_replace: bool = True,
    progress: Progress | None = None,
) -> PreparedSet:
    """Computes the log-mels of `clips` into `split_dir`, if not there yet.

    Clips longer than `data.clip_seconds` are cut, those shorter than
    `data.min_clip_seconds` rejected, others padded with zeros. A clip that
    can't be read, is not finite or is too short does not stop the rest: it
    goes to `rejected`. The vocabulary is `data.tags` and then, sorted, what
    else the clips carry.

    Args:
        clips: at least one.
        features: the front end.
        data: lengths and tags.
        split_dir: where they go.
        may_replace: whether whole features of other input that are there are
            replaced; where others may be training on them, they must not be.
        progress: called with each clip done.

    Raises:
        DataError: no clips, two of one id, or none that can be used.
        StoreError: `split_dir` holds files that this function did not write,
            or whole features of other input that may not be replaced; or it
            is remote and out of reach, or can't be written, e.g. since the
            disk is full.
    """
    split_dir = as_path(split_dir)
    _check_ids(clips)
    tags = _vocabulary(clips, data.tags)
    key = _key(clips, tags, features, data)
    if split_dir.exists():
        try:
            prepared = open_prepared(split_dir)
        except StoreError as error:
            _log.warning("%s It is made again.", error)
        else:
            if prepared.key == key:
                return prepared
            if not may_replace:
                changed = _what_changed(prepared, clips, tags, features, data)
                raise StoreError(
                    f"{split_dir}: holds features of other input, which trials "
                    f"were or are trained on: {changed}. Take another "
                    "--workdir or data.features_dir."
                )
            _log.info("%s: made from other input; made again.", split_dir)
        _check_replaceable(split_dir)
    # TensorFlow starts here: what is wrong before takes no seconds to tell.
    from audiotag_nas.data.tfrecord_writer import store_errors

    with (
        store_errors(split_dir),
        new_directory(split_dir, last=INDEX_NAME) as partial_dir,
    ):
        _write_split(
            clips,
            partial_dir,
            key,
            tags=tags,
            features=features,
            data=data,
            progress=progress,
        )
    prepared = open_prepared(split_dir)
    if isinstance(split_dir, RemotePath):
        _remove_stale_shards(prepared, split_dir)
    return prepared


def _remove_stale_shards(prepared: PreparedSet, split_dir: RemotePath) -> None:
    """Removes what a larger set left behind that was written over."""
    names = {shard.path.name for shard in prepared.shards}
    for path in split_dir.iterdir():
        if path.suffix == ".tfrecord" and path.name not in names:
            path.unlink(missing_ok=True)


def _check_ids(clips: Sequence[Clip]) -> None:
    if not clips:
        raise DataError("clips: must be at least one. Received: none")
    seen: set[str] = set()
    for clip in clips:
        if clip.clip_id in seen:
            raise DataError(
                f"clip_id: must be unique in a split. Received twice: "
                f"{clip.clip_id!r}"
            )
        seen.add(clip.clip_id)


def _vocabulary(
    clips: Iterable[Clip], tags: tuple[str, ...]
) -> tuple[str, ...]:
    carried = {tag for clip in clips for tag in clip.tags}
    return (*tags, *sorted(carried - set(tags)))


def _key(
    clips: Sequence[Clip],
    tags: tuple[str, ...],
    features: FeatureConfig,
    data: DataConfig,
) -> str:
    """The digest of all that decides what `write_log_mels` stores."""
    with _executor() as executor:
        audio = list(executor.map(_audio_identity, clips))
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
                for c, identity in zip(clips, audio, strict=True)
            ],
        }
    )


def _what_changed(
    prepared: PreparedSet,
    clips: Sequence[Clip],
    tags: tuple[str, ...],
    features: FeatureConfig,
    data: DataConfig,
) -> str:
    """What of the key's parts differs, as far as the index tells."""
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
    now = {clip.clip_id: _prepared_clip(clip) for clip in clips}
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


def _audio_identity(clip: Clip) -> tuple[int, str]:
    """Size in bytes and digest; (-1, "") for a file that can't be read."""
    try:
        return clip.path.stat().st_size, file_digest(clip.path)
    except OSError:
        return -1, ""


def _executor() -> concurrent.futures.ThreadPoolExecutor:
    return concurrent.futures.ThreadPoolExecutor(_NUM_THREADS)


def _check_replaceable(split_dir: AnyPath) -> None:
    """Refuses to replace a directory of somebody else's files."""
    for path in split_dir.iterdir():
        ours = path.name in (INDEX_NAME, _REJECTED_NAME)
        if not ours and path.suffix != ".tfrecord":
            raise StoreError(
                f"{split_dir}: holds {path.name}, which is no part of "
                "prepared features; move it away or choose another directory."
            )


def _write_split(
    clips: Sequence[Clip],
    partial_dir: Path,
    key: str,
    *,
    tags: tuple[str, ...],
    features: FeatureConfig,
    data: DataConfig,
    progress: Progress | None,
) -> None:
    """Fills `partial_dir`: shards, report of the rejected, index last."""
    from audiotag_nas.data.tfrecord_writer import (
        ShardWriter,
        example,
        store_errors,
    )

    stored: list[PreparedClip] = []
    rejected: list[RejectedClip] = []
    num_cut = 0
    with ShardWriter(partial_dir) as writer:
        results = _computed(_by_fold(clips), features, data)
        for done, (clip, result) in enumerate(results, 1):
            if isinstance(result, str):
                rejected.append(
                    RejectedClip(clip.clip_id, str(clip.path), result)
                )
            else:
                values, is_cut = result
                label = np.array([tag in clip.tags for tag in tags], np.uint8)
                writer.write(clip.fold, example(values, label, len(stored)))
                num_cut += is_cut
                stored.append(_prepared_clip(clip))
            if progress is not None:
                progress(done, len(clips))
    if not stored:
        raise DataError(
            f"clips: all {len(clips)} were rejected; the first, "
            f"{rejected[0].path}: {rejected[0].reason}"
        )
    if rejected:
        with store_errors(partial_dir / _REJECTED_NAME):
            _write_rejected(partial_dir / _REJECTED_NAME, rejected)
    prepared = PreparedSet(
        split_dir=partial_dir,
        key=key,
        features=features,
        clip_seconds=data.clip_seconds,
        tags=tags,
        clips=tuple(stored),
        shards=writer.shards(),
        rejected=tuple(rejected),
        num_cut=num_cut,
    )
    with store_errors(partial_dir / INDEX_NAME):
        write_index(prepared, partial_dir)


def _by_fold(clips: Iterable[Clip]) -> list[Clip]:
    return sorted(
        clips, key=lambda c: (c.fold is None, 0 if c.fold is None else c.fold)
    )


def _computed(
    clips: Sequence[Clip], features: FeatureConfig, data: DataConfig
) -> Iterator[tuple[Clip, tuple[np.ndarray, bool] | str]]:
    """Each clip with `_clip_features`, or the reason why it has none."""

    def compute(clip: Clip) -> tuple[np.ndarray, bool] | str:
        try:
            return _clip_features(clip, features, data, _log_note)
        except DataError as error:
            return " ".join(str(error).removeprefix(f"{clip.path}: ").split())

    with _executor() as executor:
        for start in range(0, len(clips), _CLIPS_IN_FLIGHT):
            block = clips[start : start + _CLIPS_IN_FLIGHT]
            yield from zip(block, executor.map(compute, block), strict=True)


def _clip_features(
    clip: Clip, features: FeatureConfig, data: DataConfig, note: Note
) -> tuple[np.ndarray, bool]:
    """A clip's log-mel as stored, little-endian float16; whether it was cut.

    `note` is called with what is odd about its file.

    Raises:
        DataError: it can't be read, or breaks a rule.
    """
    rate = features.sample_rate_hz
    samples, is_cut = read_beginning(
        clip.path, sample_rate_hz=rate, seconds=data.clip_seconds, note=note
    )
    # Resampling may round a file's length down by a sample.
    if len(samples) < round(data.min_clip_seconds * rate) - 1:
        raise DataError(
            f"must last at least {data.min_clip_seconds} s "
            f"(data.min_clip_seconds). Received: {len(samples) / rate:.3f} s"
        )
    missing = round(data.clip_seconds * rate) - len(samples)
    values = log_mel(np.pad(samples, (0, missing)), features).astype("<f2")
    if not np.isfinite(values).all():
        raise DataError("its log-mel must be finite in float16.")
    return values, is_cut


def _log_note(note: str) -> None:
    _log.warning("%s", " ".join(note.split()))


def _prepared_clip(clip: Clip) -> PreparedClip:
    return PreparedClip(clip.clip_id, clip.segment_id, clip.tags, clip.fold)


def _write_rejected(path: Path, rejected: Iterable[RejectedClip]) -> None:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(field.name for field in dataclasses.fields(RejectedClip))
    for clip in rejected:
        rows.writerow(map(quoted_formula, dataclasses.astuple(clip)))
    atomic_write_text(path, text.getvalue())
