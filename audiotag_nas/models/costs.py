"""Counts the parameters and multiply-adds of a network without TensorFlow.

As is usual in papers, only the multiply-adds of convolutions, recurrent layers
and dense layers are counted, for one clip. Padded inputs of a convolution count
too. Biases, normalization, activations, pooling and the gating of the GRU do
not count.
"""

import dataclasses
import math
from collections.abc import Iterator

from audiotag_nas.architecture import Architecture


@dataclasses.dataclass(frozen=True)
class NetworkCosts:
    """The exact costs of a network.

    Attributes:
        num_parameters: number of parameters, including the moving averages of
            batch norms, which Keras counts too.
        multiply_adds: number of multiply-adds per clip.
    """

    num_parameters: int
    multiply_adds: int


def network_costs(
    architecture: Architecture, *, num_frames: int, num_mels: int, num_tags: int
) -> NetworkCosts:
    """Returns the costs of the network that `build_crnn` builds."""
    layers = list(_layers(architecture, num_frames, num_mels, num_tags))
    return NetworkCosts(
        num_parameters=sum(parameters for parameters, _ in layers),
        multiply_adds=sum(multiply_adds for _, multiply_adds in layers),
    )


def _layers(
    architecture: Architecture, num_frames: int, num_mels: int, num_tags: int
) -> Iterator[tuple[int, int]]:
    """Yields the parameters and the multiply-adds of each layer."""
    if architecture.input_norm:
        yield 4 * num_frames, 0
    channels = 1
    for block in architecture.blocks:
        weights = math.prod(
            (block.height, block.width, channels, block.filters)
        )
        # A filter has a bias, and the batch norm adds 4 parameters per filter.
        yield weights + 5 * block.filters, weights * num_frames * num_mels
        channels = block.filters
        if num_mels >= 2:
            num_mels //= 2
    features = num_mels * channels
    units = architecture.recurrent_units
    is_gated = architecture.recurrent == "gated_bgru"
    # Each of three gates has a matrix for the input and another for the state.
    weights = 3 * units * (features + units)
    # With `reset_after`, each of the two matrices has a bias.
    biases = 3 * units * (1 if is_gated else 2)
    num_layers = 4 if is_gated else 2
    yield num_layers * (weights + biases), num_layers * weights * num_frames
    # The last two dense layers are localization and attention.
    weights = 2 * 2 * units * num_tags
    yield weights + 2 * num_tags, weights * num_frames
