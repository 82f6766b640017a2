"""Moved data are recognized by their content."""

import shutil

import numpy as np
import pytest

from audiotag_nas.config.shipped import load_config
from audiotag_nas.data import audio
from audiotag_nas.errors import StoreError
from audiotag_nas.experiment import stages
from audiotag_nas.experiment.tuner import ArchitectureTuner
from audiotag_nas.search.journal import Journal
from tests.fakes import fake_train


def write_data(folder):
    folder.mkdir(parents=True)
    rows = ["path,tags,split,fold"]
    noise = np.random.default_rng(0).standard_normal((7, 64000)) * 0.1
    for number, samples in enumerate(noise):
        audio.write_wav(folder / f"{number}.wav", samples, sample_rate_hz=16000)
        split = "development" if number < 4 else "evaluation"
        fold = f"{number % 2}.0" if number < 4 else ""
        rows.append(f"{number}.wav,{('dog', 'cat')[number % 2]},{split},{fold}")
    (folder / "mine.csv").write_text("\n".join([*rows, ""]))


def tuner(workdir, manifest, **data):
    config = load_config("smoke")
    config.data.source = "manifest"
    config.data.manifest_path = str(manifest)
    config.data.tags = ("dog", "cat")
    for name, value in data.items():
        setattr(config.data, name, str(value))
    config.grid.spectrogram_size = ("31x16",)
    return ArchitectureTuner(config, workdir=workdir)


def kept(workdir):
    return load_config(str(workdir / "config.json")).data


def test_an_experiment_accepts_moved_data_and_refuses_other_data(
    tmp_path, monkeypatch, capsys
):
    workdir = tmp_path / "w"
    write_data(tmp_path / "here" / "sounds")
    monkeypatch.chdir(tmp_path / "here")
    first = tuner(workdir, "sounds/mine.csv")
    first.prepare()
    assert kept(workdir).manifest_path == f"{tmp_path}/here/sounds/mine.csv"
    trial = stages.baseline_trial(first.config, (0,))
    Journal(first.workspace.journal_path).append(trial, fake_train(trial))

    # The command runs in another directory; then the data move.
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()
    tuner(workdir, "here/sounds/mine.csv").prepare()
    assert "note:" not in capsys.readouterr().out
    shutil.move(tmp_path / "here", tmp_path / "there")
    moved = tmp_path / "there" / "sounds" / "mine.csv"
    tuner(workdir, moved).prepare()
    assert "note: data.manifest_path: " in capsys.readouterr().out
    assert kept(workdir).manifest_path == str(moved)

    # The log-mels of the same data are made again elsewhere.
    tuner(workdir, moved, features_dir=tmp_path / "f").prepare()
    assert kept(workdir).features_dir == str(tmp_path / "f")

    # Other data are refused, with or without the old log-mels.
    write_data(tmp_path / "other")
    manifest = tmp_path / "other" / "mine.csv"
    text = manifest.read_text().replace("5.wav,cat", "5.wav,dog")
    manifest.write_text(text)
    before = (workdir / "config.json").read_bytes()
    with pytest.raises(
        StoreError, match=r"1 clips of other tags, fold or segment, first '5"
    ):
        tuner(workdir, manifest, features_dir=tmp_path / "f").prepare()
    shutil.rmtree(workdir / "features")
    for features_dir in ("", tmp_path / "g"):
        with pytest.raises(
            StoreError, match="31x16/evaluation: must be the data that"
        ):
            tuner(workdir, manifest, features_dir=features_dir).prepare()
    assert (workdir / "config.json").read_bytes() == before
    # The refused log-mels do not block those of the right data.
    tuner(workdir, moved, features_dir="").prepare()
    assert kept(workdir).features_dir == ""
