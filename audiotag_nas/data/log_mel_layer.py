"""The log-mel front end as a Keras layer, for exported models.

    waveforms (batch, samples) -> log-mels (batch, frames, mel bins)

The same computation as `log_mel.log_mel`, from the same constants, which
become part of the graph: an exported model does not need this package. Equal
to NumPy's within 1e-5 (nepers) or 5e-5 dB; both compute in float64.

Each clip is computed alone: what else is in the batch makes no difference.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from audiotag_nas.config import FeatureConfig
from audiotag_nas.data.log_mel import analysis_window, mel_matrix


@keras.saving.register_keras_serializable(package="audiotag_nas")
class LogMel(keras.layers.Layer):
    """float32 (batch, samples) -> float32 (batch, frames, mel bins).

    Any number of samples, known when traced or not. Fewer than a frame are
    padded to one frame with zeros, as in `log_mel.log_mel`.

    Args:
        features: the settings, or their fields as a mapping (as saved).
        **kwargs: of `keras.layers.Layer`.
    """

    def __init__(
        self, features: FeatureConfig | Mapping[str, Any], **kwargs: Any
    ) -> None:
        # A mixed-precision policy must not reach the waveform: float16 has
        # fewer steps than 16-bit audio.
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)
        if not isinstance(features, FeatureConfig):
            features = FeatureConfig(**features)
        self._features = features
        # NumPy arrays, so that each trace embeds them as constants.
        self._window = analysis_window(features)
        self._mel_matrix = mel_matrix(features).astype("float64")

    def call(self, waveforms: tf.Tensor) -> tf.Tensor:
        features = self._features
        padded = tf.pad(
            tf.cast(waveforms, tf.float64), self._paddings(waveforms)
        )
        frames = tf.signal.frame(
            padded, features.frame_length, features.frame_step
        )
        spectrum = tf.abs(tf.signal.rfft(frames * self._window))
        if features.power == 2:
            spectrum = tf.square(spectrum)
        mels = tf.matmul(spectrum, self._mel_matrix)
        return tf.cast(self._log(mels), tf.float32)

    def compute_output_shape(
        self, input_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        batch, samples = input_shape
        frames = None
        if samples is not None:
            frames = max(self._features.num_frames(samples), 1)
        return (batch, frames, self._features.num_mels)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "features": dataclasses.asdict(self._features)
        }

    def _paddings(self, waveforms: tf.Tensor) -> list[list[Any]]:
        """As `log_mel.padding`, for a length that may be a tensor."""
        length = self._features.frame_length
        if self._features.center:
            return [[0, 0], [length // 2, length - length // 2]]
        num_samples = waveforms.shape[1]
        if num_samples is None:
            missing = tf.maximum(length - tf.shape(waveforms)[1], 0)
        else:
            missing = max(length - num_samples, 0)
        return [[0, 0], [0, missing]]

    def _log(self, mels: tf.Tensor) -> tf.Tensor:
        floor = self._features.log_floor
        if self._features.log == "ln":
            return tf.math.log(mels + floor)
        return tf.math.log(tf.maximum(mels, floor)) * (10 / math.log(10))
