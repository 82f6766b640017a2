"""Exports a trained network as a SavedModel that takes waveforms.

    waveform float32 (batch, samples), any length
        -> LogMel -> network -> clip_scores (batch, tags)
                                frame_scores (batch, frames, tags)

The endpoints are `serve`, which is the default signature, and `log_mel`, which
returns the network's input. The written model is checked before its directory
gets the final name: the scores must equal those of the network in memory, and a
CPU must be able to run all operations.
"""

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import audiotag_nas
from audiotag_nas.architecture import Architecture
from audiotag_nas.config import FeatureConfig
from audiotag_nas.data.log_mel_layer import LogMel
from audiotag_nas.data.storage import RemotePath, as_path, new_directory
from audiotag_nas.data.tfrecord_writer import store_errors
from audiotag_nas.errors import ConfigError
from audiotag_nas.files import plain_path
from audiotag_nas.models import save_model
from audiotag_nas.serving import model_directory
from audiotag_nas.serving.model_manifest import Manifest
from audiotag_nas.serving.portable import operations_without_cpu, portable_copy
from audiotag_nas.serving.saved_model import open_saved_model

TOLERANCE = 1e-4
"""Largest allowed difference between scores before and after the export."""


class ExportError(Exception):
    """The written model is wrong because of a defect, not a user's error."""


def export_model(
    model: keras.Model,
    export_dir: str | os.PathLike | RemotePath,
    *,
    features: FeatureConfig,
    tags: Sequence[str],
    thresholds: Mapping[str, float] | Sequence[float] | np.ndarray,
    metrics: Mapping[str, float],
    clip_seconds: float,
    pads_short_clips: bool = False,
    architecture: Architecture | None = None,
) -> None:
    """Writes `model` and its front end, replacing any model at `export_dir`.

    Args:
        model: a network that `audiotag_nas.models` built, for log-mels with
            any number of frames.
        export_dir: directory of the exported model, which is written completely
            or not at all. It may be remote (`storage`).
        features: the front end with which the network was trained.
        tags: names of the network's outputs, in order.
        thresholds: the threshold of each tag in [0, 1], as a mapping or in the
            order of `tags`. NaN (a tag without examples) becomes 0.5.
        metrics: named numbers for the manifest; NaN if undefined.
        clip_seconds: length of the training clips. Longer files are tagged in
            windows of this length.
        pads_short_clips: whether some training clips were shorter and were
            padded with zeros. If so, shorter files are also padded.
        architecture: the network's architecture, for the manifest.

    Raises:
        ConfigError: the network has a fixed number of frames, or its sizes
            differ from `features` and `tags`.
        ExportError: the written model gives different scores from `model`, or
            has an operation that a CPU can't run.
        StoreError: `export_dir` can't be written, or is a local directory that
            has other files and is no exported model.
    """
    place = as_path(export_dir)
    model_directory.check_replaceable(place)
    tags = tuple(tags)
    _check_sizes(model, features, tags)
    manifest = Manifest(
        tags=tags,
        thresholds=_thresholds(thresholds, tags),
        features=features,
        clip_seconds=clip_seconds,
        pads_short_clips=pads_short_clips,
        metrics={
            name: float(value) if math.isfinite(value) else None
            for name, value in metrics.items()
        },
        architecture=architecture,
        num_parameters=model.count_params(),
        versions={
            "audiotag_nas": audiotag_nas.__version__,
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
            "numpy": np.__version__,
        },
    )
    with new_directory(place, last=model_directory.FILE_NAME) as directory:
        portable = portable_copy(model)
        _write_saved_model(portable, features, directory)
        save_model(portable, directory / model_directory.KERAS_FILE_NAME)
        check_operations(directory)
        _check_equal(model, directory, features, clip_seconds)
        model_directory.write_manifest(directory, manifest)


def check_operations(directory: Path) -> None:
    """Raises ExportError if a SavedModel has an operation that needs a GPU."""
    path = directory / model_directory.SAVED_MODEL_FILE_NAME
    for operation in operations_without_cpu(path):
        raise ExportError(
            f"the exported model has the operation {operation!r}, which a CPU "
            "can't run."
        )


def _write_saved_model(
    network: keras.Model, features: FeatureConfig, directory: Path
) -> None:
    front_end = LogMel(features)
    archive = keras.export.ExportArchive()
    front_end.build((None, None))
    archive.track(front_end)
    archive.track(network)
    signature = [tf.TensorSpec((None, None), tf.float32, name="waveform")]

    def serve(waveform: tf.Tensor) -> dict[str, tf.Tensor]:
        return network(front_end(waveform), training=False)

    def log_mel(waveform: tf.Tensor) -> tf.Tensor:
        return front_end(waveform)

    archive.add_endpoint("serve", serve, input_signature=signature)
    archive.add_endpoint("log_mel", log_mel, input_signature=signature)
    with store_errors(directory), plain_path(directory) as path:
        archive.write_out(path, verbose=False)


def _check_equal(
    model: keras.Model,
    directory: Path,
    features: FeatureConfig,
    clip_seconds: float,
) -> None:
    """Compares the SavedModel with `model` on random waveforms."""
    reloaded = open_saved_model(directory)
    front_end = LogMel(features)
    rng = np.random.default_rng(0)
    clip = max(
        round(clip_seconds * features.sample_rate_hz), features.frame_length
    )
    shapes = [(1, features.frame_length), (1, clip), (3, clip + clip // 3 + 1)]
    for level, shape in zip((1e-3, 1e-2, 0.3), shapes, strict=True):
        waveform = (level * rng.standard_normal(shape)).astype(np.float32)
        live = model(front_end(waveform), training=False)
        written = reloaded.serve(waveform)
        for name, scores in live.items():
            difference = np.abs(scores - written[name]).max()
            if not difference <= TOLERANCE:
                raise ExportError(
                    f"{name} of the exported model and of the network differ "
                    f"by {difference:.2g} for waveforms of shape {shape}. "
                    f"A difference of {TOLERANCE} is allowed."
                )


def _check_sizes(
    model: keras.Model, features: FeatureConfig, tags: tuple[str, ...]
) -> None:
    _, num_frames, num_mels = model.input_shape
    if num_frames is not None:
        raise ConfigError(
            "an exported network must take any number of frames. Build the "
            "network with num_frames=None, without `input_norm`. "
            f"Received: {num_frames} frames"
        )
    if num_mels != features.num_mels:
        raise ConfigError(
            f"`features.num_mels` must be the network's {num_mels}. "
            f"Received: {features.num_mels}"
        )
    num_tags = model.output["clip_scores"].shape[-1]
    if len(tags) != num_tags or len(set(tags)) != num_tags:
        raise ConfigError(
            f"`tags` must be {num_tags} different names. Received: {tags}"
        )


def _thresholds(
    thresholds: Mapping[str, float] | Sequence[float] | np.ndarray,
    tags: tuple[str, ...],
) -> tuple[float, ...]:
    """Returns one threshold per tag, in the order of the tags."""
    if isinstance(thresholds, Mapping):
        if set(thresholds) != set(tags):
            raise ConfigError(
                "`thresholds` must have one number per tag. "
                f"Received: {dict(thresholds)}"
            )
        thresholds = [thresholds[tag] for tag in tags]
    values = tuple(
        0.5 if math.isnan(threshold) else float(threshold)
        for threshold in thresholds
    )
    if len(values) != len(tags) or not all(0 <= v <= 1 for v in values):
        raise ConfigError(
            f"`thresholds` must be {len(tags)} numbers in [0, 1]. "
            f"Received: {values}"
        )
    return values
