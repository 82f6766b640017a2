"""Which configs a working directory accepts after it was started."""

import os

import pytest

from audiotag_nas.architecture import CRNN_BASELINE
from audiotag_nas.config.shipped import load_config
from audiotag_nas.errors import ConfigError, StoreError
from audiotag_nas.experiment import stages
from audiotag_nas.experiment.tuner import ArchitectureTuner
from audiotag_nas.experiment.workspace import Workspace
from audiotag_nas.search.journal import Journal
from audiotag_nas.search.lock import driver_lock
from audiotag_nas.trial import TrialResult, TrialStatus


def smoke(num_trials=4, epochs=1):
    config = load_config("smoke")
    config.search.num_trials = num_trials
    config.training.epochs = epochs
    return config


def journal_a_trial(workspace):
    trial = stages.search_trial(smoke(), 0, 0, (0,) * 21)
    Journal(workspace.journal_path).append(
        trial, TrialResult(trial.trial_id, TrialStatus.COMPLETED, 0.5)
    )


def test_the_same_config_changes_nothing(tmp_path):
    workspace = Workspace(tmp_path)
    workspace.start(smoke())
    before = workspace.config_path.stat()
    workspace.start(smoke())
    after = workspace.config_path.stat()
    assert (after.st_ino, after.st_mtime_ns) == (
        before.st_ino,
        before.st_mtime_ns,
    )


def test_more_trials_are_accepted(tmp_path):
    workspace = Workspace(tmp_path)
    workspace.start(smoke(4))
    workspace.start(smoke(6))
    assert workspace.read_config().search.num_trials == 6


@pytest.mark.parametrize(
    ("other", "named"),
    [
        (smoke(3), ["search.num_trials: 3 here, 4 there"]),
        (smoke(4, 9), ["training.epochs: 9 here, 1 there"]),
        (smoke(6, 9), ["training.epochs: 9 here, 1 there"]),
    ],
    ids=["fewer trials", "epochs", "more trials and epochs"],
)
def test_any_other_config_is_refused_and_the_stored_one_stays(
    tmp_path, other, named
):
    workspace = Workspace(tmp_path)
    workspace.start(smoke())
    journal_a_trial(workspace)
    before = workspace.config_path.read_bytes()
    with pytest.raises(ConfigError, match="begun with another config") as info:
        workspace.start(other)
    for difference in named:
        assert difference in str(info.value)
    assert workspace.config_path.read_bytes() == before


def test_the_config_may_change_until_the_first_trial_has_finished(tmp_path):
    workspace = Workspace(tmp_path)
    workspace.start(smoke(4, 1))
    # The state after a search that failed before its first trial.
    workspace.journal_path.touch()
    (workspace.dataset_dir / "chunks").mkdir(parents=True)
    (workspace.features_dir / "31x16" / "evaluation").mkdir(parents=True)
    workspace.start(smoke(3, 9))
    assert workspace.read_config() == smoke(3, 9)
    journal_a_trial(workspace)
    with pytest.raises(ConfigError, match="epochs: 1 here, 9 there"):
        workspace.start(smoke(4, 1))
    assert workspace.read_config() == smoke(3, 9)


@pytest.mark.parametrize(
    ("section", "field"), [("", "seed"), ("synthetic", "num_development_clips")]
)
def test_the_fields_of_an_existing_synthetic_data_set_may_not_change(
    tmp_path, section, field
):
    workspace = Workspace(tmp_path)
    first, second, third = smoke(), smoke(), smoke()
    for config, value in ((second, 44), (third, 55)):
        setattr(getattr(config, section, config), field, value)
    workspace.start(first)
    workspace.start(second)
    workspace.dataset_dir.mkdir()
    with pytest.raises(ConfigError, match=f"{field}: 55 here, 44 there"):
        workspace.start(third)
    assert workspace.read_config() == second


def test_the_config_may_not_change_while_a_command_works_here(tmp_path):
    workspace = Workspace(tmp_path)
    workspace.start(smoke(4, 1))
    with (
        driver_lock(tmp_path),
        pytest.raises(StoreError, match="in use by another driver"),
    ):
        workspace.start(smoke(4, 9))
    assert workspace.read_config() == smoke(4, 1)


def test_a_tuner_refuses_a_directory_whose_config_has_changed(tmp_path):
    first = ArchitectureTuner(smoke(4, 1), workdir=tmp_path)
    second = ArchitectureTuner(smoke(4, 9), workdir=tmp_path)
    with (
        pytest.raises(ConfigError, match="epochs: 1 here, 9 there"),
        first.driving(),
    ):
        raise AssertionError
    with second.driving():
        pass
    # More trials are accepted.
    ArchitectureTuner(smoke(6, 9), workdir=tmp_path)
    with second.driving():
        pass


