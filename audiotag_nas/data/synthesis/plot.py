"""Draws example log-mel spectrograms of each tag."""

import io
import os
from pathlib import Path

import numpy as np
import soxr

from audiotag_nas.config import CHIME_HOME_TAGS, FeatureConfig
from audiotag_nas.data.log_mel import log_mel
from audiotag_nas.data.synthesis import dsp, rooms, scenes
from audiotag_nas.files import atomic_write_bytes

_TITLES = {
    "c": "c  child speech",
    "m": "m  adult male speech",
    "f": "f  adult female speech",
    "v": "v  video game or TV",
    "p": "p  percussive sound",
    "b": "b  broadband noise",
    "o": "o  other identifiable sound",
}
_LEVEL_DB = 15.0
_NUM_EXAMPLES = 4


def write_tag_picture(path: str | os.PathLike, *, seed: int) -> None:
    """Writes a picture with one row of examples per tag.

    Each example has only the tag of its row, 15 dB over the background. The
    examples of a row are from different segments of the development split. The
    suffix of `path` sets the file format.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(
        len(_TITLES),
        _NUM_EXAMPLES,
        figsize=(10, 11),
        sharex=True,
        sharey=True,
        layout="constrained",
    )
    for row, (tag, title) in zip(axes, _TITLES.items(), strict=True):
        for column, axis in enumerate(row):
            spectrogram = _example_log_mel(tag, column, seed=seed)
            axis.imshow(
                spectrogram.T,
                origin="lower",
                aspect="auto",
                extent=(0, dsp.CLIP_SECONDS, 0, spectrogram.shape[1]),
                vmin=-11,
                vmax=-2,
                cmap="magma",
            )
        row[0].set_title(title, loc="left")
        row[0].set_ylabel("mel bin")
    for axis in axes[-1]:
        axis.set_xlabel("seconds")
    buffer = io.BytesIO()
    figure.savefig(buffer, format=Path(path).suffix[1:] or "png", dpi=70)
    plt.close(figure)
    atomic_write_bytes(path, buffer.getvalue())


def _example_log_mel(tag: str, segment: int, *, seed: int) -> np.ndarray:
    """Returns the log-mels (124, 128) of a clip with `tag` in `segment`."""
    household = scenes.draw_household(seed, "development", segment)
    rng = np.random.default_rng([seed, 3, segment, CHIME_HOME_TAGS.index(tag)])
    level_db = household.room.background_db + _LEVEL_DB
    track = scenes.render_track(household, tag, rng)
    sound = rooms.PlacedSound(
        track * np.float32(10 ** (level_db / 20)), *household.places[tag]
    )
    scene = rooms.reverberate(household.room, [sound])
    scene = scene + rooms.background(household.room, rng)
    mono = soxr.resample(
        scene.mean(axis=0), dsp.SAMPLE_RATE_HZ, dsp.LOW_RATE_HZ
    )
    return log_mel(mono, FeatureConfig())
