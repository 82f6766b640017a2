"""Features on s3:// against local ones, inspected by boto3."""

import dataclasses

import numpy as np
import pytest
import soundfile

from audiotag_nas.config import DataConfig, FeatureConfig
from audiotag_nas.data import pipeline, storage
from audiotag_nas.data.clip import Clip
from audiotag_nas.data.feature_writer import write_log_mels
from audiotag_nas.data.stored_features import open_prepared
from audiotag_nas.errors import StoreError

RATE_HZ = 8000
FEATURES = FeatureConfig(
    sample_rate_hz=RATE_HZ,
    frame_length=256,
    frame_step=127,
    num_mels=13,
    fmax_hz=4000,
)
# 0.999 s give 61 frames.
DATA = DataConfig(tags=("c", "m", "x"), clip_seconds=0.999, min_clip_seconds=0)
FOLDS = (2, 0, None, 2, 0)


@pytest.fixture
def clips(tmp_path):
    rng = np.random.default_rng(3)
    result = []
    for i, fold in enumerate(FOLDS):
        path = tmp_path / f"clip{i}.wav"
        soundfile.write(path, 0.1 * rng.standard_normal(RATE_HZ), RATE_HZ)
        tags = ("c", "m")[: i % 3]
        result.append(Clip(f"clip{i}", "seg", tags, "development", fold, path))
    return result


def keys(s3, bucket):
    listed = s3.list_objects_v2(Bucket=bucket).get("Contents", [])
    return {item["Key"]: item["LastModified"] for item in listed}


def stored_bytes(s3, bucket, key):
    return s3.get_object(Bucket=bucket, Key=key)["Body"].read()


def test_the_objects_equal_the_local_files(clips, tmp_path, s3, bucket):
    clips[1].path.unlink()
    write_log_mels(clips, FEATURES, data=DATA, split_dir=tmp_path / "disk")
    write_log_mels(clips, FEATURES, data=DATA, split_dir=f"s3://{bucket}/a/b/")
    files = {f"a/b/{p.name}": p for p in (tmp_path / "disk").iterdir()}
    assert "a/b/rejected.csv" in files
    assert set(keys(s3, bucket)) == set(files)
    for key, path in files.items():
        assert stored_bytes(s3, bucket, key) == path.read_bytes()


def test_batches_equal_those_of_local_features(clips, tmp_path, bucket):
    paths = tmp_path / "disk", f"s3://{bucket}/remote"
    batches = []
    for path in paths:
        made = write_log_mels(clips, FEATURES, data=DATA, split_dir=path)
        prepared = open_prepared(made.split_dir)
        assert prepared == made
        training = pipeline.make_training_dataset(
            prepared, tags=("m", "c"), folds=(0, 2), batch_size=3, seed=5
        )
        evaluation = pipeline.make_evaluation_dataset(
            prepared, tags=("m", "c"), batch_size=2
        )
        batches.append([*training, *evaluation])
    local, remote = batches
    assert len(local) == len(remote) == 1 + 3
    for one, other in zip(local, remote, strict=True):
        for expected, values in zip(one, other, strict=True):
            np.testing.assert_array_equal(values, expected)


def test_features_are_reused_and_stale_ones_computed_again(clips, s3, bucket):
    url = f"s3://{bucket}/features"
    first = write_log_mels(clips, FEATURES, data=DATA, split_dir=url)
    written = keys(s3, bucket)
    assert write_log_mels(clips, FEATURES, data=DATA, split_dir=url) == first
    assert keys(s3, bucket) == written
    fewer = write_log_mels(clips[:2], FEATURES, data=DATA, split_dir=url)
    assert open_prepared(url) == fewer != first
    # The shard of clips without a fold is removed.
    assert set(keys(s3, bucket)) == {
        "features/index.json",
        "features/fold0-00000.tfrecord",
        "features/fold2-00000.tfrecord",
    }


def test_damaged_or_incomplete_features_are_computed_again(clips, s3, bucket):
    url = f"s3://{bucket}/features"
    first = write_log_mels(clips, FEATURES, data=DATA, split_dir=url)
    shard = "features/fold2-00000.tfrecord"
    good = stored_bytes(s3, bucket, shard)
    # One bit changes, and the length stays.
    bad = good[:100] + bytes([good[100] ^ 1]) + good[101:]
    s3.put_object(Bucket=bucket, Key=shard, Body=bad)
    with pytest.raises(StoreError, match=rf"{shard}: damaged"):
        open_prepared(url)
    assert write_log_mels(clips, FEATURES, data=DATA, split_dir=url) == first
    assert stored_bytes(s3, bucket, shard) == good
    s3.delete_object(Bucket=bucket, Key=shard)
    with pytest.raises(StoreError, match=rf"{shard}: can't be read"):
        open_prepared(url)
    s3.delete_object(Bucket=bucket, Key="features/index.json")
    with pytest.raises(StoreError, match=r"index\.json: can't be read"):
        open_prepared(url)
    assert write_log_mels(clips, FEATURES, data=DATA, split_dir=url) == first


def test_a_crash_during_an_upload_leaves_no_index(
    clips, s3, bucket, monkeypatch
):
    url = f"s3://{bucket}/features"
    write_log_mels(clips, FEATURES, data=DATA, split_dir=url)
    write_bytes = storage.RemotePath.write_bytes
    written = []

    def write_and_fail(path, data):
        if written:
            raise OSError(5, "the network is gone", str(path))
        written.append(path)
        write_bytes(path, data)

    monkeypatch.setattr(storage.RemotePath, "write_bytes", write_and_fail)
    other = dataclasses.replace(FEATURES, log_floor=1e-6)
    with pytest.raises(StoreError, match="the network is gone"):
        write_log_mels(clips, other, data=DATA, split_dir=url)
    assert written
    assert "features/index.json" not in keys(s3, bucket)
    with pytest.raises(StoreError, match=r"index\.json"):
        open_prepared(url)


def test_a_directory_with_other_objects_is_not_replaced(clips, s3, bucket):
    s3.put_object(Bucket=bucket, Key="mine/thesis.pdf", Body=b"years")
    with pytest.raises(StoreError, match=r"holds thesis\.pdf"):
        write_log_mels(
            clips, FEATURES, data=DATA, split_dir=f"s3://{bucket}/mine"
        )
    assert stored_bytes(s3, bucket, "mine/thesis.pdf") == b"years"


def test_a_missing_bucket_is_a_store_error(clips, s3):
    with pytest.raises(StoreError, match=r"s3://no-such-one/x.*NoSuchBucket"):
        write_log_mels(
            clips, FEATURES, data=DATA, split_dir="s3://no-such-one/x"
        )