def placed(**places):
    config = smoke()
    config.data.source = "manifest"
    config.data.manifest_path = "mine.csv"
    for name, value in places.items():
        section = config.final if name == "export_dir" else config.data
        setattr(section, name, str(value))
    return config


@pytest.mark.parametrize(
    "field", ["dataset_dir", "manifest_path", "features_dir", "export_dir"]
)
def test_equivalent_paths_are_the_same_config(tmp_path, monkeypatch, field):
    (tmp_path / "sounds").mkdir()
    (tmp_path / "link").symlink_to("sounds")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    workspace = Workspace(tmp_path / "w")
    workspace.start(placed(**{field: "sounds"}))
    journal_a_trial(workspace)
    before = workspace.config_path.read_bytes()
    for same in (
        "./sounds",
        "sounds/",
        "w/../sounds",
        "~/sounds",
        "link",
        tmp_path / "sounds",
    ):
        workspace.start(placed(**{field: same}))
        assert workspace.config_path.read_bytes() == before
    for other in ("sounds2", "~/sounds3", tmp_path / "sounds" / "sounds"):
        (note,) = workspace.start(placed(**{field: other}))
        assert f"{field}: " in note


@pytest.mark.parametrize("field", ["dataset_dir", "features_dir"])
def test_new_data_paths_are_stored_after_the_digests_were_compared(
    tmp_path, field
):
    workspace = Workspace(tmp_path / "w")
    first = placed(**{field: tmp_path / "here"})
    workspace.start(first)
    workspace.keep_data(first, {"31x16/evaluation": "a" * 64})
    journal_a_trial(workspace)
    moved = placed(**{field: tmp_path / "there"})
    (note,) = workspace.start(moved)
    assert "continues if the content is the same" in note
    workspace.check_kept(moved)
    before = workspace.config_path.read_bytes()
    with pytest.raises(StoreError, match="31x16/evaluation: must be the data"):
        workspace.keep_data(moved, {"31x16/evaluation": "b" * 64})
    assert workspace.config_path.read_bytes() == before
    # A size that was added to the grid later.
    workspace.keep_data(
        moved, {"31x16/evaluation": "a" * 64, "25x8/evaluation": "c" * 64}
    )
    kept = workspace.read_config().data
    assert getattr(kept, field) == str(tmp_path / "there")
    with pytest.raises(StoreError, match="25x8/evaluation: must be the data"):
        workspace.keep_data(moved, {"25x8/evaluation": "d" * 64})


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "not JSON"),
        ("[]", "damaged: must be"),
        ('{"keys": 3}', "damaged: must be"),
        ('{"schema_version": 1}', "damaged: must be"),
        ("[" * 9999, "nested too deeply"),
    ],
)
def test_damaged_data_digests_are_refused_in_one_line(tmp_path, text, rule):
    workspace = Workspace(tmp_path)
    workspace.start(smoke())
    journal_a_trial(workspace)
    workspace.data_digests_path.write_text(text)
    with pytest.raises(StoreError, match=rf"data\.json: {rule}"):
        workspace.keep_data(smoke(), {"31x16/evaluation": "a" * 64})


def changed(path, value):
    config = smoke()
    section, _, name = path.rpartition(".")
    setattr(getattr(config, section, config), name, value)
    return config


def journal(workspace, *trials):
    kept = Journal(workspace.journal_path)
    for trial in trials:
        kept.append(trial, TrialResult(trial.trial_id, "completed", 0.5))


FIELDS_BY_STAGE = [
    ("seed", 6, "baseline"),
    ("training.learning_rate", 0.02, "baseline"),
    ("features.num_mels", 20, "baseline"),
    ("data.validation_folds", (2,), "baseline"),
    ("search.epochs", 3, "baseline"),
    ("search.searcher", "random", "search"),
    ("search.reward", "auc", "search"),
    ("grid.epochs", 5, "grid"),
    ("grid.batch_size", (10, 12), "grid"),
    ("final.epochs", 40, "final"),
    ("final.bootstrap_samples", 177, "evaluation"),
]


