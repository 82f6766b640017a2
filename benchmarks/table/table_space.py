"""The space of the recorded table: three stages, each with N and a kernel.

A reduction of the paper's space to what can be trained in full: a stage is a
convolution block of N filters of k x k. Four mel bins of the 32 are left for
the recurrent layer, of 16 units a direction.
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
    """The network that `tokens` name in `TABLE_SPACE`.

    Raises:
        ConfigError: the tokens are not of the space.
    """
    values = list(TABLE_SPACE.values(tokens).values())
    stages = zip(values[::2], values[1::2], strict=True)
    return Architecture(
        tuple(ConvBlock(int(n), int(k), int(k)) for n, k in stages),
        recurrent_units=RECURRENT_UNITS,
    )
