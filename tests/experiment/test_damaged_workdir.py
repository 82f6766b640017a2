"""Commands on working directories with damaged contents: no traceback.

Each command either works or raises a `UserError`, which is printed as one
line. No process writes to the FIFOs: a blocking open would never return.
"""

import copy
import dataclasses
import functools
import io
import json
import os
import shutil
import socket
from pathlib import Path

import pytest

from audiotag_nas.config import ExperimentConfig, SearchConfig
from audiotag_nas.errors import UserError
from audiotag_nas.experiment import pareto, stages
from audiotag_nas.experiment.model_export import export_trial
from audiotag_nas.experiment.progress import Progress
from audiotag_nas.experiment.results import (
    export_table,
    ranked_entries,
    recommended_lines,
    results_lines,
)
from audiotag_nas.experiment.running_file import RunningFile
from audiotag_nas.experiment.tuner import ArchitectureTuner
from audiotag_nas.experiment.workspace import Workspace
from audiotag_nas.inspection import explanation
from audiotag_nas.inspection.status import read_status
from audiotag_nas.inspection.status_screen import status_lines
from audiotag_nas.report.tables import format_csv
from audiotag_nas.search.events import SearchEvent, TrialFinished, TrialStarted
from audiotag_nas.search.journal import Journal, read_entries
from audiotag_nas.search.lock import driver_lock, read_holder
from audiotag_nas.search.loop import run_search
from audiotag_nas.search.searcher import make_searcher
from audiotag_nas.training.hparams import HParamsWriter
from audiotag_nas.trial import Trial, TrialResult, TrialStatus
from tests.fakes import FakeRunner
from tests.journals import change_line, sealed

CONFIG = ExperimentConfig(
    name="damaged",
    search=SearchConfig(
        num_trials=12,
        trials_per_round=3,
        early_stop="curve",
        early_stop_min_trials=8,
    ),
)


class _FakeTraining:
    """Completes trials with all fields of a real result."""

    def __init__(self) -> None:
        self.num_trained = 0

    def __call__(self, trial: Trial) -> TrialResult:
        self.num_trained += 1
        eer = 0.2 + 0.01 * self.num_trained
        return TrialResult(
            trial.trial_id,
            TrialStatus.COMPLETED,
            1 - eer,
            metrics={"validation_eer": eer, "num_parameters": 1000.0 * eer},
            history={"quality": [0.5, 0.6, 1 - eer], "validation_eer": [eer]},
            seconds=2.0,
        )


