"""Writes records to TFRecord shards; `feature_writer` describes a record."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf

from audiotag_nas import files
from audiotag_nas.data.storage import AnyPath
from audiotag_nas.data.stored_features import Shard

MAX_CLIPS_PER_SHARD = 2000


@contextlib.contextmanager
def store_errors(path: AnyPath) -> Iterator[None]:
    """Does the same as `files.store_errors`, also for TensorFlow's errors."""
    try:
        with files.store_errors(path):
            yield
    except tf.errors.OpError as error:
        # A message is e.g. "<path>; No space left on device [Op:SaveV2]".
        reason = error.message.rpartition("; ")[2].partition(" [Op:")[0]
        raise files.unwritable(path, reason) from error


def example(values: np.ndarray, label: np.ndarray, index: int) -> bytes:
    """Returns the serialized record of a clip.

    Args:
        values: (frames, mel bins), little-endian float16.
        label: (tags,), uint8.
        index: the clip's position in the stored order.
    """

    def bytes_feature(array: np.ndarray) -> tf.train.Feature:
        return tf.train.Feature(
            bytes_list=tf.train.BytesList(value=[array.tobytes()])
        )

    record = tf.train.Example(
        features=tf.train.Features(
            feature={
                "features": bytes_feature(values),
                "label": bytes_feature(label),
                "index": tf.train.Feature(
                    int64_list=tf.train.Int64List(value=[index])
                ),
            }
        )
    )
    # Map entries get a fixed order, so that equal clips give equal bytes.
    return record.SerializeToString(deterministic=True)


class ShardWriter:
    """Writes records to shards; the records must be grouped by fold.

    Args:
        split_dir: the directory of the shards.

    Raises:
        StoreError: a shard can't be written.
    """

    def __init__(self, split_dir: Path) -> None:
        self._split_dir = split_dir
        self._writer: tf.io.TFRecordWriter | None = None
        # (name, fold, number of clips) of each shard.
        self._counts: list[tuple[str, int | None, int]] = []

    def __enter__(self) -> "ShardWriter":
        return self

    def __exit__(self, *exception: object) -> None:
        self._close()

    def write(self, fold: int | None, example: bytes) -> None:
        """Appends the record of a clip in `fold`."""
        name, last_fold, count = (
            self._counts[-1] if self._counts else ("", None, 0)
        )
        if (
            self._writer is None
            or fold != last_fold
            or count == MAX_CLIPS_PER_SHARD
        ):
            self._close()
            name, count = self._next_name(fold), 0
            with store_errors(self._split_dir / name):
                # The path is bytes, because a path is not always UTF-8.
                self._writer = tf.io.TFRecordWriter(
                    os.fsencode(self._split_dir / name)
                )
            self._counts.append((name, fold, count))
        with store_errors(self._split_dir / name):
            self._writer.write(example)
        self._counts[-1] = (name, fold, count + 1)

    def shards(self) -> tuple[Shard, ...]:
        """Returns the written shards; the writer must be closed."""
        shards = []
        for name, fold, count in self._counts:
            path = self._split_dir / name
            size, digest = path.stat().st_size, files.file_digest(path)
            shards.append(Shard(path, fold, count, size, digest))
        return tuple(shards)

    def _next_name(self, fold: int | None) -> str:
        number = sum(other == fold for _, other, _ in self._counts)
        group = "nofold" if fold is None else f"fold{fold}"
        return f"{group}-{number:05d}.tfrecord"

    def _close(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            with store_errors(self._split_dir / self._counts[-1][0]):
                writer.close()  # writes the buffer
