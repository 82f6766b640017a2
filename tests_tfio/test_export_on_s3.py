"""A model exported to s3:// gives the scores of a local one."""

import json
import shutil

import numpy as np
import pytest
import soundfile

from audiotag_nas.errors import StoreError
from audiotag_nas.serving.export import export_model
from audiotag_nas.serving.tagger import Tagger
from tests.serving.conftest import CLIP_SECONDS, TAGS, exported

__all__ = ["exported"]


def export(exported, url):
    export_model(
        exported.model,
        url,
        features=exported.features,
        tags=TAGS,
        thresholds={"speech": 0.4, "music": 0.5, "knock": 0.3},
        metrics={"evaluation_mean_eer": 0.125},
        clip_seconds=CLIP_SECONDS,
        architecture=exported.architecture,
    )


def test_a_model_exported_to_s3_tags_like_a_local_one(
    exported, s3, bucket, run_tool, tmp_path
):
    url = f"s3://{bucket}/models/home"
    export(exported, url)
    listed = s3.list_objects_v2(Bucket=bucket)["Contents"]
    files = {
        path.relative_to(exported.directory).as_posix()
        for path in exported.directory.rglob("*")
        if path.is_file()
    }
    assert {item["Key"] for item in listed} == {
        f"models/home/{name}" for name in files
    }
    noise = np.random.default_rng(1).standard_normal(9001)
    remote, local = Tagger.load(url), Tagger.load(exported.directory)
    sound = (0.1 * noise).astype(np.float32)
    np.testing.assert_allclose(
        remote.score_waveform(sound, 8000).clip_scores,
        local.score_waveform(sound, 8000).clip_scores,
        atol=1e-6,
    )
    soundfile.write(tmp_path / "noise.flac", sound, 8000)
    arguments = ("--threshold=0", tmp_path / "noise.flac")
    by_command = run_tool("tag", f"--model={url}", *arguments)
    assert by_command.returncode == 0, by_command.stderr
    expected = run_tool("tag", f"--model={exported.directory}", *arguments)
    assert by_command.stdout == expected.stdout
    assert "speech" in expected.stdout


@pytest.fixture
def uploaded(exported, s3, bucket):
    """A bucket with every file of a model, uploaded by boto3."""
    for path in exported.directory.rglob("*"):
        if path.is_file():
            key = f"m/{path.relative_to(exported.directory).as_posix()}"
            s3.put_object(Bucket=bucket, Key=key, Body=path.read_bytes())
    return bucket


def test_a_changed_file_is_named_on_loading(uploaded, s3):
    key = "m/saved_model.pb"
    body = s3.get_object(Bucket=uploaded, Key=key)["Body"].read()
    s3.put_object(Bucket=uploaded, Key=key, Body=body + b"\0")
    with pytest.raises(
        StoreError, match=rf"^s3://{uploaded}/{key}: not the exported file"
    ):
        Tagger.load(f"s3://{uploaded}/m")
    s3.delete_object(Bucket=uploaded, Key=key)
    with pytest.raises(StoreError, match=rf"^s3://{uploaded}/{key}: can't be"):
        Tagger.load(f"s3://{uploaded}/m")


def test_a_model_without_a_manifest_is_refused(uploaded, s3):
    s3.delete_object(Bucket=uploaded, Key="m/manifest.json")
    with pytest.raises(StoreError, match="is not an exported model"):
        Tagger.load(f"s3://{uploaded}/m")


@pytest.mark.parametrize("name", ["../outside", "/outside", "a/../../b"])
def test_a_manifest_that_lists_files_outside_the_model_is_refused(
    uploaded, s3, exported, name
):
    manifest = json.loads((exported.directory / "manifest.json").read_text())
    manifest["files"][name] = manifest["files"]["saved_model.pb"]
    s3.put_object(
        Bucket=uploaded, Key="m/manifest.json", Body=json.dumps(manifest)
    )
    with pytest.raises(StoreError, match="inside the model's directory"):
        Tagger.load(f"s3://{uploaded}/m")


def test_a_new_export_replaces_the_old_one(exported, s3, bucket, tmp_path):
    old = tmp_path / "old"
    shutil.copytree(exported.directory, old)
    s3.put_object(Bucket=bucket, Key="m/manifest.json", Body=b"{old")
    with pytest.raises(StoreError, match="damaged"):
        Tagger.load(f"s3://{bucket}/m")
    export(exported, f"s3://{bucket}/m")
    assert Tagger.load(f"s3://{bucket}/m").thresholds == (0.4, 0.5, 0.3)


def test_an_unreachable_server_is_one_line(run_tool):
    done = run_tool(
        "tag",
        "--model=s3://bucket/m",
        "any.wav",
        S3_ENDPOINT="http://127.0.0.1:9",
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: s3://bucket/m/manifest.json: ")
    assert "curlCode: 7" in done.stderr
    assert done.stderr.count("\n") == 1