def _run_search(workspace: Workspace, num_trials: int) -> None:
    """Runs a search as the tuner does, with fake trainings."""
    progress = Progress(stream=io.StringIO())
    hparams = HParamsWriter(
        workspace.logs_dir, search_spaces={"search": CONFIG.search.space()}
    )

    def on_event(event: SearchEvent) -> None:
        if isinstance(event, TrialFinished):
            hparams.write(
                event.trial, event.result, from_journal=event.from_journal
            )
            progress.trial(event)

    run_search(
        make_searcher("random", CONFIG.search.space(), seed=7),
        FakeRunner(_FakeTraining()),
        Journal(workspace.journal_path),
        stage="search",
        num_trials=num_trials,
        trials_per_round=3,
        make_trial=functools.partial(stages.search_trial, CONFIG),
        failure_reward=0.0,
        early_stopper=stages.early_stopper(CONFIG),
        on_event=on_event,
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """A search that was killed in its tenth trial."""
    workspace = Workspace(tmp_path_factory.mktemp("whole"))
    workspace.start(CONFIG)
    _run_search(workspace, 9)
    trial = read_entries(workspace.journal_path)[8].trial
    running = RunningFile(workspace.running_path)
    running.begin("search", num_total=12, num_slots=1)
    running.take(
        TrialStarted(dataclasses.replace(trial, trial_id="search-0009"))
    )
    holder = {"pid": 5, "host": socket.gethostname(), "since": "2026-01-31"}
    workspace.lock_path.write_text(json.dumps(holder) + "\n")
    return workspace.workdir


@pytest.fixture
def workdir(whole, tmp_path) -> Path:
    return shutil.copytree(whole, tmp_path / "work")


def _results(workspace: Workspace) -> None:
    workspace.read_config()
    results_lines(ranked_entries(workspace, "search"))
    recommended_lines(workspace)


def _pareto(workspace: Workspace) -> None:
    workspace.read_config()
    pareto.front_lines(ranked_entries(workspace, "search"))


def _export_trials(workspace: Workspace) -> None:
    workspace.read_config()
    headers, rows = export_table(read_entries(workspace.journal_path))
    format_csv(rows, headers=headers).encode()


def _export(workspace: Workspace) -> None:
    config = workspace.reopen()
    export_trial(config, workspace, "search-0004", workspace.workdir / "x")


def _search(workspace: Workspace) -> None:
    """Reads the directory as `search` and `run` do before they train."""
    tuner = ArchitectureTuner(CONFIG, workdir=workspace.workdir)
    with tuner.driving():
        _run_search(workspace, 12)


COMMANDS = {
    "status": lambda w: status_lines(read_status(w.workdir)),
    "results": _results,
    "results --pareto": _pareto,
    "export_trials": _export_trials,
    "explain": lambda w: explanation.explain(w.workdir),
    "export": _export,
    "search": _search,
}


FILES = ("config.json", "trials.jsonl", "driver.lock", "running.json")

READERS = {
    "driver.lock": ("status", "search"),
    "running.json": ("status", "results", "search"),
}
"""The commands that read a file; every command for all other files."""

CONTENTS = {
    "empty": b"",
    "newlines": b"\n\n\n",
    "NUL": b"\0" * 100,
    "not UTF-8": b'{"name": "caf\xe9"}\n' * 2,
    "UTF-16": '{"pid": 1}\n'.encode("utf-16"),
    "number": b"7\n7\n",
    "null": b"null\nnull\n",
    "list": b"[]\n[]\n",
    "object": b"{}\n{}\n",
    "NaN": b'{"pid": NaN}\n' * 2,
    "deep lists": b"[" * 100_000 + b"\n",
    "deep objects": b'{"search":' * 100_000 + b"\n",
    "many digits": b'{"seed": ' + b"9" * 5000 + b"}\n",
}


def _outcome(command, workdir: Path) -> str:
    """Returns the error of the user, which must be one line, or ""."""
    text = ""
    try:
        command(Workspace(workdir))
    except UserError as error:
        text = str(error)
    assert "\n" not in text
    return text


@pytest.mark.parametrize("name", FILES)
def test_any_content_of_a_file_works_or_gives_one_line(whole, tmp_path, name):
    for number, (what, content) in enumerate(CONTENTS.items()):
        for command, call in COMMANDS.items():
            if command not in READERS.get(name, COMMANDS):
                continue
            workdir = shutil.copytree(whole, tmp_path / f"{number}{command}")
            (workdir / name).write_bytes(content)
            error = _outcome(call, workdir)
            if name == "config.json":
                assert name in error, (what, command)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("kind", ["FIFO", "directory", "device", "dead link"])
def test_irregular_files_do_not_block(whole, tmp_path, name, kind):
    for command, call in COMMANDS.items():
        workdir = shutil.copytree(whole, tmp_path / command)
        path = workdir / name
        path.unlink()
        if kind == "FIFO":
            os.mkfifo(path)
        elif kind == "directory":
            path.mkdir()
        else:
            path.symlink_to("/dev/zero" if kind == "device" else "nowhere")
        error = _outcome(call, workdir)
        if name == "trials.jsonl" and kind != "dead link":
            assert f"{name}: must be a regular file" in error, command


HOSTILE = (
    *(None, True, -1, 0, 2**31, 2**63, 10**400, 1e308, -0.5, 1e-320),
    *("", "x", "\0\x1b[31m\n", "\ud800", [], [[]], ["x"], [1e308], {}, {"": 0}),
    *([None], json.loads("[" * 300 + "]" * 300)),
)


def _paths(value, path=()):
    """Yields the path of every value in nested objects and lists."""
    yield path
    items = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value[:1])
    for key, item in items:
        yield from _paths(item, (*path, key))


def _replaced(value, path, new):
    """Returns a copy in which the value at `path` is `new`."""
    if not path:
        return new
    result = copy.deepcopy(value)
    place = result
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = new
    return result


def _without(value, path):
    result = copy.deepcopy(value)
    place = result
    for key in path[:-1]:
        place = place[key]
    del place[path[-1]]
    return result


def _mutants(value):
    for path in _paths(value):
        for new in HOSTILE:
            yield path, _replaced(value, path, new)
        if path:
            yield path, _without(value, path)


QUICK = [name for name in COMMANDS if name not in ("explain", "search")]


@pytest.mark.parametrize("name", ["config.json", "driver.lock", "running.json"])
def test_any_value_in_a_json_file_works_or_gives_one_line(workdir, name):
    value = json.loads((workdir / name).read_text())
    for _, mutant in _mutants(value):
        (workdir / name).write_text(json.dumps(mutant))
        _outcome(COMMANDS["status"], workdir)


