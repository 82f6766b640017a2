"""The command lines, as real processes: help, wrong input, exit statuses."""

import ast
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from absl import flags
from ml_collections import config_flags

from audiotag_nas.command_line import flag_paths, overrides
from audiotag_nas.errors import ConfigError

ROOT = Path(__file__).parents[2]
TOOL = (sys.executable, "-m", "audiotag_nas")
TOOLS = sorted(path.stem for path in (ROOT / "tools").glob("*.py"))


def test_help_lists_every_tool_and_config_with_one_line_each(run_tool):
    done = run_tool("--help")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    for tool in TOOLS:
        docstring = ast.get_docstring(
            ast.parse((ROOT / "tools" / f"{tool}.py").read_text())
        )
        summary = docstring.splitlines()[0]
        assert any(
            line.split() == [tool, *summary.split()] for line in lines
        ), tool
    assert "chime_home, demo, domestic_table, smoke" in done.stdout


@pytest.mark.parametrize("tool", TOOLS)
def test_a_tools_help_needs_neither_tensorflow_nor_librosa(tool):
    code = (
        "import runpy, sys\n"
        f"sys.argv = ['{tool}', '--help']\n"
        "try:\n"
        f"    runpy.run_path('tools/{tool}.py', run_name='__main__')\n"
        "except SystemExit as end:\n"
        "    status = end.code\n"
        "heavy = {'tensorflow', 'keras', 'librosa'} & set(sys.modules)\n"
        "print('STATUS', status, 'HEAVY', sorted(heavy))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
    )
    assert "STATUS 0 HEAVY []" in done.stdout, done.stdout + done.stderr
    assert "flags:" in done.stdout


def one_line_error(done: subprocess.CompletedProcess) -> str:
    """The one line on standard error; nothing may be on standard output."""
    assert done.stdout == ""
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    return lines[0]


@pytest.mark.parametrize(
    ("flag", "parts"),
    [
        ("--config.training.bach=3", ["config.training", "bach", "batch_size"]),
        ("--config.trainin.epochs=3", ["config", "trainin", "training"]),
        ("--config.training=3", ["config.training", "section", "epochs"]),
        (
            "--config.training.epochs=many",
            ["config.training.epochs", "an int", "'many'"],
        ),
        ("--config.training.epochs", ["config.training.epochs", "VALUE"]),
        (
            "--config.training.epochs=0",
            ["config.training.epochs", "must be at least 1. Received: 0"],
        ),
        ("--config.grid.batch_size=8,x", ["config.grid.batch_size", "8,x"]),
        ('--config.data.tags="a, b,c', ["config.data.tags", "'\"a, b,c'"]),
        ("--config=nowhere", ["--config", "smoke", "'nowhere'"]),
        ("--config=tests/fakes.py", ["--config", "get_config"]),
        ("--wrkdir=x", ["wrkdir", "workdir"]),
        ("stray", ["--name=value", "stray"]),
    ],
)
def test_a_wrong_flag_is_one_line_that_names_it(
    run_tool, flag, parts, tmp_path
):
    done = run_tool("prepare", f"--workdir={tmp_path / 'w'}", flag)
    line = one_line_error(done)
    assert done.returncode != 0
    for part in parts:
        assert part in line
    assert not (tmp_path / "w").exists()


@pytest.mark.parametrize(
    ("statement", "parts"),
    [
        (
            "config.training.epoch = 5",
            ["TrainingConfig: no field named 'epoch'", "epochs"],
        ),
        ("config = type(config)(epoch=5)", ["TypeError", "'epoch'"]),
        ("config = nowhere", ["NameError", "'nowhere'"]),
        (
            "try: {}['DATA']\n    except KeyError: "
            "raise ValueError('set DATA') from None",
            ["ValueError: set DATA"],
        ),
        (
            "try: {}['DATA']\n    except KeyError: nowhere",
            ["NameError", "'nowhere'"],
        ),
    ],
)
def test_an_error_in_a_config_file_is_one_line_without_a_traceback(
    run_tool, tmp_path, statement, parts
):
    path = tmp_path / "mine.py"
    path.write_text(
        "from audiotag_nas import load_config\n"
        "def get_config():\n"
        "    config = load_config('smoke')\n"
        f"    {statement}\n"
        "    return config\n"
    )
    done = run_tool("prepare", f"--config={path}", f"--workdir={tmp_path}/w")
    assert done.returncode == 2
    line = one_line_error(done)
    # The statement's first line is the file's fourth; what an except clause
    # raises stands in the next.
    number = 5 if "except" in statement else 4
    assert line.startswith(f"error: --config: {path}, line {number}: ")
    assert "Traceback" not in line
    for part in parts:
        assert part in line


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("\ndef get_config(:\n", ["mine.py, line 2: SyntaxError"]),
        ("config = None\n", ["must define a function get_config()", "none"]),
        ("import nowhere\n", ["mine.py, line 1: ModuleNotFoundError"]),
        (None, ["mine.py', no such file"]),
    ],
)
def test_an_invalid_config_file_is_reported_with_its_line(
    run_tool, tmp_path, text, parts
):
    path = tmp_path / "mine.py"
    if text is not None:
        path.write_text(text)
    done = run_tool("prepare", f"--config={path}", f"--workdir={tmp_path}/w")
    assert done.returncode == 2
    for part in parts:
        assert part in one_line_error(done)


