"""The layers against Keras's own and against sums done by hand."""

import keras
import numpy as np
import tensorflow as tf

from audiotag_nas.models.layers import AttentionPooling, FusedBatchNormalization


def test_fused_batch_norm_trains_and_infers_as_keras_does():
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


def test_attention_pooling_is_the_weighted_mean_worked_out_by_hand():
    # Two frames, one tag: (0.2 * 0.3 + 0.8 * 0.1) / (0.3 + 0.1) = 0.35.
    localization = np.array([[[0.2], [0.8]]], "float32")
    attention = np.array([[[0.3], [0.1]]], "float32")
    score = AttentionPooling()(localization, attention)
    np.testing.assert_allclose(score, [[0.35]], rtol=1e-6)


def test_attention_floor_holds_above_the_bar_only_where_it_is_said():
    # No attention at all: floored on both sides the mean is plain, 0.5;
    # floored below only, nothing is left above.
    localization = np.array([[[0.2], [0.8]]], "float32")
    attention = np.zeros((1, 2, 1), "float32")
    both = AttentionPooling(floor=1e-7)(localization, attention)
    below = AttentionPooling(floor=1e-9, floor_numerator=False)(
        localization, attention
    )
    np.testing.assert_allclose(both, [[0.5]], rtol=1e-6)
    np.testing.assert_array_equal(below, [[0.0]])
