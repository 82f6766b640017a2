"""Stored features: their content, reuse, damage, and refused input."""

import csv
import dataclasses
import hashlib
import json
import os
import shutil

import numpy as np
import pytest
import soundfile
import tensorflow as tf

from audiotag_nas.config import DataConfig, FeatureConfig
from audiotag_nas.data import storage
from audiotag_nas.data.clip import Clip
from audiotag_nas.data.feature_writer import write_log_mels
from audiotag_nas.data.log_mel import log_mel
from audiotag_nas.data.pipeline import make_evaluation_dataset
from audiotag_nas.data.stored_features import open_prepared
from audiotag_nas.errors import ConfigError, DataError, StoreError
from tests.full_disk import room_for

RATE_HZ = 8000
FEATURES = FeatureConfig(
    sample_rate_hz=RATE_HZ,
    frame_length=256,
    frame_step=127,
    num_mels=13,
    fmax_hz=4000,
)
# 0.999 s give 61 frames.
DATA = DataConfig(
    tags=("c", "m", "x"), clip_seconds=0.999, min_clip_seconds=0.5
)
LONGER = dataclasses.replace(DATA, min_clip_seconds=0.6)
FOLDS = (2, 0, None, 2, 0, 2, 0)
TAGS = (("m",), ("c", "S"), (), ("m", "c"), ("U",), ("c",), ("m", "S"))


@pytest.fixture
def clips(tmp_path):
    """Seven clips of one second, six in two folds and one without a fold."""
    rng = np.random.default_rng(3)
    result = []
    for i, (fold, tags) in enumerate(zip(FOLDS, TAGS, strict=True)):
        path = tmp_path / f"clip{i}.wav"
        write(path, 0.1 * rng.standard_normal(RATE_HZ))
        result.append(
            Clip(f"clip{i}", f"seg{i // 2}", tags, "development", fold, path)
        )
    return result


def write(path, samples, rate_hz=RATE_HZ):
    soundfile.write(path, samples, rate_hz, subtype="FLOAT", format="WAV")


def run(clips, split_dir, features=FEATURES, data=DATA, **keywords):
    return write_log_mels(
        clips, features, data=data, split_dir=split_dir, **keywords
    )


def records(prepared):
    """(features, label, index) of each record, parsed by TensorFlow."""
    for shard in prepared.shards:
        for record in tf.data.TFRecordDataset([str(shard.path)]):
            example = tf.train.Example.FromString(record.numpy())
            fields = example.features.feature
            yield (
                np.frombuffer(
                    fields["features"].bytes_list.value[0], "<f2"
                ).reshape(prepared.num_frames, prepared.num_mels),
                np.frombuffer(fields["label"].bytes_list.value[0], np.uint8),
                fields["index"].int64_list.value[0],
            )


def test_every_clip_is_stored_by_fold_with_its_log_mel_and_tags(
    clips, tmp_path
):
    prepared = run(clips, tmp_path / "out")
    assert (prepared.num_frames, prepared.num_mels) == (61, 13)
    # The configured tags (no clip carries x), then the others, sorted.
    assert prepared.tags == ("c", "m", "x", "S", "U")
    assert prepared.folds == (0, 2, None)
    order = [1, 4, 6, 0, 3, 5, 2]
    assert [c.clip_id for c in prepared.clips] == [f"clip{i}" for i in order]
    stored = list(records(prepared))
    assert [index for _, _, index in stored] == list(range(7))
    for i, (features, label, _) in zip(order, stored, strict=True):
        samples, _ = soundfile.read(clips[i].path, dtype="float32")
        expected = log_mel(samples[:7992], FEATURES).astype(np.float16)
        np.testing.assert_array_equal(features, expected)
        assert {
            t for t, on in zip(prepared.tags, label, strict=True) if on
        } == (set(TAGS[i]))


