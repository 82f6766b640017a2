"""When the log-mels of an experiment are made, replaced or refused."""

import numpy as np
import pytest

from audiotag_nas.config import DataConfig, ExperimentConfig, SyntheticConfig
from audiotag_nas.config.shipped import load_config
from audiotag_nas.data import audio
from audiotag_nas.errors import DataError, StoreError
from audiotag_nas.experiment import dataset, preparation, stages
from audiotag_nas.experiment.workspace import Workspace
from audiotag_nas.search.journal import Journal
from audiotag_nas.trial import TrialResult, TrialStatus


def prepare(config, workspace, split):
    return preparation.prepare_split(
        config,
        workspace,
        size="31x16",
        split=split,
        clips=dataset.read_clips(config, workspace, split),
    )


def test_every_size_of_the_grid_is_prepared_once():
    config = ExperimentConfig()
    config.grid.spectrogram_size = ("62x64", "124x128", "31x16")
    assert preparation.spectrogram_sizes(config) == [
        "124x128",
        "62x64",
        "31x16",
    ]


def test_experiments_do_not_replace_features_in_a_shared_directory(tmp_path):
    shared = tmp_path / "features"

    def prepare_as(name, seed):
        config = ExperimentConfig(
            seed=seed,
            synthetic=SyntheticConfig(20, 10),
            data=DataConfig(features_dir=str(shared)),
        )
        workspace = Workspace(tmp_path / name)
        workspace.start(config)
        dataset.write_synthetic_dataset(config, workspace)
        return prepare(config, workspace, "evaluation")

    first = prepare_as("first", 1)
    with pytest.raises(
        StoreError, match=r"Take another --workdir or data\.features_dir"
    ):
        prepare_as("second", 2)
    assert prepare_as("third", 1) == first


def test_data_that_changed_under_a_search_are_refused(tmp_path):
    for name in ("a", "b"):
        tone = np.sin(np.arange(64000) / (7 if name == "a" else 9))
        audio.write_wav(tmp_path / f"{name}.wav", tone, sample_rate_hz=16000)
    manifest = tmp_path / "mine.csv"

    def prepare_tagged(tag):
        manifest.write_text(
            "path,tags,split,fold,segment\n"
            f"a.wav,{tag},development,0,a\n"
            "b.wav,rain;dog,development,1,b\n"
        )
        config = ExperimentConfig(
            data=DataConfig(
                source="manifest",
                manifest_path=str(manifest),
                tags=("dog", "rain"),
            )
        )
        return prepare(config, workspace, "development")

    workspace = Workspace(tmp_path / "run")
    prepare_tagged("dog")
    # A label is corrected before the first trial.
    corrected = prepare_tagged("rain")
    trial = stages.search_trial(load_config("smoke"), 0, 0, (0,) * 21)
    Journal(workspace.journal_path).append(
        trial, TrialResult(trial.trial_id, TrialStatus.COMPLETED, 0.5)
    )
    assert prepare_tagged("rain") == corrected
    with pytest.raises(
        StoreError, match=r"1 clips of other tags, fold or segment, first '"
    ):
        prepare_tagged("dog")
    assert prepare_tagged("rain") == corrected


@pytest.mark.parametrize(
    ("folds", "message"),
    [
        ((1, 2), r"must be among the folds \[1, 2\] .* Received: 0"),
        ((0, 0), r"must leave one of the folds \[0\] for"),
    ],
)
def test_invalid_validation_folds_are_refused_before_the_log_mels(
    tmp_path, folds, message
):
    rows = ["path,tags,split,fold"]
    for name, fold in zip("ab", folds, strict=True):
        # Too short: would be rejected later.
        audio.write_wav(
            tmp_path / f"{name}.wav", np.zeros(80), sample_rate_hz=8000
        )
        rows.append(f"{name}.wav,dog,development,{fold}")
    manifest = tmp_path / "mine.csv"
    manifest.write_text("\n".join(rows) + "\n")
    config = ExperimentConfig(
        data=DataConfig(
            source="manifest", manifest_path=str(manifest), tags=("dog",)
        )
    )
    with pytest.raises(DataError, match=f"validation_folds: {message}"):
        prepare(config, Workspace(tmp_path), "development")


def test_a_misspelled_tag_is_refused_before_the_log_mels(tmp_path, run_tool):
    rows = ["path,tags,split,fold"]
    for fold, (name, tags, split) in enumerate(
        [
            ("a", "dog", "development"),
            ("b", "rain;wind", "development"),
            ("c", "hail", "evaluation"),
        ]
    ):
        # The first clip lasts five seconds, the others four.
        tone = np.sin(np.arange(80000 - 16000 * (fold > 0)) / (7 + fold))
        audio.write_wav(tmp_path / f"{name}.wav", tone, sample_rate_hz=16000)
        rows.append(f"{name}.wav,{tags},{split},{fold}")
    (tmp_path / "mine.csv").write_text("\n".join(rows) + "\n")
    workdir = tmp_path / "run"

    def run_prepare(tags):
        return run_tool(
            *("prepare", "--config=smoke", f"--workdir={workdir}"),
            "--config.data.source=manifest",
            f"--config.data.manifest_path={tmp_path / 'mine.csv'}",
            f"--config.data.tags={tags}",
        )

    # No development clip has hail.
    done = run_prepare("dog,rian,hail")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == (
        "error: config.data.tags: each must be carried by one of the "
        "development clips, which carry 'dog', 'rain', 'wind'. Received: "
        "'rian', 'hail'\n"
    )
    assert not (workdir / "features").exists()
    done = run_prepare("dog,rain")
    assert done.returncode == 0, done.stderr
    assert (
        "31x16 development: 2 clips, 1 of them longer and cut to 4 s\n"
        "  31x16 evaluation: 1 clips\n"
    ) in done.stdout
