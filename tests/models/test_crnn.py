"""Networks built from architectures: sizes, order of operations, saving."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from audiotag_nas.architecture import (
    CRNN_BASELINE,
    WEI2018,
    Architecture,
    ConvBlock,
)
from audiotag_nas.errors import ConfigError
from audiotag_nas.models import build_crnn
from audiotag_nas.models.blocks import conv_block

TINY = Architecture(
    (ConvBlock(3, 3, 1), ConvBlock(4, 1, 5), ConvBlock(5, 3, 3)),
    recurrent_units=6,
)


def spectrograms(*, batch: int = 3, frames: int = 61, mels: int = 13):
    rng = np.random.default_rng(1)
    return rng.standard_normal((batch, frames, mels)).astype("float32")


@pytest.fixture(scope="module")
def tiny() -> keras.Model:
    keras.utils.set_random_seed(2)
    return build_crnn(TINY, num_mels=13, num_tags=7)


def test_clips_with_any_number_of_frames_are_scored(tiny):
    for frames in (1, 61):
        scores = tiny(spectrograms(frames=frames))
        assert scores["clip_scores"].shape == (3, 7)
        assert scores["frame_scores"].shape == (3, frames, 7)
        for values in scores.values():
            assert np.all((values.numpy() >= 0) & (values.numpy() <= 1))


def test_clip_scores_follow_from_attention_and_localization(tiny):
    inner = keras.Model(
        tiny.input, [tiny.get_layer("attention").output, tiny.output]
    )
    attention, scores = inner(spectrograms())
    attention = np.clip(attention.numpy(), 1e-7, 1)
    frame_scores = scores["frame_scores"].numpy()
    by_hand = (frame_scores * attention).sum(1) / attention.sum(1)
    np.testing.assert_allclose(scores["clip_scores"], by_hand, rtol=1e-5)
    # The softmax is over the tags, not over the frames.
    np.testing.assert_allclose(attention.sum(2), 1, rtol=1e-5)


@pytest.mark.parametrize("mels", [1, 2, 13, 40, 64, 128, 300])
def test_pooling_stops_at_one_mel_bin(mels):
    model = build_crnn(CRNN_BASELINE, num_mels=mels, num_tags=7)
    num_pools = sum(layer.name.endswith("_pool") for layer in model.layers)
    assert num_pools == min(7, int(np.log2(mels)))
    assert model.get_layer("to_sequence").output.shape[2] == 64 * max(
        1, mels // 2**7
    )


def test_pooling_before_the_elu_equals_the_textbook_order():
    inputs = keras.Input((6, 13, 2))
    keras.utils.set_random_seed(4)
    outputs = conv_block(inputs, ConvBlock(3, 3, 5), dropout=0.1, name="b")
    model = keras.Model(inputs, outputs)
    x = np.random.default_rng(3).standard_normal((4, 6, 13, 2))
    x = x.astype("float32")
    norm = model.get_layer("b_norm")
    textbook = norm(model.get_layer("b_conv")(x))
    textbook = tf.nn.max_pool2d(
        tf.nn.elu(textbook), (1, 2), (1, 2), padding="VALID"
    )
    np.testing.assert_allclose(model(x), textbook, rtol=1e-5, atol=1e-6)


def test_height_is_time_and_width_is_frequency():
    architecture = Architecture((ConvBlock(2, 5, 1),), recurrent_units=3)
    model = build_crnn(architecture, num_mels=13, num_tags=2)
    kernel = model.get_layer("block1_conv").kernel
    assert tuple(kernel.shape) == (5, 1, 1, 2)
    inner = keras.Model(model.input, model.get_layer("block1_conv").output)
    impulse = np.zeros((1, 21, 13), "float32")
    impulse[0, 10, 6] = 1.0
    touched = np.abs(inner(impulse).numpy()[0]).sum(-1) > 0
    assert np.flatnonzero(touched.any(axis=1)).tolist() == [8, 9, 10, 11, 12]
    assert np.flatnonzero(touched.any(axis=0)).tolist() == [6]


def test_a_keras_file_gives_the_same_scores(tiny, tmp_path):
    tiny.save(tmp_path / "model.keras")
    reloaded = keras.models.load_model(tmp_path / "model.keras")
    x = spectrograms()
    for name, scores in tiny(x).items():
        np.testing.assert_array_equal(reloaded(x)[name], scores)


def test_a_saved_model_gives_the_same_scores(tiny, tmp_path):
    tiny.export(tmp_path / "saved", verbose=False)
    reloaded = tf.saved_model.load(str(tmp_path / "saved"))
    x = spectrograms(frames=17)
    for name, scores in tiny(x).items():
        np.testing.assert_allclose(reloaded.serve(x)[name], scores, atol=1e-6)


def test_the_same_seed_gives_the_same_weights(tiny):
    keras.utils.set_random_seed(2)
    again = build_crnn(TINY, num_mels=13, num_tags=7)
    for first, second in zip(tiny.get_weights(), again.get_weights()):  # noqa: B905
        np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(
    ("sizes", "rule"),
    [
        ({"num_mels": 0}, "`num_mels` must be positive"),
        ({"num_tags": 0}, "`num_tags` must be positive"),
        ({"num_frames": 0}, "`num_frames` must be positive or None"),
    ],
)
def test_a_size_below_one_is_refused(sizes, rule):
    with pytest.raises(ConfigError, match=rule):
        build_crnn(TINY, **{"num_mels": 13, "num_tags": 7, **sizes})


def test_input_norm_needs_the_number_of_frames():
    with pytest.raises(ConfigError, match="`num_frames` must be given"):
        build_crnn(WEI2018, num_mels=128, num_tags=8)
