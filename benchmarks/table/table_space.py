"""The search space of the recorded table.

The space is a small part of the paper's space, so that all its networks can be
trained. A network has three convolution blocks. The decisions are the number of
filters and the kernel size of each block. The recurrent layer has 16 units per
direction. The input of this layer has 4 mel bins, pooled from 32.
"""

from collections.abc import Iterable

from audiotag_nas.architecture import Architecture, ConvBlock
from audiotag_nas.space import Decision, SearchSpace

NUM_STAGES = 3
FILTERS = (4, 8, 16)
KERNELS = (1, 3, 5)
RECURRENT_UNITS = 16

TABLE_SPACE = SearchSpace(
    tuple(
        decision
        for stage in range(1, NUM_STAGES + 1)
        for decision in (
            Decision(f"stage{stage}_filters", FILTERS),
            Decision(f"stage{stage}_kernel", KERNELS),
        )
    )
)


def table_architecture(tokens: Iterable[int]) -> Architecture:
    """Returns the architecture of a point of `TABLE_SPACE`.

    Raises:
        ConfigError: the tokens are not a point of the space.
    """
    values = list(TABLE_SPACE.values(tokens).values())
    stages = zip(values[::2], values[1::2], strict=True)
    return Architecture(
        tuple(ConvBlock(int(n), int(k), int(k)) for n, k in stages),
        recurrent_units=RECURRENT_UNITS,
    )
