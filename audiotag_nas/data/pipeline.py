"""`tf.data` batches of stored features, for training and evaluation.

    shards -> big batches -> parse -> cache -> shuffle -> batch -> augment
           -> (features (batch, frames, mels), labels (batch, tags)), float32

Parsing many records at once is several times faster than parsing them one by
one. The cache holds float16, 2 bytes per value. Random values depend on the
seed, on TensorFlow's global seed (if set when the dataset is made) and on the
number of the pass over the dataset. If two datasets have equal arguments, their
n-th passes give equal batches.

Every batch is full, because training on several replicas requires full batches.
At the end of an epoch, training drops the remaining examples, which differ in
each epoch. Evaluation pads the last batch with examples of weight 0.

AutoGraph is off, because the mapped functions have no control flow. In each
trial, AutoGraph would take longer than an epoch of a small network.
"""

import os
from collections.abc import Collection, Sequence

import tensorflow as tf

from audiotag_nas.data import augment
from audiotag_nas.data.stored_features import PreparedSet
from audiotag_nas.errors import ConfigError

_PARSE_BATCH_SIZE = 128
_PREFETCHED_BATCHES = 2


def num_clips(
    prepared: PreparedSet, folds: Collection[int | None] | None = None
) -> int:
    """Returns the number of clips in `folds` (in all folds if it is None)."""
    return sum(shard.num_clips for shard in prepared.select_shards(folds))


def check_fits(
    prepared: PreparedSet,
    folds: Collection[int | None] | None,
    *,
    batch_size: int,
    time_mask_frames: int,
    mel_mask_bins: int,
    prefix: str = "",
) -> None:
    """Checks that no batch and no mask is larger than the data.

    Args:
        prepared, folds, batch_size, time_mask_frames, mel_mask_bins: see
            `make_training_dataset`.
        prefix: precedes the names of the arguments in error messages.

    Raises:
        ConfigError: a batch has more examples than there are clips, or a mask
            is larger than the spectrogram.
    """
    size = num_clips(prepared, folds)
    for name, value, maximum, what in (
        ("batch_size", batch_size, size, "clips to train on"),
        ("time_mask_frames", time_mask_frames, prepared.num_frames, "frames"),
        ("mel_mask_bins", mel_mask_bins, prepared.num_mels, "mels"),
    ):
        if value > maximum:
            raise ConfigError(
                f"{prefix}{name}: must not exceed the number of {what}, "
                f"{maximum}. Received: {value}"
            )


