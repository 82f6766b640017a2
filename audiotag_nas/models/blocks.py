"""The parts of the networks: tensor in, tensor out, layers named.

Shapes: spectrograms (batch, frames, mels, channels), sequences (batch,
frames, features).
"""

import keras
from keras import layers

from audiotag_nas.architecture import ConvBlock
from audiotag_nas.models.layers import (
    AttentionPooling,
    FastDropout,
    FusedBatchNormalization,
    PairMaxPooling,
)

NORM_MOMENTUM = 0.9
"""Of the moving averages that inference uses. [own]: Keras's 0.99 forgets
its start only after some 300 steps, which is all that a short child has."""


def conv_block(inputs, block: ConvBlock, *, dropout: float, name: str):
    """Convolution, batch norm, ELU, max-pool over two mel bins, dropout.

    Pooling stops when one mel bin is left, so that any number of mels fits.
    It stands before the ELU: the ELU is increasing, so it commutes with the
    maximum, and half the exponentials are enough.
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


def recurrent_block(inputs, kind: str, *, units: int, use_cudnn="auto"):
    """The recurrent layer, (batch, frames, 2 units).

    `bgru` is the paper's figure. `gated_bgru` (Wei et al. 2018) multiplies
    two parallel ones, of a linear and of a sigmoid candidate activation.
    """
    if kind == "bgru":
        return _bgru(inputs, units, use_cudnn=use_cudnn, name="bgru")
    branches = [
        _bgru(
            inputs,
            units,
            activation=activation,
            # As Keras 2 had it when the network was published.
            reset_after=False,
            use_cudnn=use_cudnn,
            name=f"bgru_{activation}",
        )
        for activation in ("linear", "sigmoid")
    ]
    return layers.Multiply(name="bgru_gated")(branches)


def _bgru(inputs, units: int, *, name: str, **options):
    gru = layers.GRU(units, return_sequences=True, **options)
    return layers.Bidirectional(gru, name=name)(inputs)


def attention_localization(inputs, num_tags: int) -> dict:
    """The two branches and the scores of clip and frames (ATT-LOC).

    Returns:
        `clip_scores` (batch, tags) and `frame_scores` (batch, frames, tags),
        float32 in [0, 1]; the frame scores are the localization.
    """
    localization = layers.Dense(
        num_tags, activation="sigmoid", dtype="float32", name="localization"
    )(inputs)
    attention = layers.Dense(
        num_tags, activation="softmax", dtype="float32", name="attention"
    )(inputs)
    clip_scores = AttentionPooling(name="clip_scores")(localization, attention)
    return {"clip_scores": clip_scores, "frame_scores": localization}


def spectrogram_input(num_frames: int | None, num_mels: int):
    """The input (batch, frames, mels); `num_frames` None takes any length."""
    return keras.Input((num_frames, num_mels), name="log_mel")
