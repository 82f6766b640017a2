"""The written files, read without the code that wrote them."""

import csv
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.signal
import soundfile

from audiotag_nas.config import SyntheticConfig
from audiotag_nas.data import chime_home
from audiotag_nas.data.synthesis import dataset, plan, scenes
from audiotag_nas.data.synthesis.dataset import write_dataset
from audiotag_nas.errors import StoreError

SETTINGS = SyntheticConfig(num_development_clips=20, num_evaluation_clips=10)
FIELDS = [
    "segmentname",
    "chunknumber",
    "framestart",
    *(f"{kind}_a{i}" for i in (1, 2, 3) for kind in ("annotation", "session")),
    "majorityvote",
    "chunkname",
]
REPOSITORY = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    root = tmp_path_factory.mktemp("synthetic") / "chime_home"
    calls = []
    write_dataset(
        root, SETTINGS, seed=5, progress=lambda *counts: calls.append(counts)
    )
    assert calls == [(i + 1, 39) for i in range(39)]
    return root


def _digest(root):
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        if path.is_file():
            digest.update(str(path.relative_to(root)).encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _rows(path):
    with open(path, newline="") as file:
        return list(csv.reader(file))


def _synthesize(*flags):
    """Runs the command in another process."""
    return subprocess.run(
        [sys.executable, str(REPOSITORY / "tools" / "synthesize.py"), *flags],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
    )


def test_same_seed_gives_same_bytes_in_another_process(tree, tmp_path):
    done = _synthesize(
        f"--dataset_dir={tmp_path / 'same'}",
        "--num_development_clips=20",
        "--num_evaluation_clips=10",
        "--seed=5",
    )
    assert done.returncode == 0, done.stderr
    assert _digest(tmp_path / "same") == _digest(tree)


def test_another_seed_changes_annotations_and_sounds(tree):
    plans = plan.plan_split(SETTINGS, "development", seed=5)
    others = plan.plan_split(SETTINGS, "development", seed=6)
    assert [p.votes for p in plans] != [p.votes for p in others]
    here, _ = dataset.render_chunk(plans[0], seed=5)
    there, _ = dataset.render_chunk(plans[0], seed=6)
    assert not np.array_equal(here, there)


def test_any_chunk_can_be_rendered_alone(tree):
    plans = plan.plan_split(SETTINGS, "evaluation", seed=5)
    scenes.draw_household.cache_clear()
    scene, mono = dataset.render_chunk(plans[9], seed=5)
    for samples, rate in ((scene, 48), (mono, 16)):
        path = tree / "chunks" / f"{plans[9].chunk_name}.{rate}kHz.wav"
        written, _ = soundfile.read(path, dtype="float32")
        np.testing.assert_allclose(written, samples, atol=1 / 32768)


def test_both_recordings_have_the_format_of_the_real_ones(tree):
    names = [row[1] for row in _rows(tree / "development_chunks_raw.csv")]
    names += [row[1] for row in _rows(tree / "evaluation_chunks_raw.csv")]
    assert len(list((tree / "chunks").iterdir())) == 3 * len(names)
    for name in names:
        full = soundfile.info(tree / "chunks" / f"{name}.48kHz.wav")
        low = soundfile.info(tree / "chunks" / f"{name}.16kHz.wav")
        assert (full.samplerate, full.channels, full.frames) == (
            48000,
            2,
            192000,
        )
        assert (low.samplerate, low.channels, low.frames) == (16000, 1, 64000)
        assert {full.subtype, low.subtype} == {"PCM_16"}


def test_the_16_khz_file_is_the_resampled_48_khz_file(tree):
    name = _rows(tree / "development_chunks_raw.csv")[3][1]
    full, _ = soundfile.read(tree / "chunks" / f"{name}.48kHz.wav")
    low, _ = soundfile.read(tree / "chunks" / f"{name}.16kHz.wav")
    expected = scipy.signal.resample_poly(full.mean(axis=1), 1, 3)
    # Two resamplers differ near the Nyquist frequency only.
    b, a = scipy.signal.butter(4, 6000, fs=16000)
    expected, low = (scipy.signal.lfilter(b, a, x) for x in (expected, low))
    assert np.abs(expected - low).max() < 0.01 * np.abs(low).max()


def test_the_channels_differ_and_never_clip(tree):
    for path in sorted((tree / "chunks").glob("*.48kHz.wav"))[:12]:
        samples, _ = soundfile.read(path)
        assert 1e-4 < np.abs(samples).max() < 0.95
        assert np.abs(samples[:, 0] - samples[:, 1]).max() > 1e-4


def test_the_refined_lists_follow_from_the_votes_in_the_chunk_files(tree):
    for split, num_refined in (("development", 20), ("evaluation", 10)):
        refined = []
        for _, name in _rows(tree / f"{split}_chunks_raw.csv"):
            rows = _rows(tree / "chunks" / f"{name}.csv")
            assert [row[0] for row in rows] == FIELDS
            fields = dict(rows)
            assert fields["chunkname"] == name
            number = int(fields["chunknumber"])
            assert name == f"{fields['segmentname']}_chunk{number}"
            assert int(fields["framestart"]) == 192000 * number
            assert float(fields["session_a2"]) >= 1
            votes = [fields[f"annotation_a{i}"] for i in (1, 2, 3)]
            counts = {x: sum(x in v for v in votes) for x in "cmfvpboSU"}
            majority = {x for x, count in counts.items() if count >= 2}
            assert set(fields["majorityvote"]) == majority
            if all(counts[x] != 1 for x in "cmfvpboS"):
                refined.append(name)
        listed = _rows(tree / f"{split}_chunks_refined.csv")
        assert [row[1] for row in listed] == refined
        assert [row[0] for row in listed] == [
            str(i) for i in range(num_refined)
        ]


def test_the_reader_of_the_real_data_reads_it(tree):
    clips = chime_home.read_clips(tree, "development")
    folds = _rows(tree / "development_chunks_refined_crossval_dcase2016.csv")
    assert [(c.clip_id, str(c.fold)) for c in clips] == [
        (name, fold) for _, name, fold in folds
    ]
    assert len(chime_home.read_clips(tree.parent, "evaluation", raw=True)) == 13
    segments = {
        split: {c.segment_id for c in chime_home.read_clips(tree, split)}
        for split in ("development", "evaluation")
    }
    assert not segments["development"] & segments["evaluation"]


def test_the_splits_have_different_sound_sources():
    def sources(split):
        home = scenes.draw_household(0, split, 0)
        return (
            home.speakers["c"][0].pitch_hz,
            home.television.tonic_hz,
            home.television.beats_hz,
            home.named_sources[0].pitch_hz,
            home.struck_bodies[0].modes_hz[0],
            home.room.background_db,
        )

    pairs = zip(sources("development"), sources("evaluation"), strict=True)
    # There are only twelve tonics.
    assert sum(here == there for here, there in pairs) <= 1


def test_seed_and_settings_are_recorded(tree):
    origin = json.loads((tree / "synthetic.json").read_text())
    assert origin["seed"] == 5
    assert origin["settings"]["num_development_clips"] == 20


def test_a_directory_that_is_not_empty_stays_unchanged(tmp_path):
    (tmp_path / "precious.wav").write_bytes(b"x")
    with pytest.raises(StoreError, match=r"precious\.wav"):
        write_dataset(tmp_path, SETTINGS, seed=0)
    assert [p.name for p in tmp_path.iterdir()] == ["precious.wav"]


def test_the_command_refuses_wrong_directories_in_one_line(tmp_path):
    (tmp_path / "precious.wav").write_bytes(b"x")
    for flags, expected in (
        ([f"--dataset_dir={tmp_path}"], str(tmp_path)),
        ([], "--dataset_dir"),
    ):
        done = _synthesize(*flags)
        assert done.returncode == 1
        assert done.stderr.startswith("error: ")
        assert expected in done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["precious.wav"]


@pytest.mark.parametrize("flag", ["dataset_dir", "plot"])
def test_an_unwritable_path_is_reported_in_one_line(tmp_path, flag):
    (tmp_path / "file").write_text("no directory")
    done = _synthesize(f"--{flag}={tmp_path / 'file' / 'x'}")
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: {tmp_path / 'file'}")
    assert line.endswith("can't be written (Not a directory).")