@pytest.mark.parametrize("tool", ["run", "search", "grid"])
@pytest.mark.parametrize(
    ("flags", "part"),
    [
        # Two frames that overlap would leave out most of 4 s.
        (
            ["--config.grid.spectrogram_size=62x40,2x40"],
            "2x40: a clip of 4.0 s",
        ),
        # A clip cut to another length: 62 frames of 4 s are 2048 samples long,
        # (64000 - 2048) // 61 = 1015 apart, so 16000 samples give 1 + 13952 //
        # 1015 = 14.
        (
            [
                "--config.data.clip_seconds=1",
                "--config.data.min_clip_seconds=1",
            ],
            "must have a size of 14 frames, e.g. 14x40,14x64, because the "
            "search trains on 14x40 (by config.features and "
            "data.clip_seconds=1.0). Received: 62x40,62x64",
        ),
        (
            [
                "--config.data.clip_seconds=1",
                "--config.data.min_clip_seconds=1",
                # (16000 - 1024) // 3999 = 3 apart give 4993.
                "--config.grid.spectrogram_size=14x40,4000x40",
            ],
            "4000x40: a clip of 1.0 s can't have it. The nearest",
        ),
    ],
)
def test_a_grid_that_does_not_fit_the_clips_is_reported_first(
    run_tool, tmp_path, tool, flags, part
):
    workdir = tmp_path / "never"
    done = run_tool(tool, "--config=demo", f"--workdir={workdir}", *flags)
    assert done.returncode == 1
    line = one_line_error(done)
    assert line.startswith("error: config.grid.spectrogram_size: ")
    assert part in line
    assert not workdir.exists()


@pytest.mark.parametrize(
    ("tool", "flag"),
    [("check", "--noaudio=True"), ("run", "--noalsologtostderr=1")],
)
def test_a_negated_flag_with_a_value_is_named_not_the_config(
    run_tool, tool, flag
):
    done = run_tool(tool, flag)
    assert done.returncode == 2
    assert one_line_error(done) == f"error: {flag} does not take an argument"


def test_backends_of_the_environment_are_overridden(tmp_path):
    # A small tool: the real ones take long until they import Keras.
    script = (
        "from audiotag_nas.command_line import command\n"
        "def main(argv):\n"
        "    import keras\n"
        "    from audiotag_nas.report.figures import pyplot\n"
        "    print(keras.backend.backend(), pyplot().get_backend())\n"
        "command.run(main)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        env=os.environ
        | {"PYTHONPATH": str(ROOT), "MPLBACKEND": "junk"}
        | {"KERAS_BACKEND": "torch", "MPLCONFIGDIR": str(tmp_path)},
    )
    assert (done.returncode, done.stdout) == (0, "tensorflow Agg\n")
    assert done.stderr == (
        "warning: KERAS_BACKEND: must be 'tensorflow'. This value is used. "
        "Received: 'torch'\n"
    )


def test_a_missing_workdir_is_named(run_tool):
    done = run_tool("prepare")
    assert done.returncode != 0
    assert "--workdir: must be given" in one_line_error(done)


def test_an_unknown_tool_is_reported_with_the_existing_ones(run_tool):
    done = run_tool("serach")
    assert done.returncode == 2
    line = one_line_error(done)
    assert "'serach'" in line
    assert "search" in line


def test_continuing_with_another_config_is_refused_naming_the_fields(
    run_tool, tmp_path
):
    from audiotag_nas.config import ExperimentConfig
    from audiotag_nas.experiment import stages
    from audiotag_nas.experiment.workspace import Workspace
    from audiotag_nas.search.journal import Journal
    from tests.fakes import fake_train

    workspace = Workspace(tmp_path)
    workspace.start(ExperimentConfig())
    trial = stages.baseline_trial(ExperimentConfig(), (0,))
    Journal(workspace.journal_path).append(trial, fake_train(trial))
    path = tmp_path / "mine.py"
    path.write_text(
        "from audiotag_nas import ExperimentConfig\n"
        "def get_config(): return ExperimentConfig()\n"
    )
    done = run_tool(
        "prepare",
        f"--config={path}",
        f"--workdir={tmp_path}",
        "--config.training.epochs=7",
        "--config.features.num_mels=64",
        "--config.grid.mixup_alpha=0.5",
    )
    assert done.returncode == 1
    line = one_line_error(done)
    assert "training.epochs: 7 here, 100 there" in line
    assert "features.num_mels: 64 here, 128 there" in line
    # The grid runs again with other values: no conflict.
    assert "grid.mixup_alpha" not in line


