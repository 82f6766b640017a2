"""Parameters and multiply-adds of a network, counted without TensorFlow.

As in papers, the multiply-adds are those of the convolutions, recurrent and
dense layers for one clip. A convolution counts at every output position,
padding included. Biases, normalization, activations, pooling and the gating
of the GRU do not count.
"""

import dataclasses
import math
from collections.abc import Iterator

from audiotag_nas.architecture import Architecture


@dataclasses.dataclass(frozen=True)
class NetworkCosts:
    """Exact counts.

    Attributes:
        num_parameters: as in Keras, including the moving averages.
        multiply_adds: per clip.
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
    """Yields parameters and multiply-adds, layer by layer."""
    if architecture.input_norm:
        yield 4 * num_frames, 0
    channels = 1
    for block in architecture.blocks:
        weights = math.prod(
            (block.height, block.width, channels, block.filters)
        )
        # 5: bias; scale, offset, mean and variance of the batch norm.
        yield weights + 5 * block.filters, weights * num_frames * num_mels
        channels = block.filters
        if num_mels >= 2:
            num_mels //= 2
    features = num_mels * channels
    units = architecture.recurrent_units
    is_gated = architecture.recurrent == "gated_bgru"
    # Each of three gates has a matrix for the input and one for the state.
    weights = 3 * units * (features + units)
    # With `reset_after`, each of the two matrices has a bias.
    biases = 3 * units * (1 if is_gated else 2)
    num_layers = 4 if is_gated else 2
    yield num_layers * (weights + biases), num_layers * weights * num_frames
    # Localization and attention.
    weights = 2 * 2 * units * num_tags
    yield weights + 2 * num_tags, weights * num_frames
