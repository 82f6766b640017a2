"""The TensorFlow front end against the NumPy front end."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from audiotag_nas.config import FeatureConfig
from audiotag_nas.data.log_mel import log_mel
from audiotag_nas.data.log_mel_layer import LogMel

SMALL = FeatureConfig(
    sample_rate_hz=8000,
    frame_length=96,
    frame_step=37,
    num_mels=13,
    fmax_hz=4000,
)


def waveforms(num_clips: int, num_samples: int) -> np.ndarray:
    """Tones of very different levels plus faint noise."""
    rng = np.random.default_rng(5)
    time = np.arange(num_samples) / 8000
    tones = np.sin(2 * np.pi * rng.uniform(200, 3000, (num_clips, 1)) * time)
    levels = 10.0 ** -np.arange(num_clips)[:, None]
    noise = 1e-5 * rng.standard_normal((num_clips, num_samples))
    return (levels * tones + noise).astype(np.float32)


@pytest.mark.parametrize(
    "config",
    [
        FeatureConfig(),
        FeatureConfig.librosa_defaults(),
        SMALL,
        dataclasses.replace(SMALL, center=True, frame_length=95),
        dataclasses.replace(SMALL, power=2.0, log="db", mel_norm="slaney"),
    ],
    ids=["baseline", "librosa", "small", "centered", "decibels"],
)
def test_equal_to_numpy(config):
    clips = waveforms(3, 9001)
    expected = np.stack([log_mel(clip, config) for clip in clips])
    tolerance = 5e-5 if config.log == "db" else 1e-5
    np.testing.assert_allclose(
        LogMel(config)(clips), expected, rtol=0, atol=tolerance
    )


def test_a_clip_alone_equals_the_clip_in_any_batch():
    clips = waveforms(7, 3001)
    layer = LogMel(SMALL)
    together = layer(clips).numpy()
    for i in range(7):
        np.testing.assert_array_equal(layer(clips[i : i + 1])[0], together[i])
    order = np.random.default_rng(0).permutation(7)
    np.testing.assert_array_equal(layer(clips[order]), together[order])


@pytest.mark.parametrize("center", [False, True])
def test_one_trace_accepts_every_length(center):
    config = dataclasses.replace(SMALL, center=center)
    layer = LogMel(config)
    function = tf.function(
        lambda x: layer(x),
        input_signature=[tf.TensorSpec((None, None), tf.float32)],
    )
    for num_samples in (1, 95, 96, 133, 2000):
        clips = waveforms(2, num_samples)
        expected = np.stack([log_mel(clip, config) for clip in clips])
        np.testing.assert_allclose(function(clips), expected, atol=1e-5)


def test_the_declared_shape_is_the_shape_of_the_output():
    layer = LogMel(SMALL)
    for num_samples in (50, 96, 2000):
        shape = layer(np.zeros((2, num_samples), np.float32)).shape
        assert layer.compute_output_shape((2, num_samples)) == tuple(shape)
    assert layer.compute_output_shape((None, None)) == (None, None, 13)


def test_mixed_precision_does_not_reach_the_waveform():
    clips = waveforms(1, 500)
    expected = LogMel(SMALL)(clips).numpy()
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        mixed = LogMel(SMALL)(clips)
    finally:
        keras.mixed_precision.set_global_policy("float32")
    assert mixed.dtype == tf.float32
    np.testing.assert_array_equal(mixed, expected)


def test_a_saved_and_a_reloaded_layer_give_equal_results(tmp_path):
    clips = waveforms(2, 700)
    inputs = keras.Input((None,))
    model = keras.Model(inputs, LogMel(SMALL, name="log_mel")(inputs))
    expected = model(clips).numpy()
    model.save(tmp_path / "model.keras")
    reloaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(reloaded(clips), expected)
    model.export(tmp_path / "exported", verbose=False)
    served = tf.saved_model.load(str(tmp_path / "exported")).serve(clips)
    np.testing.assert_allclose(served, expected, atol=1e-6)