def make_training_dataset(
    prepared: PreparedSet,
    *,
    tags: Sequence[str],
    folds: Collection[int | None] | None = None,
    batch_size: int,
    seed: int,
    mixup_alpha: float = 0.0,
    time_mask_frames: int = 0,
    mel_mask_bins: int = 0,
) -> tf.data.Dataset:
    """Makes shuffled, augmented batches of the clips of some folds.

    Each pass over the dataset is an epoch with a new order and new mixup
    partners, lambdas and masks. SpecAugment is applied after mixup. If the
    dataset is repeated, only one iterator may read it. A second iterator, e.g.
    one in Keras's `fit`, would take some of the passes (see `trainer`).

    Args:
        prepared: the features.
        tags: the columns of the labels, in order.
        folds: the folds to read, or None for all folds.
        batch_size: examples per batch, over all replicas.
        seed: the seed of shuffling and augmentation.
        mixup_alpha: the parameter of Beta(alpha, alpha); 0 for no mixup.
        time_mask_frames: the largest number of frames masked in an example.
        mel_mask_bins: the largest number of mel bins masked in an example.

    Returns:
        Batches of (features, labels). An incomplete last batch is dropped.

    Raises:
        ConfigError: `check_fits` fails, or a tag or fold is not stored.
    """
    size = num_clips(prepared, folds)
    check_fits(
        prepared,
        folds,
        batch_size=batch_size,
        time_mask_frames=time_mask_frames,
        mel_mask_bins=mel_mask_bins,
    )

    @tf.autograph.experimental.do_not_convert
    def finish(
        examples: tuple[tf.Tensor, tf.Tensor], batch_seed: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        features, labels = _to_float32(*examples)
        features, labels = augment.mixup(
            features, labels, alpha=mixup_alpha, seed=batch_seed
        )
        features = augment.spec_augment(
            features,
            time_mask_frames=time_mask_frames,
            mel_mask_bins=mel_mask_bins,
            seed=batch_seed,
        )
        return features, labels

    batches = (
        _parsed(prepared, tags, folds)
        .unbatch()
        .apply(tf.data.experimental.assert_cardinality(size))
        .cache()
        .shuffle(size, seed=seed, reshuffle_each_iteration=True)
        .batch(batch_size, drop_remainder=True)
    )
    return _with_options(
        tf.data.Dataset.zip(batches, _batch_seeds(seed))
        .map(finish)
        .prefetch(_PREFETCHED_BATCHES)
    )


def make_evaluation_dataset(
    prepared: PreparedSet,
    *,
    tags: Sequence[str],
    folds: Collection[int | None] | None = None,
    batch_size: int,
) -> tf.data.Dataset:
    """Makes batches of clips, in the order of `PreparedSet.select`.

    Returns:
        Batches of (features, labels, weights); weights are float32 (batch,).
        The last batch is padded with zeros. Added examples have weight 0.

    Raises:
        ConfigError: the batch size is below 1, or a tag or fold is not
            stored.
    """
    size = num_clips(prepared, folds)
    if batch_size < 1:
        raise ConfigError(
            f"batch_size: must be positive. Received: {batch_size}"
        )

    @tf.autograph.experimental.do_not_convert
    def pad(
        features: tf.Tensor, labels: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        features, labels = _to_float32(features, labels)
        weights = tf.ones(tf.shape(features)[:1])
        missing = batch_size - tf.shape(features)[0]
        return (
            _pad_first_axis(features, missing, batch_size),
            _pad_first_axis(labels, missing, batch_size),
            _pad_first_axis(weights, missing, batch_size),
        )

    return _with_options(
        _parsed(prepared, tags, folds)
        .unbatch()
        .apply(tf.data.experimental.assert_cardinality(size))
        .batch(batch_size)
        .cache()
        .map(pad)
        .prefetch(_PREFETCHED_BATCHES)
    )


def _parsed(
    prepared: PreparedSet,
    tags: Sequence[str],
    folds: Collection[int | None] | None,
) -> tf.data.Dataset:
    """Makes big batches of (features, uint8 labels of `tags`).

    The features are float16 numbers, here declared as uint16: when TensorFlow
    reshapes float16, it prints a warning on processors without half precision.
    """
    columns = prepared.columns(tags)
    # The paths are bytes, because a path is not always valid UTF-8.
    paths = [
        os.fsencode(str(shard.path)) for shard in prepared.select_shards(folds)
    ]
    shape = (-1, prepared.num_frames, prepared.num_mels)
    schema = {
        "features": tf.io.FixedLenFeature([], tf.string),
        "label": tf.io.FixedLenFeature([], tf.string),
    }

    @tf.autograph.experimental.do_not_convert
    def parse(records: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        fields = tf.io.parse_example(records, schema)
        features = tf.io.decode_raw(fields["features"], tf.uint16)
        labels = tf.io.decode_raw(fields["label"], tf.uint8)
        labels = tf.ensure_shape(labels, (None, len(prepared.tags)))
        return (tf.reshape(features, shape), tf.gather(labels, columns, axis=1))

    return tf.data.TFRecordDataset(paths).batch(_PARSE_BATCH_SIZE).map(parse)


def _batch_seeds(seed: int) -> tf.data.Dataset:
    """Makes an endless dataset of seeds, int64 (2,), different in each pass."""
    return tf.data.Dataset.random(
        seed=seed, rerandomize_each_iteration=True
    ).batch(2, drop_remainder=True)


def _to_float32(
    features: tf.Tensor, labels: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    features = tf.bitcast(features, tf.float16)
    return tf.cast(features, tf.float32), tf.cast(labels, tf.float32)


def _pad_first_axis(
    values: tf.Tensor, missing: tf.Tensor, size: int
) -> tf.Tensor:
    paddings = [[0, missing]] + [[0, 0]] * (values.shape.rank - 1)
    return tf.ensure_shape(tf.pad(values, paddings), [size, *values.shape[1:]])


def _with_options(dataset: tf.data.Dataset) -> tf.data.Dataset:
    options = tf.data.Options()
    options.deterministic = True
    # The replicas of a process share this dataset. TensorFlow must divide each
    # batch among the replicas, not the files.
    options.experimental_distribute.auto_shard_policy = (
        tf.data.experimental.AutoShardPolicy.OFF
    )
    return dataset.with_options(options)
