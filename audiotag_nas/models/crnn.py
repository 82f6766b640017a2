"""Builds the Keras network that an `Architecture` describes.

All networks of this package take float32 log-mels (batch, frames, mels) and
return a dictionary of float32 scores in [0, 1]: `clip_scores` (batch, tags)
and `frame_scores` (batch, frames, tags).
"""

import keras
from keras import layers

from audiotag_nas.architecture import Architecture
from audiotag_nas.errors import ConfigError
from audiotag_nas.models import blocks
from audiotag_nas.models.layers import FastDropout


def build_crnn(
    architecture: Architecture,
    *,
    num_mels: int,
    num_tags: int,
    num_frames: int | None = None,
    name: str | None = None,
    use_cudnn: bool | str = "auto",
) -> keras.Model:
    """Returns the network that `architecture` describes, with initial weights.

    >>> import numpy as np
    >>> from audiotag_nas import Architecture, ConvBlock
    >>> from audiotag_nas.models import build_crnn
    >>> network = build_crnn(
    ...     Architecture((ConvBlock(4, 3, 3),), recurrent_units=5),
    ...     num_mels=16,
    ...     num_tags=3,
    ... )
    >>> scores = network(np.zeros((2, 50, 16), "float32"))
    >>> tuple(scores["clip_scores"].shape), tuple(scores["frame_scores"].shape)
    ((2, 3), (2, 50, 3))

    To train the network, compile a loss for the clip scores only, and pass the
    labels (batch, tags) under the name `clip_scores`:

        network.compile("adam", loss={"clip_scores": "binary_crossentropy"})
        dataset = dataset.map(lambda x, y: (x, {"clip_scores": y}))

    The seed of `keras.utils.set_random_seed` determines weights and dropout.

    Args:
        architecture: the description of the network.
        num_mels: number of mel bins of the input.
        num_tags: number of tags of the output.
        num_frames: number of frames of the input; None allows any number.
        name: name of the Keras model; None means `crnn_<architecture id>`.
        use_cudnn: the option `use_cudnn` of Keras's GRU. False excludes cuDNN
            operations, which only a GPU can run.

    Raises:
        ConfigError: a size is not positive, or the architecture has
            `input_norm` and `num_frames` is None.
    """
    for field, value in (("num_mels", num_mels), ("num_tags", num_tags)):
        if value < 1:
            raise ConfigError(f"`{field}` must be positive. Received: {value}")
    if num_frames is not None and num_frames < 1:
        raise ConfigError(
            f"`num_frames` must be positive or None. Received: {num_frames}"
        )
    if architecture.input_norm and num_frames is None:
        raise ConfigError(
            "`num_frames` must be given if the architecture has "
            "`input_norm`, which learns one scale per frame. Received: None"
        )
    inputs = blocks.spectrogram_input(num_frames, num_mels)
    x = inputs
    if architecture.input_norm:
        x = layers.BatchNormalization(
            axis=1, momentum=blocks.NORM_MOMENTUM, name="input_norm"
        )(x)
    x = layers.Reshape((-1, num_mels, 1), name="add_channel")(x)
    for index, block in enumerate(architecture.blocks, 1):
        x = blocks.conv_block(
            x, block, dropout=architecture.dropout, name=f"block{index}"
        )
    # The mel bins that remain after pooling (usually one) become features.
    x = layers.Reshape((-1, x.shape[2] * x.shape[3]), name="to_sequence")(x)
    x = blocks.recurrent_block(
        x,
        architecture.recurrent,
        units=architecture.recurrent_units,
        use_cudnn=use_cudnn,
    )
    x = FastDropout(architecture.dropout, name="recurrent_dropout")(x)
    outputs = blocks.attention_localization(x, num_tags)
    name = f"crnn_{architecture.architecture_id}" if name is None else name
    return keras.Model(inputs, outputs, name=name)
