"""Batches of stored features: order, randomness, remainders."""

import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import soundfile
import tensorflow as tf

from audiotag_nas.config import DataConfig, FeatureConfig
from audiotag_nas.data.clip import Clip
from audiotag_nas.data.feature_writer import write_log_mels
from audiotag_nas.data.log_mel import log_mel
from audiotag_nas.data.pipeline import (
    make_evaluation_dataset,
    make_training_dataset,
    num_clips,
)
from audiotag_nas.errors import ConfigError

FEATURES = FeatureConfig(
    sample_rate_hz=8000,
    frame_length=256,
    frame_step=127,
    num_mels=13,
    fmax_hz=4000,
)
DATA = DataConfig(
    tags=tuple("abcdefg"), clip_seconds=0.999, min_clip_seconds=0.999
)
TAGS = ("g", "b", "a", "c", "d", "e", "f")
NUM_CLIPS = 17


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """17 clips in folds 0 (6), 1 (6) and 2 (5), each with unique tags."""
    root = tmp_path_factory.mktemp("clips")
    rng = np.random.default_rng(1)
    clips = []
    for i in range(NUM_CLIPS):
        path = root / f"{i}.wav"
        soundfile.write(path, 0.1 * rng.standard_normal(8000), 8000)
        # The tags are the binary digits of i, so labels identify clips.
        tags = tuple(tag for bit, tag in enumerate("abcde") if i >> bit & 1)
        clips.append(Clip(f"{i}", f"s{i}", tags, "development", i % 3, path))
    return write_log_mels(clips, FEATURES, data=DATA, split_dir=root / "out")


@pytest.fixture(scope="module")
def stored(prepared):
    """The expected log-mels, by clip number."""
    root = prepared.split_dir.parent
    result = {}
    for i in range(NUM_CLIPS):
        samples, _ = soundfile.read(root / f"{i}.wav", dtype="float32")
        result[i] = log_mel(samples[:7992], FEATURES).astype(np.float16)
    return result


def training(prepared, **changes):
    arguments = {
        "tags": tuple("abcde"),
        "folds": (0, 1, 2),
        "batch_size": 3,
        "seed": 5,
        "mixup_alpha": 0.0,
    }
    return make_training_dataset(prepared, **arguments | changes)


def epoch(dataset):
    batches = [[x.numpy() for x in batch] for batch in dataset]
    return [np.stack(parts) for parts in zip(*batches, strict=True)]


def numbers(labels):
    """The numbers of the clips, from labels of the tags a to e."""
    return (labels.reshape(-1, 5) @ 2 ** np.arange(5)).astype(int)


def test_an_epoch_has_each_clip_at_most_once_with_its_own_features(
    prepared, stored
):
    features, labels = epoch(training(prepared))
    # 17 clips in batches of 3, so two clips are dropped.
    assert features.shape == (5, 3, 61, 13)
    assert features.dtype == labels.dtype == np.float32
    seen = numbers(labels)
    assert len(set(seen)) == 15
    for number, values in zip(seen, features.reshape(15, 61, 13), strict=True):
        np.testing.assert_array_equal(values, stored[number])


def test_only_the_requested_folds_are_read(prepared):
    dataset = training(prepared, folds=(2, 0), batch_size=11)
    _, labels = epoch(dataset)
    assert sorted(numbers(labels)) == [i for i in range(17) if i % 3 != 1]
    assert num_clips(prepared, (2, 0)) == 11
    assert len(dataset) == 1


def test_label_columns_are_the_requested_tags_in_their_order(prepared):
    _, labels = epoch(training(prepared, tags=TAGS))
    _, plain = epoch(training(prepared))
    np.testing.assert_array_equal(labels[..., [2, 1, 3, 4, 5]], plain)
    # No clip carries these two tags of the vocabulary.
    assert not labels[..., [0, 6]].any()


def test_equal_seeds_give_equal_epochs_and_epochs_differ(prepared):
    settings = {"mixup_alpha": 0.5, "time_mask_frames": 7, "mel_mask_bins": 3}
    one, two = training(prepared, **settings), training(prepared, **settings)
    first, second = epoch(one), epoch(one)
    for again, expected in ((epoch(two), first), (epoch(two), second)):
        np.testing.assert_array_equal(again[0], expected[0])
        np.testing.assert_array_equal(again[1], expected[1])
    other = epoch(training(prepared, **settings | {"seed": 6}))
    assert not np.array_equal(first[1], second[1])
    assert not np.array_equal(first[1], other[1])
    plain = training(prepared)
    orders = {tuple(numbers(epoch(plain)[1])) for _ in range(4)}
    assert len(orders) == 4