def test_labels_and_clips_are_those_of_the_requested_tags_and_folds(
    clips, tmp_path
):
    prepared = run(clips, tmp_path / "out")
    np.testing.assert_array_equal(
        prepared.labels(("m", "S"), folds=(None, 0)),
        # The rows are clips 1, 4, 6 of fold 0, then clip 2 without a fold.
        np.array([[0, 1], [0, 0], [1, 1], [0, 0]], np.float32),
    )
    assert prepared.labels(("m",)).shape == (7, 1)
    assert [c.clip_id for c in prepared.select((2,))] == [
        "clip0",
        "clip3",
        "clip5",
    ]
    with pytest.raises(ConfigError, match=r"tags: .*'c'.*Received: 'z'"):
        prepared.labels(("z",))
    with pytest.raises(ConfigError, match=r"folds: .*Received: 1"):
        prepared.select((0, 1))


def test_features_of_the_same_input_are_reused(clips, tmp_path):
    first = run(clips, tmp_path / "out")
    stamps = [shard.path.stat().st_mtime_ns for shard in first.shards]
    assert run(clips, tmp_path / "out") == first
    assert [s.path.stat().st_mtime_ns for s in first.shards] == stamps
    assert open_prepared(tmp_path / "out") == first


def test_the_same_input_gives_the_same_bytes(clips, tmp_path):
    digests = [
        [shard.sha256 for shard in run(clips, tmp_path / name).shards]
        for name in ("one", "two")
    ]
    assert digests[0] == digests[1]


def change_front_end(clips):
    return clips, dataclasses.replace(FEATURES, log_floor=1e-6), DATA


def change_length(clips):
    return clips, FEATURES, LONGER


def change_vocabulary(clips):
    return clips, FEATURES, dataclasses.replace(DATA, tags=("m", "c"))


def change_annotation(clips):
    changed = dataclasses.replace(clips[0], tags=("c",))
    return [changed, *clips[1:]], FEATURES, DATA


def change_fold(clips):
    changed = dataclasses.replace(clips[0], fold=0)
    return [changed, *clips[1:]], FEATURES, DATA


def change_one_sample(clips):
    data = bytearray(clips[4].path.read_bytes())
    data[-1] ^= 1
    clips[4].path.write_bytes(data)
    return clips, FEATURES, DATA


def remove_clip(clips):
    return clips[1:], FEATURES, DATA


@pytest.mark.parametrize(
    "change",
    [
        change_front_end,
        change_length,
        change_vocabulary,
        change_annotation,
        change_fold,
        change_one_sample,
        remove_clip,
    ],
    ids=lambda change: change.__name__,
)
def test_stale_features_are_computed_again(clips, tmp_path, change):
    before = run(clips, tmp_path / "out")
    arguments = change(clips)
    after = run(
        arguments[0], tmp_path / "out", features=arguments[1], data=arguments[2]
    )
    assert after.key != before.key
    fresh = run(
        arguments[0], tmp_path / "new", features=arguments[1], data=arguments[2]
    )
    assert [s.sha256 for s in after.shards] == [s.sha256 for s in fresh.shards]


def test_another_version_of_the_resampler_makes_features_stale(
    clips, tmp_path, monkeypatch
):
    before = run(clips, tmp_path / "out")
    monkeypatch.setattr(
        "importlib.metadata.version", lambda name: f"{name} 99.0"
    )
    assert run(clips, tmp_path / "out").key != before.key


def flip_a_byte_of_a_shard(prepared):
    path = prepared.shards[1].path
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    return path.name


def cut_a_shard(prepared):
    path = prepared.shards[0].path
    os.truncate(path, path.stat().st_size - 1)
    return path.name


def remove_a_shard(prepared):
    prepared.shards[2].path.unlink()
    return prepared.shards[2].path.name


def change_a_tag_in_the_index(prepared):
    path = prepared.split_dir / "index.json"
    content = json.loads(path.read_text())
    content["clips"][0]["tags"] = []
    path.write_text(json.dumps(content))
    return path.name


