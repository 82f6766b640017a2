"""Continuing without `--config`: the stored config of the directory."""

import json
from pathlib import Path

import pytest

from audiotag_nas.command_line.overrides import resolved
from audiotag_nas.config.shipped import load_config
from audiotag_nas.errors import ConfigError, StoreError
from audiotag_nas.experiment import stages
from audiotag_nas.experiment.workspace import Workspace
from audiotag_nas.search.journal import Journal
from tests.fakes import fake_train


@pytest.fixture
def begun(tmp_path):
    """A directory whose stored config differs from every shipped one.

    Its manifest is missing: a command that reaches the data reports that.
    """
    config = load_config("smoke")
    config.data.source = "manifest"
    config.data.manifest_path = str(tmp_path / "none.csv")
    config.training.epochs = 3
    config.search.early_stop = "halving"
    workspace = Workspace(tmp_path / "w")
    workspace.start(config)
    return workspace


def kept(workspace) -> dict:
    return json.loads(workspace.config_path.read_text())


@pytest.mark.parametrize("tool", ["run", "grid"])
def test_without_a_config_the_stored_one_is_used_and_named(
    run_tool, begun, tool
):
    before = kept(begun)
    done = run_tool(tool, f"--workdir={begun.workdir}")
    assert done.returncode == 1
    assert "none.csv" in done.stderr.splitlines()[-1]
    assert "another config" not in done.stderr
    assert done.stdout.splitlines()[0] == (
        f"config: {begun.config_path}, because --config is not given"
    )
    assert kept(begun) == before


def test_a_flagfile_is_read_before_the_config_is_chosen(
    run_tool, begun, tmp_path
):
    before = kept(begun)
    flagfile = tmp_path / "flags"
    flagfile.write_text(f"--workdir={begun.workdir}\n")
    done = run_tool("prepare", f"--flagfile={flagfile}")
    assert "none.csv" in done.stderr.splitlines()[-1]
    assert kept(begun) == before
    done = run_tool("prepare", "--flagfile=nowhere.txt")
    (line,) = done.stderr.splitlines()
    assert done.returncode == 2
    assert line.startswith("error: --flagfile: ")
    assert "No such file or directory: 'nowhere.txt'" in line
    # Names of shipped configs are resolved there too.
    flagfile.write_text("--config=smoke\n--config.data.tags=a,b\n")
    other = tmp_path / "other"
    run_tool(
        *("prepare", f"--flagfile={flagfile}", f"--workdir={other}"),
        *("--config.data.source=manifest", "--config.data.manifest_path=n.csv"),
    )
    assert kept(Workspace(other))["name"] == "smoke"
    assert kept(Workspace(other))["data"]["tags"] == ["a", "b"]


@pytest.mark.parametrize("form", ["--config={}", "-config={}", "-config {}"])
def test_a_given_config_is_used_in_every_spelling(run_tool, begun, form):
    done = run_tool(
        *("prepare", f"--workdir={begun.workdir}"),
        *form.format("smoke").split(" "),
        *("-config.data.source=manifest", "--config.data.manifest_path=n.csv"),
    )
    assert done.stdout == ""
    assert kept(begun)["data"]["manifest_path"] == str(Path("n.csv").resolve())
    assert kept(begun)["name"] == "smoke"
    assert kept(begun)["training"]["epochs"] == 1


@pytest.mark.parametrize(
    "form", ["--workdir={}", "-workdir={}", "--workdir {}"]
)
def test_overrides_alone_change_the_stored_config(run_tool, begun, form):
    before = kept(begun)
    done = run_tool(
        "prepare",
        *form.format(begun.workdir).split(" "),
        "--config.search.num_trials=9",
    )
    assert "none.csv" in done.stderr.splitlines()[-1]
    expected = before | {"search": before["search"] | {"num_trials": 9}}
    assert kept(begun) == expected


def test_a_given_config_is_compared_with_the_stored_one(run_tool, begun):
    trial = stages.baseline_trial(begun.read_config(), (0,))
    Journal(begun.journal_path).append(trial, fake_train(trial))
    done = run_tool("prepare", "--config=smoke", f"--workdir={begun.workdir}")
    assert done.returncode == 1
    assert "training.epochs: 1 here, 3 there" in done.stderr
    assert done.stdout == ""


def test_a_directory_without_a_config_starts_with_the_default(
    run_tool, tmp_path
):
    done = run_tool(
        "prepare",
        f"--workdir={tmp_path / 'new'}",
        "--config.data.source=manifest",
        "--config.data.manifest_path=none.csv",
    )
    assert "none.csv" in done.stderr.splitlines()[-1]
    assert done.stdout == ""
    assert kept(Workspace(tmp_path / "new"))["name"] == "demo"


def test_a_stored_config_can_be_given_by_its_path(run_tool, begun, tmp_path):
    other = Workspace(tmp_path / "other")
    done = run_tool(
        "prepare",
        f"--config={begun.config_path}",
        f"--workdir={other.workdir}",
        "--config.seed=5",
    )
    assert "none.csv" in done.stderr.splitlines()[-1]
    assert kept(other) == kept(begun) | {"seed": 5}
    assert load_config(str(begun.config_path)) == begun.read_config()


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("{", "Expecting property name"),
        ('{"training": {"epoch": 3}}', "no field named 'epoch'"),
        ('{"training": {"epochs": 0}}', "must be at least 1. Received: 0"),
        ("[3]", ""),
    ],
)
def test_a_damaged_config_is_one_line_that_names_it(
    run_tool, tmp_path, text, part
):
    path = tmp_path / "config.json"
    path.write_text(text)
    for flags in ([], [f"--config={path}"]):
        done = run_tool("prepare", f"--workdir={tmp_path}", *flags)
        assert done.returncode == 2
        assert done.stdout == ""
        (line,) = done.stderr.splitlines()
        assert line.startswith(f"error: {path}: ")
        assert part in line
    assert path.read_text() == text
    with pytest.raises(StoreError, match=r"config\.json"):
        load_config(str(path))


def test_an_unknown_name_is_refused_with_what_is_allowed():
    rule = r"must be a Python file, .*config\.json or .*Received: 'nowhere'"
    with pytest.raises(ConfigError, match=rf"^`name` {rule}"):
        load_config("nowhere")
    with pytest.raises(ConfigError, match=rf"^--config: {rule}"):
        resolved(
            ["tool", "--config=nowhere"], has_config=True, has_early_stop=True
        )
