"""The layers against Keras's layers and results computed by hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from audiotag_nas.models.layers import (
    AttentionPooling,
    FastDropout,
    FusedBatchNormalization,
    PairMaxPooling,
)


def test_fused_batch_norm_equals_keras_in_training_and_inference():
    rng = np.random.default_rng(0)
    inputs = (3 + 2 * rng.standard_normal((3, 5, 7, 4))).astype("float32")
    weight = rng.standard_normal(inputs.shape).astype("float32")
    results = []
    for layer_class in (
        FusedBatchNormalization,
        keras.layers.BatchNormalization,
    ):
        layer = layer_class(momentum=0.9)
        layer.build(inputs.shape)
        layer.gamma.assign([0.5, 1.0, 2.0, 3.0])
        layer.beta.assign([1.0, 0.0, -1.0, 2.0])
        variable = tf.Variable(inputs)
        with tf.GradientTape() as tape:
            outputs = layer(variable, training=True)
            loss = tf.reduce_sum(tf.square(outputs) * weight)
        gradients = tape.gradient(
            loss, [variable, layer.gamma.value, layer.beta.value]
        )
        results.append(
            [
                outputs,
                *gradients,
                layer.moving_mean,
                layer.moving_variance,
                layer(inputs, training=False),
            ]
        )
    for fused, stock in zip(*results, strict=True):
        np.testing.assert_allclose(fused, stock, rtol=2e-4, atol=2e-4)


def test_frozen_fused_batch_norm_keeps_its_averages():
    layer = FusedBatchNormalization(momentum=0.5)
    layer.build((None, 2, 3, 4))
    layer.trainable = False
    inputs = np.full((2, 2, 3, 4), 9.0, "float32")
    outputs = layer(inputs, training=True)
    np.testing.assert_allclose(outputs, 9.0, rtol=1e-3)
    np.testing.assert_array_equal(layer.moving_mean, np.zeros(4))


@pytest.mark.parametrize("mels", [2, 7, 12])
def test_pair_pooling_and_its_gradient_are_keras_max_pooling(mels):
    rng = np.random.default_rng(1)
    # Few distinct values, so that many pairs tie.
    inputs = rng.integers(0, 3, (3, 5, mels, 4)).astype("float32")
    weight = rng.standard_normal((3, 5, mels // 2, 4)).astype("float32")
    results = []
    for layer in (PairMaxPooling(), keras.layers.MaxPooling2D((1, 2))):
        variable = tf.Variable(inputs)
        with tf.GradientTape() as tape:
            outputs = layer(variable)
            loss = tf.reduce_sum(outputs * weight)
        results.append((outputs, tape.gradient(loss, variable)))
    for ours, stock in zip(*results, strict=True):
        np.testing.assert_array_equal(ours, stock)


def test_dropout_has_its_rate_and_keeps_the_mean():
    layer = FastDropout(0.1, seed=3)
    ones = tf.ones((7, 61, 13, 8))
    dropped = layer(ones, training=True).numpy()
    kept = dropped > 0
    # With 44,408 values, the standard deviation of the rate is 0.0014.
    assert abs(kept.mean() - 0.9) < 0.006
    np.testing.assert_allclose(dropped[kept], 1 / 0.9, rtol=1e-4)
    # Channels and neighbors are independent.
    assert abs(kept[..., ::2].mean() - kept[..., 1::2].mean()) < 0.01
    assert (kept[..., 1:] & kept[..., :-1]).mean() == pytest.approx(
        0.81, abs=0.01
    )


def test_dropout_differs_in_each_step_and_depends_on_its_seed():
    ones = tf.ones((3, 61))
    layer, again = FastDropout(0.5, seed=3), FastDropout(0.5, seed=3)
    first, second = layer(ones, training=True), layer(ones, training=True)
    assert np.any(first != second)
    np.testing.assert_array_equal(again(ones, training=True), first)
    np.testing.assert_array_equal(layer(ones, training=False), ones)


def test_attention_pooling_is_the_weighted_mean_computed_by_hand():
    # Two frames, one tag: (0.2 * 0.3 + 0.8 * 0.1) / (0.3 + 0.1) = 0.35.
    localization = np.array([[[0.2], [0.8]]], "float32")
    attention = np.array([[[0.3], [0.1]]], "float32")
    score = AttentionPooling()(localization, attention)
    np.testing.assert_allclose(score, [[0.35]], rtol=1e-6)


def test_the_numerator_has_the_floor_only_on_request():
    # Without attention, the floor on both sides gives the plain mean 0.5; the
    # floor in the divisor only gives 0.
    localization = np.array([[[0.2], [0.8]]], "float32")
    attention = np.zeros((1, 2, 1), "float32")
    both = AttentionPooling(floor=1e-7)(localization, attention)
    below = AttentionPooling(floor=1e-9, floor_numerator=False)(
        localization, attention
    )
    np.testing.assert_allclose(both, [[0.5]], rtol=1e-6)
    np.testing.assert_array_equal(below, [[0.0]])