def cut_the_index(prepared):
    path = prepared.split_dir / "index.json"
    os.truncate(path, path.stat().st_size // 2)
    return path.name


def remove_the_index(prepared):
    (prepared.split_dir / "index.json").unlink()
    return "index.json"


def nest_the_index_too_deeply(prepared):
    path = prepared.split_dir / "index.json"
    path.write_text("[" * 100_000 + "]" * 100_000)
    return path.name


def replace_the_index_by_a_fifo(prepared):
    path = prepared.split_dir / "index.json"
    path.unlink()
    os.mkfifo(path)
    return path.name


def replace_a_shard_by_a_fifo(prepared):
    path = prepared.shards[1].path
    path.unlink()
    os.mkfifo(path)
    return path.name


@pytest.mark.parametrize(
    "damage",
    [
        nest_the_index_too_deeply,
        replace_the_index_by_a_fifo,
        replace_a_shard_by_a_fifo,
        flip_a_byte_of_a_shard,
        cut_a_shard,
        remove_a_shard,
        change_a_tag_in_the_index,
        cut_the_index,
        remove_the_index,
    ],
    ids=lambda damage: damage.__name__,
)
def test_damage_is_named_on_opening_and_repaired_by_writing(
    clips, tmp_path, damage
):
    before = run(clips, tmp_path / "out")
    name = damage(before)
    with pytest.raises(StoreError, match=name):
        open_prepared(tmp_path / "out")
    assert run(clips, tmp_path / "out") == before


def test_shards_are_read_once_per_process_unless_they_change(
    clips, tmp_path, monkeypatch
):
    prepared = run(clips, tmp_path / "out")
    copied = tmp_path / "copy"
    shutil.copytree(tmp_path / "out", copied)
    read = []
    digest = storage.digest
    monkeypatch.setattr(
        storage, "digest", lambda path: read.append(path) or digest(path)
    )
    num_shards = len(prepared.shards)
    first = open_prepared(copied)
    assert len(read) == num_shards
    assert open_prepared(copied) == first
    assert len(read) == num_shards
    path = first.shards[1].path
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    for _ in range(2):
        with pytest.raises(StoreError, match=f"{path.name}: damaged"):
            open_prepared(copied)
    path.write_bytes(data)
    assert open_prepared(copied) == first


def test_a_directory_without_features_is_a_store_error(tmp_path):
    with pytest.raises(StoreError, match=r"index\.json"):
        open_prepared(tmp_path / "nothing")


def test_a_directory_with_other_files_is_not_replaced(clips, tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.tex").write_text("years of work")
    with pytest.raises(StoreError, match=r"chapter1\.tex"):
        run(clips, tmp_path / "thesis")
    assert (tmp_path / "thesis" / "chapter1.tex").exists()


def test_features_that_trials_may_use_are_not_replaced(clips, tmp_path):
    first = run(clips, tmp_path / "shared")
    assert run(clips, tmp_path / "shared", may_replace=False) == first
    for change, message in (
        (change_front_end, r"log_floor was 1e-08 and is 1e-06\."),
        (change_length, "or a version"),
        (change_fold, "1 clips of other tags, fold or segment, first 'clip0'"),
        (remove_clip, "1 clips that are gone, first 'clip0'"),
        (change_vocabulary, "the tags were .* and are m, c"),
        # This function is last, because it changes the file.
        (change_one_sample, r"of a clip, data\.min_clip_seconds or a version"),
    ):
        changed, features, data = change(clips)
        with pytest.raises(StoreError, match=message):
            run(changed, tmp_path / "shared", features, data, may_replace=False)
        assert open_prepared(tmp_path / "shared") == first
    change_one_sample(clips)
    # Damaged features may be replaced.
    cut_a_shard(first)
    assert run(clips, tmp_path / "shared", may_replace=False) == first


def test_bad_clips_are_rejected_with_reasons_and_the_others_stored(
    clips, tmp_path
):
    not_finite = np.zeros(RATE_HZ)
    not_finite[4000] = np.nan
    write(clips[0].path, not_finite)
    write(clips[1].path, np.zeros(RATE_HZ // 4))
    clips[2].path.write_bytes(b"no sound at all")
    clips[3].path.unlink()
    clips[5] = dataclasses.replace(clips[5], clip_id="=1+2")
    write(clips[5].path, [])
    calls = []
    prepared = run(
        clips, tmp_path / "out", progress=lambda *call: calls.append(call)
    )
    assert [c.clip_id for c in prepared.clips] == ["clip4", "clip6"]
    assert len(list(records(prepared))) == 2
    assert calls == [(done, 7) for done in range(1, 8)]
    reasons = {clip.clip_id: clip.reason for clip in prepared.rejected}
    assert "finite" in reasons["clip0"]
    assert "at least 0.5 s" in reasons["clip1"]
    assert "0.250 s" in reasons["clip1"]
    assert set(reasons) == {"clip0", "clip1", "clip2", "clip3", "=1+2"}
    assert all(reasons.values())
    with open(tmp_path / "out" / "rejected.csv", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["clip_id", "path", "reason"]
    # The id is quoted, so that a spreadsheet does not run it.
    assert "'=1+2" in [row[0] for row in rows]
    assert len(rows) == 6


def test_a_rejected_clip_is_stored_once_its_file_is_repaired(clips, tmp_path):
    good = clips[3].path.read_bytes()
    clips[3].path.unlink()
    assert len(run(clips, tmp_path / "out").rejected) == 1
    clips[3].path.write_bytes(good)
    mended = run(clips, tmp_path / "out")
    assert mended.rejected == ()
    assert not (tmp_path / "out" / "rejected.csv").exists()


def test_no_usable_clip_is_an_error_and_leaves_no_file(clips, tmp_path):
    for clip in clips:
        clip.path.unlink()
    with pytest.raises(DataError, match=r"all 7 were rejected.*clip1\.wav"):
        run(clips, tmp_path / "out")
    assert not list(tmp_path.iterdir())
    with pytest.raises(DataError, match="none"):
        run([], tmp_path / "out")


def fill_a_shard(clips):
    # Three clips of fold 0, each 61 x 13 float16, take over 4758 bytes.
    return clips, "fold0-00000.tfrecord"


def fill_the_index(clips):
    return [dataclasses.replace(clips[0], tags=("m" * 5000,))], "index.json"


def fill_the_report_of_the_rejected(clips):
    gone = [
        dataclasses.replace(
            clips[1], clip_id=f"gone{i}", path=clips[1].path.with_name("gone")
        )
        for i in range(99)
    ]
    return [clips[0], *gone], "rejected.csv"


@pytest.mark.parametrize(
    "fill",
    [fill_a_shard, fill_the_index, fill_the_report_of_the_rejected],
    ids=lambda fill: fill.__name__,
)
def test_a_file_that_does_not_fit_is_named_and_leaves_no_partial_file(
    clips, tmp_path, fill
):
    clips, name = fill(clips)
    before = run(clips[:1], tmp_path / "out" / "split")
    with (
        room_for(4500),
        pytest.raises(
            StoreError,
            match=rf"{name}: can't be written \(.*[Ff]ile too large\)\. The",
        ),
    ):
        run(clips, tmp_path / "out" / "split", data=LONGER)
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["split"]
    assert open_prepared(tmp_path / "out" / "split") == before
    # Without the limit, the file is written.
    assert run(clips, tmp_path / "out" / "split", data=LONGER).key != before.key


def test_a_path_that_can_not_be_a_directory_is_named(clips, tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(StoreError, match="out/split: can't be written"):
        run(clips, tmp_path / "out" / "split")


def test_a_repeated_clip_id_is_refused(clips, tmp_path):
    with pytest.raises(DataError, match="'clip1'"):
        run([*clips, clips[1]], tmp_path / "out")


def test_other_rates_are_resampled_and_short_clips_padded(clips, tmp_path):
    # 0.6 s of 440 Hz at 44.1 kHz are padded with silence.
    time = np.arange(26460) / 44100
    write(clips[0].path, np.sin(2 * np.pi * 440 * time), rate_hz=44100)
    prepared = run(clips[:1], tmp_path / "out")
    (features, _, _), *_ = records(prepared)
    assert features.shape == (61, 13)
    tone = np.sin(2 * np.pi * 440 * np.arange(4800) / RATE_HZ)
    expected = log_mel(tone, FEATURES)
    # Compares the tone's bins, except at the ends, where a resampler rings.
    loud = expected[10] > expected[10].max() - 5
    np.testing.assert_allclose(
        features[2:30, loud], expected[2:30, loud], atol=0.02
    )
    np.testing.assert_allclose(features[38:], np.log(1e-8), rtol=1e-3)


def test_clips_that_were_cut_are_counted(clips, tmp_path):
    assert run(clips, tmp_path / "whole").num_cut == 0
    # Two clips last 1.5 s, but features cover 1 s.
    for clip in clips[1:3]:
        write(clip.path, np.sin(np.arange(RATE_HZ * 3 // 2) / 7))
    run(clips, tmp_path / "cut")
    assert open_prepared(tmp_path / "cut").num_cut == 2


def test_features_whose_index_lacks_the_count_of_cut_clips_are_used(
    clips, tmp_path
):
    prepared = run(clips, tmp_path / "out")
    path = tmp_path / "out" / "index.json"
    content = json.loads(path.read_text())
    del content["num_cut"], content["sha256"]
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    content["sha256"] = hashlib.sha256(text.encode()).hexdigest()
    path.write_text(json.dumps(content))
    before = path.stat().st_mtime_ns
    assert run(clips, tmp_path / "out") == prepared
    assert path.stat().st_mtime_ns == before


def test_a_large_fold_is_stored_in_several_shards(clips, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "audiotag_nas.data.tfrecord_writer.MAX_CLIPS_PER_SHARD", 2
    )
    prepared = run(clips, tmp_path / "out")
    assert [(s.path.name, s.num_clips) for s in prepared.shards] == [
        ("fold0-00000.tfrecord", 2),
        ("fold0-00001.tfrecord", 1),
        ("fold2-00000.tfrecord", 2),
        ("fold2-00001.tfrecord", 1),
        ("nofold-00000.tfrecord", 1),
    ]
    assert [index for _, _, index in records(prepared)] == list(range(7))


def test_a_clips_features_do_not_depend_on_the_others(clips, tmp_path):
    everything = list(records(run(clips, tmp_path / "all")))
    alone = list(records(run(clips[3:4], tmp_path / "alone")))
    np.testing.assert_array_equal(alone[0][0], everything[4][0])


def test_a_directory_of_any_name_holds_features(clips, tmp_path):
    name = os.fsdecode(b"\xff [1-2] *?{}\\ %s\n'\"")
    gone = dataclasses.replace(
        clips[1], clip_id="gone", path=tmp_path / name / "gone.wav"
    )
    odd = run([*clips, gone], tmp_path / name)
    plain = run([*clips, gone], tmp_path / "plain")
    assert [s.sha256 for s in odd.shards] == [s.sha256 for s in plain.shards]
    assert os.fsencode(name) in (tmp_path / name / "rejected.csv").read_bytes()
    assert open_prepared(tmp_path / name).clips == plain.clips
    batches = [
        make_evaluation_dataset(prepared, tags=("m", "c"), batch_size=3)
        for prepared in (odd, plain)
    ]
    for batch, expected in zip(*batches, strict=True):
        for values, others in zip(batch, expected, strict=True):
            np.testing.assert_array_equal(values, others)