def test_mixup_mixes_clips_of_one_batch(prepared, stored):
    _, order = epoch(training(prepared))
    features, labels = epoch(training(prepared, mixup_alpha=1.0))
    lambdas = set()
    for batch, values, mixed in zip(order, features, labels, strict=True):
        members = numbers(batch)
        for i, number in enumerate(members):
            # Find the partner and the lambda that explain the example.
            fits = []
            for partner in members:
                # This is float64, because NumPy 1 computes float16 products.
                own = stored[number].astype(float)
                other = stored[partner].astype(float)
                difference = own - other
                weight = 1.0
                if partner != number:
                    weight = np.sum((values[i] - other) * difference)
                    weight /= np.sum(difference**2)
                target = weight * batch[i]
                target += (1 - weight) * batch[list(members).index(partner)]
                blend = weight * own + (1 - weight) * other
                if np.allclose(values[i], blend, atol=1e-4) and np.allclose(
                    mixed[i], target, atol=1e-4
                ):
                    fits.append(weight)
            assert fits
            lambdas.add(round(fits[0], 4))
    assert all(0 <= weight <= 1 for weight in lambdas)
    assert len(lambdas) > 5


def test_masks_are_applied_if_requested(prepared):
    plain, _ = epoch(training(prepared))
    masked, _ = epoch(training(prepared, mel_mask_bins=4))
    changed = (plain != masked).any(axis=2)
    assert 0 < changed.sum(axis=-1).max() <= 4
    np.testing.assert_array_equal(changed, (plain != masked).all(axis=2))


def test_evaluation_keeps_the_order_and_pads_with_weight_zero(prepared, stored):
    dataset = make_evaluation_dataset(
        prepared, tags=TAGS, folds=(0, 2), batch_size=4
    )
    for _ in range(2):
        features, labels, weights = epoch(dataset)
        assert features.shape == (3, 4, 61, 13)
        np.testing.assert_array_equal(weights.ravel(), [1] * 11 + [0])
        np.testing.assert_array_equal(
            labels.reshape(12, 7)[:11], prepared.labels(TAGS, folds=(0, 2))
        )
        assert not features[2, 3].any()
        order = [int(clip.clip_id) for clip in prepared.select((0, 2))]
        assert order == [0, 3, 6, 9, 12, 15, 2, 5, 8, 11, 14]
        for i, number in enumerate(order):
            np.testing.assert_array_equal(
                features.reshape(12, 61, 13)[i], stored[number]
            )
    assert len(dataset) == 3


def test_a_multiple_of_the_batch_size_needs_no_padding(prepared):
    *_, weights = epoch(
        make_evaluation_dataset(prepared, tags=TAGS, folds=(1,), batch_size=3)
    )
    assert weights.tolist() == [[1, 1, 1], [1, 1, 1]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 18}, r"batch_size: .*clips to train on, 17.*: 18"),
        ({"time_mask_frames": 62}, r"time_mask_frames: .*frames, 61.*: 62"),
        ({"mel_mask_bins": 14}, r"mel_mask_bins: .*13.*: 14"),
        ({"tags": ("a", "z")}, r"tags: .*Received: 'z'"),
        ({"folds": (0, 3)}, r"folds: .*Received: 3"),
        ({"folds": ()}, r"folds: .*none"),
    ],
)
def test_impossible_settings_are_refused_by_name(prepared, changes, message):
    with pytest.raises(ConfigError, match=message):
        training(prepared, **changes)


def test_two_replicas_share_the_batches_of_one_replica(prepared, tmp_path):
    script = """
    import sys
    import numpy as np
    import tensorflow as tf
    from audiotag_nas.data.pipeline import make_training_dataset
    from audiotag_nas.data.stored_features import open_prepared

    # Batches depend on TensorFlow's global seed.
    tf.random.set_seed(3)
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0],
        [tf.config.LogicalDeviceConfiguration()] * 2,
    )
    strategy = tf.distribute.MirroredStrategy(["/cpu:0", "/cpu:1"])
    dataset = strategy.experimental_distribute_dataset(
        make_training_dataset(
            open_prepared(sys.argv[1]),
            tags=tuple("abcde"),
            folds=(0, 1, 2),
            batch_size=4,
            seed=5,
            mixup_alpha=0.5,
        )
    )
    epochs = [
        [
            [np.concatenate(strategy.experimental_local_results(x))
             for x in batch]
            for batch in dataset
        ]
        for _ in range(2)
    ]
    np.savez(
        sys.argv[2],
        features=[[batch[0] for batch in epoch] for epoch in epochs],
        labels=[[batch[1] for batch in epoch] for epoch in epochs],
    )
    """
    subprocess.run(
        [
            sys.executable,
            "-c",
            textwrap.dedent(script),
            str(prepared.split_dir),
            str(tmp_path / "batches.npz"),
        ],
        check=True,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    tf.random.set_seed(3)
    plain = training(prepared, batch_size=4, mixup_alpha=0.5)
    with np.load(tmp_path / "batches.npz") as distributed:
        for number in range(2):
            features, labels = epoch(plain)
            np.testing.assert_array_equal(
                distributed["features"][number], features
            )
            np.testing.assert_array_equal(distributed["labels"][number], labels)
