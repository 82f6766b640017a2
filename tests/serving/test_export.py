"""Exported models against live networks, and refused models."""

import json
import os
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from audiotag_nas.data import log_mel as numpy_features
from audiotag_nas.errors import ConfigError, StoreError
from audiotag_nas.models import build_crnn, load_model
from audiotag_nas.serving import export, portable
from audiotag_nas.serving.model_directory import read_manifest
from audiotag_nas.serving.saved_model import open_saved_model
from audiotag_nas.serving.tagger import Tagger
from tests.full_disk import room_for
from tests.serving.conftest import CLIP_SECONDS, TAGS


def waveforms(*shape: int) -> np.ndarray:
    noise = np.random.default_rng(7).standard_normal(shape)
    return (0.1 * noise).astype("float32")


@pytest.fixture(scope="module")
def saved_model(exported):
    return tf.saved_model.load(str(exported.directory))


@pytest.mark.parametrize("shape", [(1, 256), (2, 4000), (3, 9001)])
def test_waveforms_of_any_length_score_as_numpy_features_and_live_network(
    exported, saved_model, shape
):
    x = waveforms(*shape)
    log_mels = np.stack(
        [numpy_features.log_mel(row, exported.features) for row in x]
    )
    live = exported.model(log_mels, training=False)
    written = saved_model.signatures["serving_default"](tf.constant(x))
    assert set(written) == {"clip_scores", "frame_scores"}
    for name, scores in live.items():
        np.testing.assert_allclose(written[name], scores, atol=1e-5)
    np.testing.assert_allclose(saved_model.log_mel(x), log_mels, atol=1e-4)


def test_a_clip_scores_the_same_alone_and_in_a_batch(saved_model):
    x = waveforms(3, 4000)
    x[1] *= 30
    together = saved_model.serve(x)["clip_scores"].numpy()
    for row, scores in zip(x, together, strict=True):
        alone = saved_model.serve(row[None])["clip_scores"].numpy()[0]
        np.testing.assert_allclose(alone, scores, atol=1e-6)


def test_the_graph_holds_no_operation_of_a_gpu_library(exported):
    graph = saved_model_pb2.SavedModel()
    graph.ParseFromString((exported.directory / "saved_model.pb").read_bytes())
    operations = {
        node.op
        for meta_graph in graph.meta_graphs
        for function in meta_graph.graph_def.library.function
        for node in function.node_def
    }
    # The front end and the network are there ...
    assert {"RFFT", "Conv2D", "MatMul"} <= operations
    # ... and neither cuDNN nor Python.
    assert not [op for op in operations if "udnn" in op or "PyFunc" in op]


def test_the_keras_file_beside_it_is_the_network(exported):
    network = keras.models.load_model(exported.directory / "model.keras")
    x = np.random.default_rng(1).standard_normal((2, 17, 13)).astype("float32")
    for name, scores in exported.model(x).items():
        np.testing.assert_allclose(network(x)[name], scores, atol=1e-6)


def test_the_manifest_carries_what_belongs_to_the_model(exported):
    manifest = read_manifest(exported.directory)
    assert manifest.tags == TAGS
    assert manifest.thresholds == (0.4, 0.5, 0.5)
    assert manifest.features == exported.features
    assert manifest.architecture == exported.architecture
    assert manifest.metrics == {"evaluation_mean_eer": 0.125, "undefined": None}
    value = json.loads((exported.directory / "manifest.json").read_text())
    assert value["frame_step_seconds"] == 100 / 8000
    assert set(value["files"]) == {
        path.relative_to(exported.directory).as_posix()
        for path in exported.directory.rglob("*")
        if path.is_file() and path.name != "manifest.json"
    }


@pytest.mark.parametrize(
    "files", [("thesis.tex",), ("manifest.json",), ("thesis.tex", "export/x")]
)
def test_other_files_are_not_overwritten(exported, tmp_path, files):
    for name in files:
        path = tmp_path / "models" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("years of work")
    with pytest.raises(StoreError, match="must be a new or empty directory"):
        export_again(exported, tmp_path / "models")
    for name in files:
        assert (tmp_path / "models" / name).read_text() == "years of work"


