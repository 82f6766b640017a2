"""Builds the reference networks with the inputs and outputs of their papers.

`audiotag_nas.architecture` describes `crnn_baseline` and `wei2018`. No
`Architecture` can describe `xu2017`, so this network is described here.
`wei2018` and `xu2017` have an eighth output for silence.
"""

import keras
from keras import layers

from audiotag_nas.architecture import CRNN_BASELINE, WEI2018
from audiotag_nas.errors import ConfigError
from audiotag_nas.models import blocks
from audiotag_nas.models.crnn import build_crnn
from audiotag_nas.models.layers import AttentionPooling


def build_named(name: str) -> keras.Model:
    """Returns one of `NAMES` with initial weights.

    Raises:
        ConfigError: no network has this name.
    """
    if name not in _BUILDERS:
        raise ConfigError(
            f"the name of a network must be one of {list(_BUILDERS)}. "
            f"Received: {name!r}"
        )
    return _BUILDERS[name]()


def _build_crnn_baseline() -> keras.Model:
    """Builds a network for log-mels (any frames, 128) and 7 tags."""
    return build_crnn(
        CRNN_BASELINE, num_mels=128, num_tags=7, name="crnn_baseline"
    )


def _build_wei2018() -> keras.Model:
    """Builds a network of 210,240 parameters for log-mels (124, 128)."""
    return build_crnn(
        WEI2018, num_frames=124, num_mels=128, num_tags=8, name="wei2018"
    )


def _build_xu2017() -> keras.Model:
    """Builds a network of 926,373 parameters for log-mels (249, 40).

    The network is described by Xu et al., Interspeech 2017 (arXiv 1703.06052).
    """
    inputs = blocks.spectrogram_input(249, 40)
    x = layers.Reshape((-1, 40, 1), name="add_channel")(inputs)
    # A filter spans 30 of 40 mel bins. Pooling keeps one of its 11 positions.
    x = layers.Conv2D(128, (1, 30), activation="relu", name="conv")(x)
    x = layers.MaxPooling2D((1, 11), name="pool")(x)
    features = layers.Reshape((-1, 128), name="to_sequence")(x)

    x = features
    for index in (1, 2, 3):
        x = blocks.bgru(x, 128, reset_after=False, name=f"bgru{index}")
    gate = layers.Dense(1, activation="sigmoid", name="gate")(features)
    x = layers.Multiply(name="gated")([x, gate])
    x = layers.Dense(500, activation="relu", name="hidden")(x)
    x = layers.Dropout(0.2, name="hidden_dropout")(x)

    localization = layers.Dense(8, activation="sigmoid", name="localization")(x)
    attention = layers.Dense(8, activation="softmax", name="attention")(
        features
    )
    clip_scores = AttentionPooling(
        floor=1e-9, floor_numerator=False, name="clip_scores"
    )(localization, attention)
    outputs = {"clip_scores": clip_scores, "frame_scores": localization}
    return keras.Model(inputs, outputs, name="xu2017")


_BUILDERS = {
    "crnn_baseline": _build_crnn_baseline,
    "wei2018": _build_wei2018,
    "xu2017": _build_xu2017,
}
NAMES = tuple(_BUILDERS)