@pytest.mark.parametrize("trained", ["baseline", "search", "grid", "final"])
@pytest.mark.parametrize(("path", "value", "stage"), FIELDS_BY_STAGE)
def test_a_field_is_fixed_by_the_trials_that_depend_on_it(
    tmp_path, trained, path, value, stage
):
    config = smoke()
    trials = {
        "baseline": stages.baseline_trial(config, (0,)),
        "search": stages.search_trial(config, 0, 0, (0,) * 21),
        "grid": stages.grid_trial(config, CRNN_BASELINE, 0, 0, (0, 0, 0)),
        "final": stages.final_trial(config, (0,), CRNN_BASELINE, (0, 0, 0)),
    }
    order = list(trials)
    workspace = Workspace(tmp_path)
    workspace.start(config)
    before = order[: order.index(trained) + 1]
    journal(workspace, *(trials[name] for name in before))
    other = changed(path, value)
    if stage in before and stage in ("baseline", "search"):
        with pytest.raises(ConfigError, match=rf"another config: {path}: "):
            workspace.start(other)
        assert workspace.read_config() == config
        return
    (note,) = workspace.start(other)
    assert note.startswith(f"{path}: ")
    assert ("is repeated" in note) == (stage in before)
    assert workspace.read_config() == other


def test_remote_paths_are_compared_as_strings():
    from audiotag_nas.experiment import path_fields

    for other in ("s3://bucket//features", "s3:/bucket/features", "./s3://b"):
        assert path_fields.differences(
            placed(features_dir=other),
            placed(features_dir="s3://bucket/features"),
        )
    config = placed(features_dir="s3://bucket/~")
    assert path_fields.absolute(config).data.features_dir == "s3://bucket/~"


def test_a_tilde_is_expanded_in_every_path(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    names = ("dataset_dir", "manifest_path", "features_dir", "export_dir")
    config = placed(**{name: f"~/{name}" for name in names})
    tuner = ArchitectureTuner(config, workdir=tmp_path / "w")
    assert tuner.workspace.features_dir == tmp_path / "features_dir"
    assert tuner.workspace.export_dir == tmp_path / "export_dir"
    assert tuner.config.data.dataset_dir == os.path.join(tmp_path, names[0])
    assert tuner.config.data.manifest_path == os.path.join(tmp_path, names[1])
    # The caller's config is unchanged.
    assert config.data.dataset_dir == "~/dataset_dir"


def exporting(export_dir, features_dir=""):
    config = smoke()
    config.final.export_dir = str(export_dir)
    config.data.features_dir = str(features_dir)
    return config


@pytest.mark.parametrize(
    "within",
    [".", "..", "../..", "dataset", "features", "trials/best", "logs/../logs"],
)
def test_an_export_over_the_experiment_is_refused(tmp_path, within):
    workspace = Workspace(tmp_path / "runs" / "mine")
    config = exporting(workspace.workdir / within)
    with pytest.raises(
        ConfigError, match=r"final\.export_dir: must be a separate dir"
    ):
        workspace.start(config)
    assert not workspace.workdir.exists()


def test_an_export_over_features_or_other_files_is_refused(tmp_path):
    workspace = Workspace(tmp_path / "mine")
    shared = tmp_path / "shared"
    with pytest.raises(
        ConfigError, match=r"final\.export_dir: must be a separate dir"
    ):
        workspace.start(exporting(shared, features_dir=shared / "features"))
    shared.mkdir()
    (shared / "thesis.tex").write_text("years of work")
    workspace = Workspace(tmp_path / "mine")
    with pytest.raises(StoreError, match="must be a new or empty directory"):
        workspace.start(exporting(shared))
    assert not workspace.config_path.exists()


@pytest.mark.parametrize("name", ["mine/export", "mine/models/best", "else"])
def test_an_export_to_other_directories_is_accepted(tmp_path, name):
    workspace = Workspace(tmp_path / "mine")
    workspace.start(exporting(tmp_path / name))
    assert workspace.export_dir == tmp_path / name


def test_reopen_uses_the_features_and_ignores_the_export(tmp_path):
    config = smoke()
    config.data.features_dir = str(tmp_path / "features")
    config.final.export_dir = str(tmp_path / "mine")
    Workspace(tmp_path / "w").start(config)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("my own")
    with pytest.raises(StoreError, match=r"mine"):
        Workspace(tmp_path / "w").start(config)
    workspace = Workspace(tmp_path / "w")
    assert workspace.reopen() == config
    assert workspace.split_dir("31x16", "development") == (
        tmp_path / "features" / "31x16" / "development"
    )
    with pytest.raises(StoreError, match="contains no experiment"):
        Workspace(tmp_path / "empty").reopen()
