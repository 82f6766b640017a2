"""The flag `--early_stop` on the command line."""

import pytest

from audiotag_nas.config.shipped import load_config
from audiotag_nas.experiment import stages
from audiotag_nas.experiment.workspace import Workspace
from audiotag_nas.search.journal import Journal
from tests.fakes import fake_train


@pytest.mark.parametrize(
    ("tool", "flag"),
    [("run", ["--early_stop=curve"]), ("search", ["--early_stop", "curve"])],
)
def test_the_flag_sets_the_config_field(run_tool, tmp_path, tool, flag):
    # The directory was begun without it, which is an error before any work.
    workspace = Workspace(tmp_path)
    config = load_config("smoke")
    workspace.start(config)
    trial = stages.search_trial(config, 0, 0, (0,) * 21)
    Journal(workspace.journal_path).append(trial, fake_train(trial))
    done = run_tool(tool, "--config=smoke", f"--workdir={tmp_path}", *flag)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert "search.early_stop: 'curve' here, 'none' there" in last


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--early_stop=median", "one of none, halving, curve"),
        ("--early_stop", "must have a value"),
    ],
)
def test_a_wrong_value_is_an_error_of_one_line(
    run_tool, tmp_path, flag, message
):
    workdir = tmp_path / "never"
    done = run_tool("search", f"--workdir={workdir}", flag)
    assert done.returncode in (1, 2)
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not workdir.exists()


@pytest.mark.parametrize("tool", ["grid", "prepare"])
def test_commands_before_and_after_the_search_accept_the_flag(
    run_tool, tmp_path, tool
):
    """Otherwise they would refuse a directory that was searched with it."""
    config = load_config("smoke")
    config.data.source = "manifest"
    config.data.manifest_path = str(tmp_path / "none.csv")
    config.search.early_stop = "halving"
    Workspace(tmp_path / "w").start(config)
    done = run_tool(
        tool,
        "--config=smoke",
        f"--workdir={tmp_path / 'w'}",
        "--config.data.source=manifest",
        f"--config.data.manifest_path={tmp_path / 'none.csv'}",
        "--early_stop=halving",
    )
    # The command got as far as reading the data.
    assert done.returncode == 1
    assert "none.csv" in done.stderr.splitlines()[-1]


def test_tools_without_an_experiment_reject_the_flag(run_tool, tmp_path):
    done = run_tool("status", f"--workdir={tmp_path}", "--early_stop=curve")
    assert done.returncode == 2
    assert "early_stop" in done.stderr
