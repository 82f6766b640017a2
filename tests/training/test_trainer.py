"""Tests which weights the trainer keeps, when it stops, what it refuses."""

import itertools
import json
import math
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from audiotag_nas.config import TrainingConfig
from audiotag_nas.errors import DataError
from audiotag_nas.training import strategy as strategies
from audiotag_nas.training import trainer

FRAMES, MELS, TAGS = 5, 4, 3


def build_linear() -> keras.Model:
    inputs = keras.Input((FRAMES, MELS))
    x = keras.layers.Flatten()(inputs)
    scores = keras.layers.Dense(TAGS, activation="sigmoid")(x)
    return keras.Model(inputs, {"clip_scores": scores})


def make_examples(num: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns data whose tags a linear network learns after some epochs."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(num, FRAMES, MELS)).astype(np.float32)
    direction = np.random.default_rng(99).normal(size=(FRAMES * MELS, TAGS))
    labels = features.reshape(num, -1) @ direction > 0
    return features, labels.astype(np.float32)


def make_data(seed: int, *, num: int = 24, batch: int = 8):
    features, labels = make_examples(num, seed)
    dataset = tf.data.Dataset.from_tensor_slices((features, labels))
    return dataset.batch(batch, drop_remainder=True), features, labels


def make_validation(features, labels, *, batch: int = 8):
    missing = -len(features) % batch
    weights = np.r_[np.ones(len(features)), np.zeros(missing)]
    return tf.data.Dataset.from_tensor_slices(
        (
            np.pad(features, ((0, missing), (0, 0), (0, 0))),
            np.pad(labels, ((0, missing), (0, 0))),
            weights.astype(np.float32),
        )
    ).batch(batch)


def train(training_data, features, labels, **settings):
    return trainer.train(
        build_linear,
        training_data=training_data,
        validation=trainer.ScoredData(
            make_validation(features, labels), labels
        ),
        settings=TrainingConfig(**settings),
    )


def test_the_network_returned_has_the_weights_of_its_best_epoch():
    keras.utils.set_random_seed(3)
    data, _, _ = make_data(0)
    features, labels = make_examples(19, 1)
    # With this high learning rate, the EER rises and falls, so that the last
    # epoch is not the best.
    model, result = train(
        data, features, labels, epochs=8, patience=8, learning_rate=0.5
    )
    curve = result.history["validation_eer"]
    assert len(curve) == 8
    assert curve[-1] > min(curve)
    assert result.best_epoch == int(np.argmin(curve)) + 1
    scores = model.predict(features, verbose=0)["clip_scores"]
    assert trainer.mean_eer(labels, scores) == pytest.approx(min(curve))


def test_training_stops_after_patience_epochs_without_a_better_eer():
    data, _, _ = make_data(0)
    features, labels = make_examples(11, 1)
    # The weights can't change, so epoch 1 remains the best epoch.
    _, result = train(
        data, features, labels, epochs=9, patience=3, learning_rate=1e-30
    )
    assert result.best_epoch == 1
    assert len(result.history["validation_eer"]) == 1 + 3


def test_a_nan_in_the_features_is_an_error_and_not_a_reward():
    _, features, labels = make_data(0)
    features[13, 2, 1] = np.nan
    data = tf.data.Dataset.from_tensor_slices((features, labels)).batch(8)
    with pytest.raises(trainer.TrainingDivergedError, match="epoch 1"):
        train(data, *make_examples(11, 1), epochs=2)


def test_validation_clips_that_all_carry_the_same_tags_are_refused():
    data, _, _ = make_data(0)
    features, _ = make_examples(11, 1)
    with pytest.raises(DataError, match="both a clip that carries it"):
        train(data, features, np.ones((11, TAGS), np.float32))


def test_the_validation_loss_is_keras_binary_cross_entropy():
    rng = np.random.default_rng(5)
    labels = (rng.random((17, TAGS)) > 0.5).astype(np.float32)
    scores = rng.random((17, TAGS)).astype(np.float32)
    scores[0] = [0.0, 1.0, 0.5]
    expected = keras.losses.BinaryCrossentropy()(labels, scores)
    assert trainer.binary_cross_entropy(labels, scores) == pytest.approx(
        float(expected), rel=1e-5
    )


@pytest.mark.parametrize("num_steps", [1, 2, 3])
def test_epochs_are_the_passes_over_the_data_in_turn(num_steps):
    passes = itertools.count(1)

    def one_pass():
        """Yields batches that hold the pass's number, in a column per pass."""
        number = next(passes)
        features = np.zeros((8, FRAMES * MELS), np.float32)
        features[:, number % (FRAMES * MELS)] = number
        for _ in range(num_steps):
            yield features.reshape(8, FRAMES, MELS), np.ones((8, TAGS), "f")

    data = tf.data.Dataset.from_generator(
        one_pass,
        output_signature=(
            tf.TensorSpec((8, FRAMES, MELS)),
            tf.TensorSpec((8, TAGS)),
        ),
    ).apply(tf.data.experimental.assert_cardinality(num_steps))

    def build_sum() -> keras.Model:
        inputs = keras.Input((FRAMES, MELS))
        dense = keras.layers.Dense(
            TAGS, "sigmoid", use_bias=False, kernel_initializer="ones"
        )
        scores = dense(keras.layers.Flatten()(inputs))
        return keras.Model(inputs, {"clip_scores": scores})

    features, labels = make_examples(11, 1)
    _, result = trainer.train(
        build_sum,
        training_data=data,
        validation=trainer.ScoredData(
            make_validation(features, labels), labels
        ),
        settings=TrainingConfig(epochs=4, patience=4, learning_rate=1e-9),
    )
    # The loss is -log(sigmoid(number)), because the kernel is still 1. If
    # another iterator had read a pass, as in Keras's `fit`, the number of this
    # pass would be missing.
    assert result.history["training_loss"] == pytest.approx(
        [math.log1p(math.exp(-number)) for number in (2, 3, 4, 5)], rel=1e-5
    )


@pytest.mark.parametrize("change", ["take none", "filter"])
def test_data_without_a_known_number_of_batches_train_nothing(change):
    data, _, _ = make_data(0)
    if change == "filter":
        data = data.filter(lambda features, labels: True)
    else:
        data = data.take(0)
    with pytest.raises(
        DataError, match="a known number of batches, at least 1"
    ):
        train(data, *make_examples(11, 1))


TWO_REPLICAS = """
import json, sys
import numpy as np, keras, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(
    cpu, [tf.config.LogicalDeviceConfiguration()] * 2
)
from audiotag_nas.config import TrainingConfig
from audiotag_nas.models import build_crnn
from audiotag_nas.architecture import Architecture, ConvBlock
from audiotag_nas.training import trainer
from audiotag_nas.training.strategy import make_strategy

rng = np.random.default_rng(0)
halves = rng.normal(size=(6, 3, 7, 5)).astype(np.float32)
labels = (rng.random((6, 3, 4)) > 0.5).astype(np.float32)
# Each half of a batch is the same, so that batch norm, which is per replica,
# sees what it sees on one device.
data = tf.data.Dataset.from_tensor_slices(
    (np.concatenate([halves, halves], 1), np.concatenate([labels, labels], 1))
)
# 11 clips in batches of 3: an odd number, the last batch padded.
features = rng.normal(size=(11, 7, 5)).astype(np.float32)
truth = (rng.random((11, 4)) > 0.5).astype(np.float32)
weights = np.r_[np.ones(11), 0].astype(np.float32)
validation = tf.data.Dataset.from_tensor_slices(
    (np.pad(features, ((0, 1), (0, 0), (0, 0))),
     np.pad(truth, ((0, 1), (0, 0))), weights)
).batch(3)
architecture = Architecture((ConvBlock(3, 3, 1), ConvBlock(2, 1, 3)),
                            recurrent_units=4, dropout=0.0)
curves, finals = [], []
for devices in (["CPU:0"], ["CPU:0", "CPU:1"]):
    keras.utils.set_random_seed(7)
    strategy = make_strategy(devices)
    assert strategy.num_replicas_in_sync == len(devices)
    model, result = trainer.train(
        lambda: build_crnn(architecture, num_mels=5, num_tags=4),
        training_data=data, validation=trainer.ScoredData(validation, truth),
        settings=TrainingConfig(epochs=2),
        strategy=strategy,
    )
    curves.append(result.history)
    finals.append(model.get_weights())
# Two devices can't evenly share five examples, or one example.
devices = ["CPU:0", "CPU:1"]
used = [make_strategy(devices, batch_size=n).num_replicas_in_sync
        for n in (1, 5, 6)]
odd = tf.data.Dataset.from_tensor_slices((features[:10], truth[:10])).batch(5)
_, result = trainer.train(
    lambda: build_crnn(architecture, num_mels=5, num_tags=4),
    training_data=odd, validation=trainer.ScoredData(validation, truth),
    settings=TrainingConfig(epochs=1),
    strategy=make_strategy(devices, batch_size=5),
)
odd_loss = result.history["training_loss"][0]
json.dump({
    "curves": curves, "used": used, "odd_loss": odd_loss,
    "difference": max(float(np.abs(a - b).max())
                      for a, b in zip(*finals)),
}, sys.stdout)
"""


def test_two_devices_train_to_the_same_weights_as_one():
    """Allows 1e-4 after 12 steps of Adam, which divides by small numbers."""
    done = subprocess.run(
        [sys.executable, "-c", TWO_REPLICAS],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    outcome = json.loads(done.stdout)
    assert outcome["difference"] < 1e-4
    one, two = outcome["curves"]
    assert two["training_loss"] == pytest.approx(one["training_loss"], abs=1e-5)
    assert two["validation_loss"] == pytest.approx(
        one["validation_loss"], abs=1e-4
    )
    # An untrained network's scores are about 0.5, so its loss is about ln 2.
    assert outcome["odd_loss"] == pytest.approx(np.log(2), abs=0.2)
    assert outcome["used"] == [1, 1, 2]


def test_without_gpus_the_strategy_is_the_one_cpu():
    strategy = strategies.make_strategy()
    num_gpus = len(tf.config.list_logical_devices("GPU"))
    assert strategy.num_replicas_in_sync == max(1, num_gpus)
