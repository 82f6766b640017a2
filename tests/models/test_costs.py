"""Costs of networks against hand counts, Keras and TensorFlow's profiler."""

import pytest
import tensorflow as tf

from audiotag_nas.architecture import (
    CRNN_BASELINE,
    WEI2018,
    Architecture,
    ConvBlock,
)
from audiotag_nas.models import build_crnn, build_named
from audiotag_nas.models.costs import network_costs

SMALL = Architecture(
    (ConvBlock(4, 3, 5), ConvBlock(2, 1, 3)), recurrent_units=6
)
WIDE = Architecture(
    (ConvBlock(3, 5, 1), ConvBlock(8, 3, 7)),
    recurrent="gated_bgru",
    recurrent_units=5,
    input_norm=True,
)


def test_the_multiply_adds_of_a_small_network_are_those_counted_by_hand():
    # First block: 3 x 5 x 1 x 4 weights at 5 frames x 7 mels. Second block:
    # 1 x 3 x 4 x 2 weights at 5 x 3. Then 5 frames of two GRU directions, each
    # with 3 gates x 6 x (2 + 6) weights, and two dense layers of 12 x 3.
    costs = network_costs(SMALL, num_frames=5, num_mels=7, num_tags=3)
    convolutions = 60 * 35 + 24 * 15
    assert costs.multiply_adds == convolutions + 2 * 144 * 5 + 2 * 36 * 5


@pytest.mark.parametrize("architecture", [SMALL, WIDE])
def test_the_parameters_are_those_that_keras_counts(architecture):
    # Two blocks reduce 13 mel bins to 3.
    model = build_crnn(architecture, num_frames=11, num_mels=13, num_tags=7)
    costs = network_costs(architecture, num_frames=11, num_mels=13, num_tags=7)
    assert costs.num_parameters == model.count_params()


def test_the_published_networks_have_their_published_parameters():
    # docs/reference/models.md.
    sizes = {"num_frames": 124, "num_mels": 128}
    baseline = network_costs(CRNN_BASELINE, **sizes, num_tags=7)
    wei2018 = network_costs(WEI2018, **sizes, num_tags=8)
    assert baseline.num_parameters == 160_334
    assert wei2018.num_parameters == 210_240
    assert build_named("crnn_baseline").count_params() == 160_334


@pytest.mark.parametrize("architecture", [SMALL, WIDE])
def test_tensorflows_profiler_counts_the_same(architecture):
    num_mels, num_tags = 13, 7
    # One frame, because the profiler counts the loop of the GRU only once.
    model = build_crnn(
        architecture, num_frames=1, num_mels=num_mels, num_tags=num_tags
    )
    counted = sum(
        operations
        for name, operations in profiled(model, num_mels)
        if name in ("Conv2D", "MatMul")
    )
    units = architecture.recurrent_units
    num_layers = 4 if architecture.recurrent == "gated_bgru" else 2
    # The profiler does not know the shape of the loop's state.
    state_operations = num_layers * 3 * units * units
    costs = network_costs(
        architecture, num_frames=1, num_mels=num_mels, num_tags=num_tags
    )
    # A multiply-add is two operations.
    assert costs.multiply_adds - state_operations == counted / 2


def profiled(model, num_mels: int) -> list[tuple[str, int]]:
    """Returns (kind, floating-point operations) pairs for scoring one clip."""
    from tensorflow.python.framework import convert_to_constants

    function = tf.function(lambda x: model(x, training=False)["clip_scores"])
    frozen = convert_to_constants.convert_variables_to_constants_v2(
        function.get_concrete_function(tf.TensorSpec([1, 1, num_mels])),
        lower_control_flow=True,
    )
    profiler = tf.compat.v1.profiler
    options = profiler.ProfileOptionBuilder.float_operation()
    options["output"] = "none"
    found = []
    with tf.Graph().as_default() as graph:
        tf.graph_util.import_graph_def(frozen.graph.as_graph_def(), name="")
        pending = [profiler.profile(graph, cmd="op", options=options)]
    while pending:
        node = pending.pop()
        found.append((node.name, node.float_ops))
        pending += node.children
    return found
