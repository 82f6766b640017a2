"""Architecture -> keras.Model: the CRNN ATT-LOC of the paper's figure.

Liu and Zhang, IJCNN 2020: convolution blocks that halve the mel bins and
keep the frames, a bidirectional GRU, an attention and a localization branch.

Every model of this package takes float32 log-mels (batch, frames, mels) and
gives a dict of float32 scores in [0, 1]: `clip_scores` (batch, tags) and
`frame_scores` (batch, frames, tags).
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
    """The network that `architecture` describes, freshly initialized.

    To train it, compile a loss on the clip scores alone and give labels
    (batch, tags) under the same name:

        model.compile("adam", loss={"clip_scores": "binary_crossentropy"})
        dataset = dataset.map(lambda x, y: (x, {"clip_scores": y}))

    Seeds: weights and dropout draw from `keras.utils.set_random_seed`.

    Args:
        architecture: the blocks, recurrent layer and dropout.
        num_mels: mel bins of the input.
        num_tags: outputs.
        num_frames: frames of the input; None takes any number.
        name: of the model; `crnn_<architecture id>` if None.
        use_cudnn: Keras's GRU option; False keeps cuDNN operations, which
            run on a GPU only, out of every graph of this model.

    Raises:
        ConfigError: a size is not positive, or the architecture normalizes
            its input a frame at a time and `num_frames` is None.
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
            "`num_frames` must be given where the architecture has "
            "`input_norm`, which learns one scale a frame. Received: None"
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
    # Mel bins that pooling left become features; mostly there is one.
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
