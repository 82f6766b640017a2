"""Layers that Keras does not have: fused batch norm and attention pooling.

All are registered, so `.keras` files that hold them load without
`custom_objects` once this module is imported.
"""

import keras
import tensorflow as tf

PACKAGE = "audiotag_nas"


@keras.saving.register_keras_serializable(package=PACKAGE)
class FusedBatchNormalization(keras.layers.BatchNormalization):
    """Keras's batch norm, trained with TensorFlow's fused kernel.

    Keras 3 composes the mean, the variance and the scaling from some ten
    operations; the fused kernel does them in two passes and needs a third of
    the gradient's work. Outputs, gradients and moving averages are Keras's
    own, within float32 rounding. Input: float32 (batch, height, width,
    channels), normalized over the last axis; no mask.
    """

    def build(self, input_shape):
        if len(input_shape) != 4 or self.axis not in (-1, 3):
            raise ValueError(
                "the fused kernel normalizes the last of 4 axes. Received: "
                f"input_shape={input_shape}, axis={self.axis}"
            )
        super().build(input_shape)

    def call(self, inputs, training=None, mask=None):
        if not (training and self.trainable):
            return super().call(inputs, training=False, mask=mask)
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=self.gamma,
            offset=self.beta,
            mean=tf.zeros([0]),
            variance=tf.zeros([0]),
            epsilon=self.epsilon,
            is_training=True,
        )
        # The kernel gives the unbiased variance (n - 1); Keras averages the
        # biased one (n).
        num_values = tf.cast(
            tf.reduce_prod(tf.shape(inputs)[:-1]), variance.dtype
        )
        variance *= (num_values - 1.0) / num_values
        keep = self.momentum
        self.moving_mean.assign(self.moving_mean * keep + mean * (1.0 - keep))
        self.moving_variance.assign(
            self.moving_variance * keep + variance * (1.0 - keep)
        )
        return outputs


@keras.saving.register_keras_serializable(package=PACKAGE)
class AttentionPooling(keras.layers.Layer):
    """Clip scores as the attention-weighted mean of frame scores.

    y[k] = sum_t p[t, k] a[t, k] / sum_t a[t, k], with the localization p and
    the attention a (Xu et al., Interspeech 2017, eq. 5). Always float32: an
    attention near the floor would vanish in half precision.

    Args:
        floor: the least attention; it keeps the sum above zero.
        floor_numerator: whether the floor also holds above the fraction bar
            (Wei et al. 2018 clip the attention itself; Xu et al. 2017 clip
            only the divisor).

    Call arguments: `localization` and `attention`, float32 (batch, frames,
    tags) in [0, 1]. Returns (batch, tags) in [0, 1].
    """

    def __init__(self, floor=1e-7, floor_numerator=True, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.floor = floor
        self.floor_numerator = floor_numerator

    def call(self, localization, attention):
        divisor = keras.ops.clip(attention, self.floor, 1.0)
        weight = divisor if self.floor_numerator else attention
        return keras.ops.sum(localization * weight, axis=1) / keras.ops.sum(
            divisor, axis=1
        )

    def compute_output_shape(self, localization_shape, attention_shape):
        return (localization_shape[0], localization_shape[2])

    def get_config(self):
        return {
            **super().get_config(),
            "floor": self.floor,
            "floor_numerator": self.floor_numerator,
        }