def test_any_value_in_a_journal_line_works_or_gives_one_line(workdir):
    path = workdir / "trials.jsonl"
    lines = path.read_text().splitlines()
    value = json.loads(lines[4])
    for _, mutant in _mutants(value):
        if not isinstance(mutant, dict):
            continue
        # The file has this line only, because parsing more would waste time.
        path.write_text(sealed(mutant) + "\n")
        # Every command reads the journal by this function.
        error = _outcome(lambda w: read_entries(w.journal_path), workdir)
        if error:
            assert "trials.jsonl, line 1: damaged: " in error
            continue
        for command in QUICK:
            _outcome(COMMANDS[command], workdir)


VALID_BUT_WRONG = {
    "no architecture": lambda v: v["trial"].pop("architecture"),
    "too few tokens": lambda v: v["trial"].update(tokens=[0]),
    "a token too great": lambda v: v["trial"]["tokens"].append(99),
    "a token below 0": lambda v: v["trial"].update(tokens=[-1] * 21),
    "no hparams": lambda v: v["trial"].update(hparams={}),
    "an odd stage": lambda v: v["trial"].update(stage=""),
    "a great reward": lambda v: v["result"].update(reward=1e308),
    "no metrics": lambda v: v["result"].update(metrics={}),
    "great metrics": lambda v: v["result"].update(
        metrics={"validation_eer": 1e308, "num_parameters": 1e308}
    ),
    "stopped far away": lambda v: v["result"]["metrics"].update(
        stopped_epoch=1e300
    ),
    "stopped before": lambda v: v["result"]["metrics"].update(stopped_epoch=-1),
    "no curves": lambda v: v["result"].update(history={}),
    "an empty curve": lambda v: v["result"]["history"].update(quality=[]),
    "a null": lambda v: v["result"]["history"].update(quality=[None, 0.5]),
    "great numbers": lambda v: v["result"]["history"].update(
        quality=[1e308, -1e308, 1e308]
    ),
    "many epochs": lambda v: v["result"]["history"].update(quality=[0.5] * 99),
    "great seconds": lambda v: v["result"].update(seconds=1e308),
    "an old time": lambda v: v.update(finished_at="\0"),
    "a blank reason": lambda v: v["result"].update(
        status="failed", reward=None, reason="\n"
    ),
}


@pytest.mark.parametrize("what", VALID_BUT_WRONG)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_valid_line_that_fits_no_search_works_or_gives_one_line(
    workdir, what
):
    change_line(workdir / "trials.jsonl", 5, VALID_BUT_WRONG[what])
    for command in COMMANDS.values():
        _outcome(command, workdir)


def test_a_line_that_does_not_fit_the_config_is_named(workdir):
    change_line(
        workdir / "trials.jsonl", 5, lambda v: v["trial"].update(tokens=[0])
    )
    error = _outcome(COMMANDS["explain"], workdir)
    assert "trials.jsonl, line 5: tokens must be 21" in error


def test_a_missing_metric_is_named_with_its_trial(workdir):
    change_line(
        workdir / "trials.jsonl", 5, lambda v: v["result"].update(metrics={})
    )
    for command in ("results", "results --pareto"):
        error = _outcome(COMMANDS[command], workdir)
        assert error == (
            "trial search-0004: its result must have the metric "
            "`validation_eer`. Received: []"
        )


@pytest.mark.parametrize(
    "pid", ["five", True, None, 0, -1, 5.5, [5], 2**31, 10**400]
)
def test_a_lock_with_an_invalid_pid_names_no_holder(workdir, pid):
    holder = {"pid": pid, "host": socket.gethostname(), "since": "2026"}
    (workdir / "driver.lock").write_text(json.dumps(holder))
    assert read_holder(workdir) is None
    with driver_lock(workdir):
        (workdir / "driver.lock").write_text(json.dumps(holder))
        with (
            pytest.raises(UserError, match="driver, whose process is unknown"),
            driver_lock(workdir),
        ):
            pass


@pytest.mark.parametrize(
    ("tool", "name", "expected"),
    [
        (["status"], "config.json", "must be a regular file. Received: a FIFO"),
        (["results"], "trials.jsonl", "must be a regular file. Received: a F"),
        (["explain"], "trials.jsonl", "must be a regular file. Received: a F"),
        (["search"], "driver.lock", "must be a regular file. Received: a FIFO"),
    ],
)
def test_a_command_prints_one_line_for_a_fifo(
    run_tool, workdir, tool, name, expected
):
    (workdir / name).unlink()
    os.mkfifo(workdir / name)
    done = run_tool(*tool, f"--workdir={workdir}")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert f"{workdir / name}: {expected}" in done.stderr


def test_a_command_prints_one_line_for_a_changed_digit(run_tool, workdir):
    path = workdir / "trials.jsonl"
    path.write_text(path.read_text().replace('"reward": 0.', '"reward": 0.1'))
    done = run_tool("export_trials", f"--workdir={workdir}")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"error: {path}, line 1: damaged: the check")
    assert done.stderr.count("\n") == 1