def test_a_command_that_failed_early_can_be_corrected_in_its_directory(
    run_tool, tmp_path
):
    command = (
        *("prepare", "--config=smoke", f"--workdir={tmp_path / 'w'}"),
        "--config.data.source=manifest",
    )
    (tmp_path / "mine.csv").write_text("path,tags\n")
    for name, part in (("typo.csv", "typo.csv"), ("mine.csv", "split")):
        done = run_tool(
            *command, f"--config.data.manifest_path={tmp_path / name}"
        )
        assert done.returncode == 1
        assert part in one_line_error(done)
        assert "another config" not in done.stderr


def test_a_directory_without_an_experiment_is_named(run_tool, tmp_path):
    done = run_tool("results", f"--workdir={tmp_path}")
    assert done.returncode == 1
    assert str(tmp_path) in one_line_error(done)


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("dog (loud),rain (light)", ["dog (loud)", "rain (light)"]),
        ("(dog,rain)", ["dog", "rain"]),
        ("['dog', 'rain']", ["dog", "rain"]),
        ("rain (light)", ["rain (light)"]),
        ("(loud) dog,rain (light)", ["(loud) dog", "rain (light)"]),
        ('"a, b",c', ["a, b", "c"]),
        ("('a, b' , 'c')", ["a, b", "c"]),
        ('dog\'s bark,"say ""hi, you"""', ["dog's bark", 'say "hi, you"']),
        ("'tis,rain", ["'tis", "rain"]),
    ],
)
def test_items_keep_their_parentheses_commas_and_quotes(
    monkeypatch, text, tags
):
    argv, _ = overrides.resolved(
        ["prepare", "--config=smoke", f"--config.data.tags={text}"],
        has_config=True,
        has_early_stop=False,
    )
    # The config flags look for overrides in sys.argv.
    monkeypatch.setattr(sys, "argv", argv)
    values = flags.FlagValues()
    config = config_flags.DEFINE_config_file("config", flag_values=values)
    values(argv)
    assert list(config.value.data.tags) == tags


def test_quoted_values_are_stored_in_the_directory(run_tool, tmp_path):
    done = run_tool(
        "prepare",
        f"--workdir={tmp_path}",
        "--config=smoke",
        "--config.data.source=manifest",
        f"--config.data.manifest_path={tmp_path / 'none.csv'}",
        '--config.data.tags="a, b",rain (light)',
    )
    assert done.returncode == 1
    assert "none.csv" in done.stderr.splitlines()[-1]
    kept = json.loads((tmp_path / "config.json").read_text())
    assert kept["data"]["tags"] == ["a, b", "rain (light)"]


def test_an_empty_workdir_is_refused_and_a_tilde_expanded(run_tool, tmp_path):
    done = run_tool("prepare", "--workdir=", "--config=smoke")
    assert done.returncode == 1
    assert "--workdir: must name a directory" in done.stderr
    done = run_tool(
        *("prepare", "--workdir=~/runs", "--config=smoke"),
        "--config.data.source=manifest",
        "--config.data.manifest_path=none.csv",
        HOME=str(tmp_path),
    )
    assert done.returncode == 1
    assert (tmp_path / "runs" / "config.json").exists()
    done = run_tool("status", "--workdir=~/runs", HOME=str(tmp_path))
    assert done.returncode == 0, done.stderr


def test_the_file_type_of_a_picture_is_checked_before_the_work(tmp_path):
    values = flags.FlagValues()
    flag = flags.DEFINE_string("output", None, "", flag_values=values)
    values.mark_as_parsed()
    assert flag_paths.picture_path(flag) is None
    for name in ("a.png", "there/a.pdf", "a.svg"):
        values["output"].value = str(tmp_path / name)
        assert flag_paths.picture_path(flag) == str(tmp_path / name)
    values["output"].value = str(tmp_path / "a.xyz")
    with pytest.raises(ConfigError, match=r"^--output: must end in .*xyz'$"):
        flag_paths.picture_path(flag)
    assert not list(tmp_path.iterdir())


def test_an_interrupted_check_does_not_promise_to_continue(tmp_path):
    manifest = tmp_path / "clips.csv"
    os.mkfifo(manifest)
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "audiotag_nas",
            "check",
            f"--manifest={manifest}",
        ],
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    # It opens once the tool does, which then waits for its first line.
    with open(manifest, "w"):
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=30)
    assert process.returncode == 128 + signal.SIGINT
    assert told == "interrupted.\n"
