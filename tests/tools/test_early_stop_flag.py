"""`--early_stop`, as a user gives it."""

import pytest

from audiotag_nas.experiment.workspace import Workspace
from audiotag_nas.shipped import load_config


@pytest.mark.parametrize("tool", ["run", "search"])
@pytest.mark.parametrize(
    "flag", [["--early_stop=curve"], ["--early_stop", "curve"]]
)
def test_the_flag_sets_the_configs_field(run_tool, tmp_path, tool, flag):
    # A directory that was begun without it says so before anything is done.
    Workspace(tmp_path).start(load_config("smoke"))
    done = run_tool(tool, "--config=smoke", f"--workdir={tmp_path}", *flag)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert "search.early_stop: 'curve' here, 'none' there" in last


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--early_stop=median", "one of ['none', 'halving', 'curve']"),
        ("--early_stop", "give a value"),
    ],
)
def test_a_wrong_value_is_one_line(run_tool, tmp_path, flag, message):
    workdir = tmp_path / "never"
    done = run_tool("search", f"--workdir={workdir}", flag)
    assert done.returncode in (1, 2)
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not workdir.exists()


def test_tools_that_search_no_architectures_do_not_know_it(run_tool, tmp_path):
    done = run_tool("grid", f"--workdir={tmp_path}", "--early_stop=curve")
    assert done.returncode == 2
    assert "early_stop" in done.stderr
