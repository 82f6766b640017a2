"""A trained network becomes a SavedModel that takes the waveform.

    waveform float32 (batch, samples), any length
        -> LogMel -> network -> clip_scores (batch, tags)
                                frame_scores (batch, frames, tags)

Endpoints: `serve` (the default signature) and `log_mel`, which gives what the
network sees. The model is loaded again and compared with the live one before
its directory appears, and holds only operations that a CPU can run.
"""

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from tensorflow.core.framework import graph_pb2
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.framework import kernels

import audiotag_nas
from audiotag_nas.architecture import Architecture
from audiotag_nas.config import FeatureConfig
from audiotag_nas.data.log_mel_layer import LogMel
from audiotag_nas.data.storage import RemotePath, as_path, new_directory
from audiotag_nas.data.tfrecord_writer import store_errors
from audiotag_nas.errors import ConfigError
from audiotag_nas.files import plain_path
from audiotag_nas.models import save_model
from audiotag_nas.serving import model_manifest as manifests
from audiotag_nas.serving.saved_model import open_saved_model

TOLERANCE = 1e-4
"""How far a score of the reloaded model may be from the live model's."""


class ExportError(Exception):
    """What was written is not what was meant: a defect, not a user's error."""


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
    """Writes `model` with its front end; replaces a model at `export_dir`.

    Args:
        model: log-mels (batch, any frames, mels) to `clip_scores` and
            `frame_scores`, as `audiotag_nas.models` builds them.
        export_dir: appears whole or not at all; may be remote (`storage`).
        features: the front end that the network was trained with.
        tags: the network's outputs, in order.
        thresholds: by tag or in the tags' order, each in [0, 1]; where it is
            not a number (a tag without examples to choose it from), 0.5.
        metrics: named numbers to keep with it; NaN for undefined ones.
        clip_seconds: the length that the network was trained on; long files
            are tagged in windows of it.
        pads_short_clips: it was trained on shorter clips too, filled up with
            zeros; shorter files are then tagged so.
        architecture: to keep with it.

    Raises:
        ConfigError: the network takes one number of frames only, or its sizes
            are not those of `features` and `tags`.
        ExportError: the written model differs from the live one, or holds an
            operation that a CPU can't run.
        StoreError: `export_dir` can't be written, or a local one has other
            files than an exported model's.
    """
    place = as_path(export_dir)
    manifests.check_replaceable(place)
    tags = tuple(tags)
    _check_sizes(model, features, tags)
    manifest = manifests.Manifest(
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
    with new_directory(place, last=manifests.FILE_NAME) as directory:
        portable = portable_copy(model)
        _write_saved_model(portable, features, directory)
        save_model(portable, directory / manifests.KERAS_FILE_NAME)
        check_operations(directory)
        _check_equal(model, directory, features, clip_seconds)
        manifests.write_manifest(directory, manifest)


def portable_copy(model: keras.Model) -> keras.Model:
    """The same network with plain variables and no cuDNN operation.

    Traced where a GPU is, Keras's GRU becomes a cuDNN operation that no CPU
    can run; and the variables of a strategy belong to its devices.
    """
    copy = keras.models.clone_model(model)
    for layer in copy.layers:
        if isinstance(layer, keras.layers.Bidirectional):
            layer.forward_layer.use_cudnn = False
            layer.backward_layer.use_cudnn = False
        elif isinstance(layer, keras.layers.GRU | keras.layers.LSTM):
            layer.use_cudnn = False
    copy.set_weights(model.get_weights())
    return copy


def check_operations(export_dir: Path) -> None:
    """Checks that a CPU can run every operation of a SavedModel.

    Raises:
        ExportError: naming the first that it can't.
    """
    saved_model = saved_model_pb2.SavedModel()
    path = export_dir / manifests.SAVED_MODEL_FILE_NAME
    saved_model.ParseFromString(path.read_bytes())
    for meta_graph in saved_model.meta_graphs:
        graph = meta_graph.graph_def
        functions = {f.signature.name for f in graph.library.function}
        operations = {
            node.op
            for node in _all_nodes(graph)
            # A node that is pinned to a GPU would need one as well.
            if "GPU" not in node.device
        }
        pinned = {n.op for n in _all_nodes(graph)} - operations
        for operation in sorted(operations - functions | pinned):
            devices = {
                kernel.device_type
                for kernel in kernels.get_registered_kernels_for_op(
                    operation
                ).kernel
            }
            if not devices & {"CPU", "DEFAULT"} or operation in pinned:
                raise ExportError(
                    f"the exported model holds {operation!r}, which a CPU "
                    "can't run."
                )


def _all_nodes(graph: graph_pb2.GraphDef) -> Iterator:
    yield from graph.node
    for function in graph.library.function:
        yield from function.node_def


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
    """Compares the SavedModel with the live model on made-up waveforms."""
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
                    f"{name} of the exported model differ from the live "
                    f"model's by {difference:.2g} for waveforms of shape "
                    f"{shape}; at most {TOLERANCE} is allowed."
                )


def _check_sizes(
    model: keras.Model, features: FeatureConfig, tags: tuple[str, ...]
) -> None:
    _, num_frames, num_mels = model.input_shape
    if num_frames is not None:
        raise ConfigError(
            "an exported model takes any length, but this network takes "
            f"{num_frames} frames only; build it with num_frames=None and an "
            "architecture without `input_norm`."
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
    """One a tag, in the tags' order."""
    if isinstance(thresholds, Mapping):
        if set(thresholds) != set(tags):
            raise ConfigError(
                f"`thresholds` must be one a tag. Received: {dict(thresholds)}"
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
