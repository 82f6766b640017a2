"""What a network costs, counted from its description; no TensorFlow.

Multiply-adds are those of convolutions, recurrent and dense layers for one
clip, as papers count them: a convolution with same padding at every place of
its output, its padding included. Biases, normalization, activations, pooling
and the GRU's gating, linear in the number of values, are left out.
"""

import dataclasses
import math
from collections.abc import Iterator

from audiotag_nas.architecture import Architecture


@dataclasses.dataclass(frozen=True)
class NetworkCosts:
    """The exact counts.

    Attributes:
        num_parameters: as Keras counts them, moving averages included.
        multiply_adds: of scoring one clip.
    """

    num_parameters: int
    multiply_adds: int


def network_costs(
    architecture: Architecture, *, num_frames: int, num_mels: int, num_tags: int
) -> NetworkCosts:
    """The costs of `models.build_crnn`'s network on clips of one size."""
    layers = list(_layers(architecture, num_frames, num_mels, num_tags))
    return NetworkCosts(
        num_parameters=sum(parameters for parameters, _ in layers),
        multiply_adds=sum(multiply_adds for _, multiply_adds in layers),
    )


def _layers(
    architecture: Architecture, num_frames: int, num_mels: int, num_tags: int
) -> Iterator[tuple[int, int]]:
    """Parameters and multiply-adds, layer by layer."""
    if architecture.input_norm:
        yield 4 * num_frames, 0
    channels = 1
    for block in architecture.blocks:
        weights = math.prod(
            (block.height, block.width, channels, block.filters)
        )
        # Beside the bias, scale, offset, mean and variance of the norm.
        yield weights + 5 * block.filters, weights * num_frames * num_mels
        channels = block.filters
        if num_mels >= 2:
            num_mels //= 2
    features = num_mels * channels
    units = architecture.recurrent_units
    is_gated = architecture.recurrent == "gated_bgru"
    # Three gates, each with a matrix for the input and one for the state.
    weights = 3 * units * (features + units)
    # Keras's GRU of today has a bias of its own for each of the two.
    biases = 3 * units * (1 if is_gated else 2)
    num_layers = 4 if is_gated else 2
    yield num_layers * (weights + biases), num_layers * weights * num_frames
    # Localization and attention.
    weights = 2 * 2 * units * num_tags
    yield weights + 2 * num_tags, weights * num_frames
