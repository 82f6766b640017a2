"""Prepared features as `tf.data` batches, for training and evaluation.

    shards -> big batches -> parse -> cache -> shuffle -> batch -> augment
           -> (features (batch, frames, mels), labels (batch, tags)), float32

Records are parsed many at a time, which is several times faster than one by
one. The cache holds float16, so memory grows by 2 bytes a value. What is
random comes from the seed, TensorFlow's global seed (as it is when the dataset
is made, if it was set) and the number of passes made over the dataset: two
datasets of equal arguments give equal batches in their n-th pass.

Every batch is full, as several replicas need: training drops the remainder
(other examples each epoch), evaluation pads it with examples of weight 0.

What is mapped has no control flow for AutoGraph to convert: looking for it
would take longer than a small child's epoch, for every child anew.
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
    """How many clips some folds (None: all) hold."""
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
    """Checks that there are clips for a batch, and room for the masks.

    Args:
        prepared, folds: what is trained on.
        batch_size, time_mask_frames, mel_mask_bins: as
            `make_training_dataset` takes them.
        prefix: of their names in the message.

    Raises:
        ConfigError: more examples a batch than clips, or a mask longer than
            the spectrogram.
    """
    for name, value, most, what in (
        (
            *("batch_size", batch_size),
            *(num_clips(prepared, folds), "clips to train on"),
        ),
        ("time_mask_frames", time_mask_frames, prepared.num_frames, "frames"),
        ("mel_mask_bins", mel_mask_bins, prepared.num_mels, "mels"),
    ):
        _check_at_most(prefix + name, value, most, what)


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
    """Shuffled, augmented batches of the clips of some folds, for one epoch.

    Each pass is one epoch in another order, with other partners, lambdas and
    masks. SpecAugment masks what mixup has mixed. The passes of a repeated
    dataset come in turn to one reader alone: Keras's `fit` has a second one
    that takes some of them (see `trainer`).

    Args:
        prepared: the features.
        tags: the columns of the labels, in order.
        folds: None for all.
        batch_size: examples a batch, over all replicas.
        seed: the only source of randomness.
        mixup_alpha: of Beta(alpha, alpha); 0: no mixup.
        time_mask_frames: the longest masked run of frames; 0: none.
        mel_mask_bins: the longest masked run of mel bins; 0: none.

    Returns:
        Batches of (features, labels), the remainder dropped.

    Raises:
        ConfigError: more examples a batch than clips, a mask longer than the
            spectrogram, or a tag or fold that is not stored.
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
    """Batches of the clips of some folds, in the order of `prepared.select`.

    Returns:
        Batches of (features, labels, weights); weights are float32 (batch,).
        The last batch is filled up with examples of zeros and weight 0.

    Raises:
        ConfigError: a batch size below 1, or a tag or fold that is not
            stored.
    """
    size = num_clips(prepared, folds)
    _check_positive("batch_size", batch_size)

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
    """Big batches of (features, uint8 labels of `tags`).

    The features' float16 are taken as uint16: where a processor has no half
    precision, TensorFlow would say so on the screen for the first reshape.
    """
    columns = prepared.columns(tags)
    # As bytes: a path need not be UTF-8.
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
        return (
            tf.reshape(features, shape),
            tf.gather(labels, columns, axis=1),
        )

    return tf.data.TFRecordDataset(paths).batch(_PARSE_BATCH_SIZE).map(parse)


def _batch_seeds(seed: int) -> tf.data.Dataset:
    """An endless dataset of int64 (2,), others in each pass."""
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
    # All replicas of one process share this input; each gets its part of
    # every batch, so there are no files to divide among them.
    options.experimental_distribute.auto_shard_policy = (
        tf.data.experimental.AutoShardPolicy.OFF
    )
    return dataset.with_options(options)


def _check_positive(name: str, value: int) -> None:
    if value < 1:
        raise ConfigError(f"{name}: must be positive. Received: {value}")


def _check_at_most(name: str, value: int, most: int, what: str) -> None:
    if value > most:
        raise ConfigError(
            f"{name}: must not exceed the number of {what}, {most}. "
            f"Received: {value}"
        )
