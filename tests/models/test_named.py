"""The reference networks against their publications."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from audiotag_nas.errors import ConfigError
from audiotag_nas.models import NAMES, build_named

SIZES = {
    # name: frames, mels, outputs
    "crnn_baseline": (124, 128, 7),
    "wei2018": (124, 128, 8),
    "xu2017": (249, 40, 8),
}


def num_values(variables) -> int:
    return sum(int(np.prod(variable.shape)) for variable in variables)


def test_wei2018_has_the_published_number_of_parameters():
    model = build_named("wei2018")
    assert model.count_params() == 210_240
    assert num_values(model.non_trainable_weights) == 808


def test_xu2017_has_the_published_number_of_parameters():
    model = build_named("xu2017")
    assert model.count_params() == 926_373
    assert num_values(model.non_trainable_weights) == 0


def test_crnn_baseline_has_the_number_of_parameters_counted_by_hand():
    filters = [1, 8, 16, 32, 32, 64, 64, 64]
    conv = sum(
        9 * n_in * n_out + n_out for n_in, n_out in itertools.pairwise(filters)
    )
    norm = 4 * sum(filters[1:])
    # Two directions, three gates; reset_after has two biases per gate.
    bgru = 2 * 3 * 64 * (64 + 64 + 2)
    heads = 2 * (128 * 7 + 7)
    model = build_named("crnn_baseline")
    assert model.count_params() == conv + norm + bgru + heads


@pytest.mark.parametrize("name", NAMES)
def test_every_named_network_scores_clips_and_frames(name):
    frames, mels, outputs = SIZES[name]
    x = np.random.default_rng(0).standard_normal((3, frames, mels))
    # A graph, because GRU steps are slow when run eagerly.
    scores = tf.function(build_named(name))(x.astype("float32"))
    assert scores["clip_scores"].shape == (3, outputs)
    assert scores["frame_scores"].shape == (3, frames, outputs)


def test_the_gate_of_wei2018_multiplies_a_linear_and_a_sigmoid_branch():
    model = build_named("wei2018")
    activations = {
        model.get_layer(name).forward_layer.activation.__name__
        for name in ("bgru_linear", "bgru_sigmoid")
    }
    assert activations == {"linear", "sigmoid"}


def test_the_error_for_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ConfigError, match=r"crnn_baseline.*Received: 'vgg'"):
        build_named("vgg")
