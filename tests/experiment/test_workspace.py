"""A working directory goes on with the config it was begun with."""

import pytest

from audiotag_nas.errors import ConfigError, StoreError
from audiotag_nas.experiment.workspace import Workspace
from audiotag_nas.shipped import load_config


def smoke(num_trials=4, epochs=1):
    config = load_config("smoke")
    config.search.num_trials = num_trials
    config.training.epochs = epochs
    return config


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


def test_more_children_are_kept(tmp_path):
    workspace = Workspace(tmp_path)
    workspace.start(smoke(4))
    workspace.start(smoke(6))
    assert workspace.read_config().search.num_trials == 6


@pytest.mark.parametrize(
    ("other", "named"),
    [
        (smoke(3), ["search.num_trials: 3 here, 4 there"]),
        (smoke(4, 9), ["training.epochs: 9 here, 1 there"]),
        (
            smoke(6, 9),
            [
                "search.num_trials: 6 here, 4 there",
                "training.epochs: 9 here, 1 there",
            ],
        ),
    ],
    ids=["fewer children", "epochs", "more children and epochs"],
)
def test_any_other_config_is_refused_and_what_was_kept_stays(
    tmp_path, other, named
):
    workspace = Workspace(tmp_path)
    workspace.start(smoke())
    before = workspace.config_path.read_bytes()
    with pytest.raises(ConfigError, match="begun with another config") as info:
        workspace.start(other)
    for difference in named:
        assert difference in str(info.value)
    assert workspace.config_path.read_bytes() == before


def exporting(export_dir, features_dir=""):
    config = smoke()
    config.final.export_dir = str(export_dir)
    config.data.features_dir = str(features_dir)
    return config


@pytest.mark.parametrize(
    "within",
    [".", "..", "../..", "dataset", "features", "trials/best", "logs/../logs"],
)
def test_an_export_that_would_replace_the_experiment_is_refused(
    tmp_path, within
):
    workspace = Workspace(tmp_path / "runs" / "mine")
    config = exporting(workspace.workdir / within)
    with pytest.raises(ConfigError, match=r"final\.export_dir: must be a dir"):
        workspace.start(config)
    assert not workspace.workdir.exists()


def test_an_export_into_the_features_or_others_files_is_refused(tmp_path):
    workspace = Workspace(tmp_path / "mine")
    shared = tmp_path / "shared"
    with pytest.raises(ConfigError, match=r"final\.export_dir: must be a dir"):
        workspace.start(exporting(shared, features_dir=shared / "features"))
    shared.mkdir()
    (shared / "thesis.tex").write_text("years of work")
    workspace = Workspace(tmp_path / "mine")
    with pytest.raises(StoreError, match="holds what is no exported model"):
        workspace.start(exporting(shared))
    assert not workspace.config_path.exists()


@pytest.mark.parametrize("name", ["mine/export", "mine/models/best", "else"])
def test_an_export_may_go_anywhere_else(tmp_path, name):
    workspace = Workspace(tmp_path / "mine")
    workspace.start(exporting(tmp_path / name))
    assert workspace.export_dir == tmp_path / name
