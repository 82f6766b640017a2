"""Computes the log-mels of a split's clips and writes them to a directory.

    <split_dir>/index.json             see `stored_features`
    <split_dir>/fold0-00000.tfrecord   the clips of fold 0; `nofold-...` for
                                       clips without a fold
    <split_dir>/rejected.csv           clips that can't be used, with reasons

A record is a `tf.train.Example` with `features` (float16, frames x mel bins,
little-endian bytes), `label` (uint8, one per tag of the vocabulary) and
`index` (int64, the clip's position in the stored order). Float16 rounding
changes a value by at most 0.031 dB or 0.008 nepers. Records are not compressed.
Compressed records would save a fifth of the space, but reading would take three
times as long.

`write_log_mels` reuses a directory only if its files are undamaged and its key
(`feature_key`) is the key of the current input. Otherwise, `write_log_mels`
writes the directory again.
"""

import csv
import dataclasses
import io
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from audiotag_nas.config import DataConfig, FeatureConfig
from audiotag_nas.data.audio import read_beginning
from audiotag_nas.data.clip import Clip
from audiotag_nas.data.feature_key import (
    NUM_THREADS,
    describe_changes,
    feature_key,
)
from audiotag_nas.data.log_mel import log_mel
from audiotag_nas.data.storage import (
    AnyPath,
    RemotePath,
    as_path,
    new_directory,
)
from audiotag_nas.data.stored_features import (
    INDEX_NAME,
    PreparedClip,
    PreparedSet,
    RejectedClip,
    open_prepared,
    write_index,
)
from audiotag_nas.errors import DataError, StoreError
from audiotag_nas.files import atomic_write_text
from audiotag_nas.spreadsheet import quoted_formula

Progress = Callable[[int, int], None]
"""Called with (number of finished clips, number of all clips)."""

_REJECTED_NAME = "rejected.csv"
_CLIPS_IN_FLIGHT = 64  # limits the memory for computed clips

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
    """Writes the log-mels of `clips` to `split_dir`, if they are not there yet.

    Clips longer than `data.clip_seconds` are cut, and shorter clips are padded
    with zeros. A clip that can't be read, is not finite or is shorter than
    `data.min_clip_seconds` is rejected; the other clips are still written. The
    vocabulary is `data.tags`, followed by all other tags of the clips, sorted.

    Args:
        clips: the clips of the split, at least one.
        features: the front end.
        data: the lengths of clips, and the tags.
        split_dir: the directory to write.
        may_replace: False forbids replacing intact features of other input.
            Must be False while trials train on the features in `split_dir`.
        progress: called after each clip.

    Raises:
        DataError: there are no clips, a clip id is repeated, or every clip is
            rejected.
        StoreError: `split_dir` holds files that this function did not write,
            holds features that must not be replaced (see `may_replace`), can't
            be reached, or can't be written, e.g. because the disk is full.
    """
    split_dir = as_path(split_dir)
    _check_ids(clips)
    carried = {tag for clip in clips for tag in clip.tags}
    tags = (*data.tags, *sorted(carried - set(data.tags)))
    key = feature_key(clips, tags, features, data)
    if split_dir.exists():
        try:
            prepared = open_prepared(split_dir)
        except StoreError as error:
            _log.warning("%s The features are computed again.", error)
        else:
            if prepared.key == key:
                return prepared
            if not may_replace:
                changes = describe_changes(
                    prepared, clips, tags, features, data
                )
                raise StoreError(
                    f"{split_dir}: trials train or trained on the features in "
                    f"this directory, but the input changed: {changes}. Take "
                    "another --workdir or data.features_dir."
                )
            _log.info(
                "%s: the input changed; features are computed again.", split_dir
            )
        _check_replaceable(split_dir)
    # This import takes seconds (TensorFlow), so all checks come first.
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
    """Removes old shards whose file names the new features do not use."""
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


def _check_replaceable(split_dir: AnyPath) -> None:
    """Raises a StoreError if `split_dir` holds files other than features."""
    for path in split_dir.iterdir():
        if (
            path.name not in (INDEX_NAME, _REJECTED_NAME)
            and path.suffix != ".tfrecord"
        ):
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
    """Writes the shards, the list of rejected clips and, last, the index."""
    from audiotag_nas.data.tfrecord_writer import (
        ShardWriter,
        example,
        store_errors,
    )

    stored: list[PreparedClip] = []
    rejected: list[RejectedClip] = []
    num_cut = 0
    by_fold = sorted(clips, key=lambda c: (c.fold is None, c.fold or 0))
    with ShardWriter(partial_dir) as writer:
        results = _computed(by_fold, features, data)
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
                stored.append(PreparedClip.from_clip(clip))
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


def _computed(
    clips: Sequence[Clip], features: FeatureConfig, data: DataConfig
) -> Iterator[tuple[Clip, tuple[np.ndarray, bool] | str]]:
    """Yields each clip, with `_clip_features` or with a reason to reject it."""

    def compute(clip: Clip) -> tuple[np.ndarray, bool] | str:
        try:
            return _clip_features(clip, features, data)
        except DataError as error:
            return " ".join(str(error).removeprefix(f"{clip.path}: ").split())

    with ThreadPoolExecutor(NUM_THREADS) as executor:
        for start in range(0, len(clips), _CLIPS_IN_FLIGHT):
            block = clips[start : start + _CLIPS_IN_FLIGHT]
            yield from zip(block, executor.map(compute, block), strict=True)


def _clip_features(
    clip: Clip, features: FeatureConfig, data: DataConfig
) -> tuple[np.ndarray, bool]:
    """Returns the little-endian float16 log-mel, and whether the clip was cut.

    Notes on the sound file are logged.

    Raises:
        DataError: the file can't be read, is too short or is not finite.
    """
    rate = features.sample_rate_hz
    samples, is_cut = read_beginning(
        clip.path,
        sample_rate_hz=rate,
        seconds=data.clip_seconds,
        note=_log_note,
    )
    # Resampling may round a file's length down by one sample.
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


def _write_rejected(path: Path, rejected: Iterable[RejectedClip]) -> None:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(field.name for field in dataclasses.fields(RejectedClip))
    for clip in rejected:
        rows.writerow(map(quoted_formula, dataclasses.astuple(clip)))
    atomic_write_text(path, text.getvalue())