def test_a_file_is_not_overwritten_but_a_model_is(exported, tmp_path):
    (tmp_path / "file").write_text("years of work")
    with pytest.raises(StoreError, match="must be a new or empty directory"):
        export_again(exported, tmp_path / "file")
    directory = tmp_path / "model"
    directory.mkdir()
    export_again(exported, directory)
    before = read_manifest(directory)
    assert before.metrics == {}
    export_again(exported, directory, metrics={"mean_eer": 0.25})
    assert read_manifest(directory).metrics == {"mean_eer": 0.25}


def export_again(exported, directory, model=None, **changes) -> None:
    arguments = {
        "features": exported.features,
        "tags": TAGS,
        "thresholds": [0.5, 0.5, 0.5],
        "metrics": {},
        "clip_seconds": CLIP_SECONDS,
    }
    model = exported.model if model is None else model
    export.export_model(model, directory, **(arguments | changes))


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"tags": ("a", "b")}, "`tags` must be 3 different names"),
        ({"tags": ("a", "b", "a")}, "`tags` must be 3 different names"),
        ({"thresholds": [0.5, 0.5]}, "`thresholds` must be 3 numbers"),
        ({"thresholds": [0.5, 0.5, 1.5]}, "`thresholds` must be 3 numbers"),
        (
            {"thresholds": {"speech": 0.5}},
            "`thresholds` must have one number per",
        ),
    ],
)
def test_arguments_that_do_not_match_the_network_are_refused(
    exported, tmp_path, changes, rule
):
    with pytest.raises(ConfigError, match=rule):
        export_again(exported, tmp_path / "export", **changes)
    assert not (tmp_path / "export").exists()


def test_a_network_with_a_fixed_number_of_frames_is_refused(exported, tmp_path):
    model = build_crnn(
        exported.architecture, num_frames=38, num_mels=13, num_tags=3
    )
    with pytest.raises(ConfigError, match="Received: 38 frames"):
        export_again(exported, tmp_path / "export", model)


def test_a_network_with_nan_scores_is_not_written(exported, tmp_path):
    model = portable.portable_copy(exported.model)
    model.get_layer("localization").bias.assign([0.0, float("nan"), 0.0])
    with pytest.raises(
        export.ExportError, match="exported model and of the network differ"
    ):
        export_again(exported, tmp_path / "export", model)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("largest", ["variables", "saved_model.pb"])
def test_a_full_disk_is_reported_and_leaves_the_old_model(
    exported, tmp_path, largest
):
    directory = tmp_path / "export"
    shutil.copytree(exported.directory, directory)
    before = read_manifest(directory)
    path = directory / largest
    if path.is_dir():
        path = path / "variables.data-00000-of-00001"
    with (
        room_for(path.stat().st_size - 100),
        pytest.raises(
            StoreError,
            match=rf"^{directory}\S*: can't be written "
            r"\(File too large\)\. The same command continues",
        ),
    ):
        export_again(exported, directory)
    assert [p.name for p in tmp_path.iterdir()] == ["export"]
    assert read_manifest(directory) == before


def test_a_model_is_written_to_and_read_from_a_directory_of_any_name(
    exported, saved_model, tmp_path
):
    directory = tmp_path / os.fsdecode(b"-\xff [1-2] *?{}\\ %s\n'\"")
    export_again(exported, directory)
    x = waveforms(2, 3000)
    expected = saved_model.serve(x)
    assert Tagger.load(directory).tags == TAGS
    reloaded = open_saved_model(directory)
    written = reloaded.serve(x)
    for name, scores in expected.items():
        np.testing.assert_allclose(written[name], scores, atol=1e-6)
    model = load_model(directory / "model.keras")
    assert model.count_params() == exported.model.count_params()


@pytest.mark.parametrize("name", [b"exp[1]", b"a\\b", b"\xff"])
def test_a_copy_under_a_special_name_is_read(exported, tmp_path, name):
    directory = tmp_path / os.fsdecode(name)
    shutil.copytree(exported.directory, directory)
    assert Tagger.load(directory).tags == TAGS
