"""Builds the parts of the networks as functions of Keras tensors.

Spectrograms have the shape (batch, frames, mels, channels), and sequences have
the shape (batch, frames, features).
"""

from typing import Any

import keras
from keras import KerasTensor, layers

from audiotag_nas.architecture import ConvBlock
from audiotag_nas.models.layers import (
    AttentionPooling,
    FastDropout,
    FusedBatchNormalization,
    PairMaxPooling,
)

NORM_MOMENTUM = 0.9
"""Momentum of the batch norms' moving averages (this project's own choice).
With Keras's 0.99, the averages depend on their initial values for 300 steps,
but short trials end earlier.
"""


def conv_block(
    inputs: KerasTensor, block: ConvBlock, *, dropout: float, name: str
) -> KerasTensor:
    """Applies convolution, batch norm, max-pool over mel pairs, ELU, dropout.

    A single mel bin is not pooled, so that any number of mels is possible.
    Pooling comes before the ELU, which then computes half as many exponentials.
    The result is the same in both orders, because the ELU is increasing.
    """
    x = layers.Conv2D(
        block.filters,
        (block.height, block.width),
        padding="same",
        name=f"{name}_conv",
    )(inputs)
    x = FusedBatchNormalization(momentum=NORM_MOMENTUM, name=f"{name}_norm")(x)
    if x.shape[2] >= 2:
        x = PairMaxPooling(name=f"{name}_pool")(x)
    x = layers.Activation("elu", name=f"{name}_elu")(x)
    return FastDropout(dropout, name=f"{name}_dropout")(x)


def recurrent_block(
    inputs: KerasTensor,
    kind: str,
    *,
    units: int,
    use_cudnn: bool | str = "auto",
) -> KerasTensor:
    """Applies the recurrent part, which returns (batch, frames, 2 * units).

    `kind` is a value of `Architecture.recurrent`.
    """
    if kind == "bgru":
        return bgru(
            inputs, units, reset_after=True, use_cudnn=use_cudnn, name="bgru"
        )
    branches = [
        bgru(
            inputs,
            units,
            activation=activation,
            reset_after=False,
            use_cudnn=use_cudnn,
            name=f"bgru_{activation}",
        )
        for activation in ("linear", "sigmoid")
    ]
    return layers.Multiply(name="bgru_gated")(branches)


def bgru(
    inputs: KerasTensor,
    units: int,
    *,
    name: str,
    reset_after: bool,
    **options: Any,
) -> KerasTensor:
    """Applies a bidirectional GRU, which returns (batch, frames, 2 * units).

    `reset_after` is False in networks that were published with Keras 2, because
    False was the default of Keras 2.
    """
    gru = layers.GRU(
        units, return_sequences=True, reset_after=reset_after, **options
    )
    return layers.Bidirectional(gru, name=name)(inputs)


def attention_localization(
    inputs: KerasTensor, num_tags: int
) -> dict[str, KerasTensor]:
    """Applies the attention and localization branches (ATT-LOC).

    Returns:
        A dictionary of `clip_scores` (batch, tags) and `frame_scores` (batch,
        frames, tags), float32 in [0, 1]. The frame scores are the localization.
    """
    localization = layers.Dense(
        num_tags, activation="sigmoid", dtype="float32", name="localization"
    )(inputs)
    attention = layers.Dense(
        num_tags, activation="softmax", dtype="float32", name="attention"
    )(inputs)
    clip_scores = AttentionPooling(name="clip_scores")(localization, attention)
    return {"clip_scores": clip_scores, "frame_scores": localization}


def spectrogram_input(num_frames: int | None, num_mels: int) -> KerasTensor:
    """Returns the input (batch, frames, mels) of a network.

    If `num_frames` is None, any number of frames is possible.
    """
    return keras.Input((num_frames, num_mels), name="log_mel")
