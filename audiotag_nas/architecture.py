"""Architectures as plain values, and the search space of the paper.

`Architecture` describes a convolutional recurrent network with attention and
localization (CRNN ATT-LOC). `audiotag_nas.models` builds the network with
TensorFlow.

The default space has the 21 decisions of Liu and Zhang (IJCNN 2020). Each of 7
convolution blocks has three: the number of filters N, the filter height H
(time) and the filter width W (frequency). The paper does not state the
candidate values, so the values here are this project's choice.
"""

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from audiotag_nas.errors import ConfigError
from audiotag_nas.fields import from_json
from audiotag_nas.space import Decision, SearchSpace

RECURRENT_LAYERS = ("bgru", "gated_bgru")


@dataclasses.dataclass(frozen=True)
class ConvBlock:
    """One convolution block.

    Attributes:
        filters: the number of output channels, N.
        height: the filter size in time (frames), H.
        width: the filter size in frequency (mel bins), W.
    """

    filters: int
    height: int
    width: int

    def __post_init__(self) -> None:
        for field in ("filters", "height", "width"):
            value = getattr(self, field)
            if isinstance(value, bool) or not isinstance(value, int):
                raise ConfigError(
                    f"`{field}` must be an int. Received: {value!r}"
                )
            if value < 1:
                raise ConfigError(
                    f"`{field}` must be positive. Received: {value}"
                )


@dataclasses.dataclass(frozen=True)
class Architecture:
    """The description of a CRNN ATT-LOC network.

    >>> architecture = Architecture(
    ...     (ConvBlock(8, 3, 3), ConvBlock(16, 5, 3)), recurrent_units=32
    ... )
    >>> architecture.describe()
    '8@3x3 16@5x3 | bgru 32'
    >>> Architecture.from_json(architecture.to_json()) == architecture
    True

    Attributes:
        blocks: the convolution blocks, from input to output. Each block
            consists of convolution, batch norm, ELU, max-pooling over two mel
            bins (if at least two are left) and dropout.
        recurrent: the recurrent layer. `bgru` is the bidirectional GRU in the
            paper's figure. `gated_bgru` is the product of two parallel
            bidirectional GRUs, one linear and one sigmoid (Wei et al. 2018).
        recurrent_units: the number of GRU units per direction.
        dropout: the dropout rate after each block and recurrent layer.
        input_norm: whether a batch norm over frames precedes the first block
            (Wei et al. 2018). This norm needs a fixed number of frames.
    """

    blocks: tuple[ConvBlock, ...]
    recurrent: str = "bgru"
    recurrent_units: int = 64
    dropout: float = 0.1
    input_norm: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "blocks", tuple(self.blocks))
        if not self.blocks:
            raise ConfigError("an architecture must have at least one block.")
        if self.recurrent not in RECURRENT_LAYERS:
            raise ConfigError(
                f"`recurrent` must be one of {list(RECURRENT_LAYERS)}. "
                f"Received: {self.recurrent!r}"
            )
        if self.recurrent_units < 1:
            raise ConfigError(
                "`recurrent_units` must be positive. "
                f"Received: {self.recurrent_units}"
            )
        if not 0.0 <= self.dropout < 1.0:
            raise ConfigError(
                f"`dropout` must be in [0, 1). Received: {self.dropout}"
            )

    @property
    def architecture_id(self) -> str:
        """Twelve hexadecimal digits; equal architectures have the same."""
        text = json.dumps(self.to_json(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def describe(self) -> str:
        """Returns one readable line, e.g. `8@3x3 16@5x3 | bgru 64`."""
        blocks = " ".join(
            f"{b.filters}@{b.height}x{b.width}" for b in self.blocks
        )
        return f"{blocks} | {self.recurrent} {self.recurrent_units}"

    def to_json(self) -> dict[str, Any]:
        fields = dataclasses.asdict(self)
        # JSON has no tuples.
        return fields | {"blocks": list(fields["blocks"])}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Architecture":
        """Returns the architecture that `to_json` turned into `value`.

        Raises:
            ConfigError: a field is missing, unknown or invalid.
        """
        return from_json(cls, value, "architecture")


def conv_space(
    *,
    num_blocks: int = 7,
    filters: Sequence[int] = (8, 16, 32, 64),
    heights: Sequence[int] = (1, 3, 5, 7),
    widths: Sequence[int] = (1, 3, 5, 7),
) -> SearchSpace:
    """Returns the space of the paper: N, H and W of each block.

    >>> space = conv_space(num_blocks=2, filters=(8, 16))
    >>> [decision.name for decision in space.decisions][:4]
    ['block1_filters', 'block1_height', 'block1_width', 'block2_filters']
    >>> space.size
    1024

    The default candidate values are this project's choice.
    """
    decisions = []
    for block in range(1, num_blocks + 1):
        decisions += [
            Decision(f"block{block}_filters", tuple(filters)),
            Decision(f"block{block}_height", tuple(heights)),
            Decision(f"block{block}_width", tuple(widths)),
        ]
    return SearchSpace(tuple(decisions))


def architecture_from_tokens(
    space: SearchSpace,
    tokens: Iterable[int],
    *,
    base: Architecture | None = None,
) -> Architecture:
    """Returns the architecture of a point.

    Args:
        space: a space. Each decision is named `block<i>_filters`,
            `block<i>_height` or `block<i>_width`, or has the name of a field of
            `Architecture` other than `blocks`, e.g. `recurrent_units`.
        tokens: one token per decision.
        base: the architecture whose values are used where the space has no
            decision; None stands for `CRNN_BASELINE`.

    Raises:
        ConfigError: `tokens` is not a point of `space`, or a decision has any
            other name.
    """
    base = CRNN_BASELINE if base is None else base
    blocks = [dataclasses.asdict(block) for block in base.blocks]
    fields: dict[str, Any] = {}
    names = {field.name for field in dataclasses.fields(Architecture)}
    for name, value in space.values(tokens).items():
        index, _, part = name.removeprefix("block").partition("_")
        if name.startswith("block") and index.isdigit() and part:
            position = int(index) - 1
            if not 0 <= position < len(blocks) or part not in blocks[position]:
                raise ConfigError(
                    f"decision `{name}` must name filters, height or width of "
                    f"a block from 1 to {len(blocks)}."
                )
            blocks[position][part] = value
        elif name in names - {"blocks"}:
            fields[name] = value
        else:
            raise ConfigError(
                f"decision `{name}` must name a field of an architecture."
            )
    return dataclasses.replace(
        base, blocks=tuple(ConvBlock(**block) for block in blocks), **fields
    )


def _three_by_three(*filters: int) -> tuple[ConvBlock, ...]:
    return tuple(ConvBlock(n, 3, 3) for n in filters)


CRNN_BASELINE = Architecture(_three_by_three(8, 16, 32, 32, 64, 64, 64))
"""The network in Liu and Zhang's figure, with as many filters as `WEI2018`."""

WEI2018 = Architecture(
    _three_by_three(8, 16, 32, 32, 64, 64, 64),
    recurrent="gated_bgru",
    input_norm=True,
)
"""The CRNN of Wei et al., DCASE workshop 2018 (arXiv 1808.03883)."""
