"""Status of made-up working directories, compared with hand-worked numbers."""

import csv
import dataclasses
import io
import json
import os
import socket
import subprocess
import sys

import pytest

from audiotag_nas.architecture import Architecture, ConvBlock
from audiotag_nas.config import ExperimentConfig, SearchConfig
from audiotag_nas.errors import SearchError, StoreError
from audiotag_nas.experiment import stages
from audiotag_nas.experiment.results import (
    export_table,
    ranked_entries,
    results_lines,
)
from audiotag_nas.experiment.running_file import RunningFile, read_session
from audiotag_nas.experiment.workspace import Workspace
from audiotag_nas.inspection.status import read_status
from audiotag_nas.inspection.status_screen import status_lines
from audiotag_nas.report.tables import format_csv
from audiotag_nas.search.events import TrialStarted
from audiotag_nas.search.journal import Journal
from audiotag_nas.search.lock import driver_lock, read_holder
from audiotag_nas.trial import TrialResult, TrialStatus

CONFIG = ExperimentConfig(
    name="made_up", search=SearchConfig(num_trials=10, trials_per_round=4)
)
STARTED = 1_800_000_000.0
POINT = (0, 1, 1) * 6 + (2, 0, 3)


def trial(number):
    return stages.search_trial(CONFIG, number, number // 4, POINT)


def completed(number, eer, seconds=60.0):
    return TrialResult(
        trial(number).trial_id,
        TrialStatus.COMPLETED,
        1 - eer,
        metrics={"validation_eer": eer, "num_parameters": 54321.0},
        history={"validation_loss": [0.5, 0.4, 0.3]},
        seconds=seconds,
    )


def failed(number, reason):
    return TrialResult(
        trial(number).trial_id, TrialStatus.FAILED, None, reason=reason
    )


@pytest.fixture
def workspace(tmp_path):
    """Four trials completed, one failed."""
    workspace = Workspace(tmp_path)
    workspace.start(CONFIG)
    journal = Journal(workspace.journal_path)
    for number, eer in enumerate([0.21, 0.17, 0.3, 0.25]):
        journal.append(trial(number), completed(number, eer))
    journal.append(trial(4), failed(4, "=worker died\nof signal 9"))
    return workspace


def write_session(workspace, *, pid, updated_at, ended_at=None):
    """Three trials took 250 s in total; two more started after 200 s."""
    ids = [trial(number).trial_id for number in (5, 6)]
    running = {} if ended_at else dict.fromkeys(ids, STARTED + 200)
    run = {
        "stage": "search",
        "num_total": 10,
        "num_slots": 2,
        "started_at": STARTED,
        "ended_at": ended_at,
        "num_trained": 3,
        "busy_seconds": 250.0,
        "running": running,
        "architectures": {i: trial(5).architecture.to_json() for i in running},
    }
    workspace.running_path.write_text(
        json.dumps(
            {
                "schema_version": 2,
                "pid": pid,
                "host": socket.gethostname(),
                "updated_at": updated_at,
                "stages": [run],
            }
        )
    )


def test_a_running_search_shows_rate_time_left_and_utilization(workspace):
    write_session(workspace, pid=os.getpid(), updated_at=STARTED + 200)
    with driver_lock(workspace.workdir):
        status = read_status(workspace.workdir, now=STARTED + 300)
        lines = status_lines(status)
    search = status.stages[1]
    assert search.running == {"search-0005": 100.0, "search-0006": 100.0}
    # 3 trials took 300 s, so the remaining 5 trials take 500 s.
    assert status.rate_per_second == pytest.approx(3 / 300)
    assert status.seconds_left == pytest.approx(500)
    # The workers trained 250 s and 2 x 100 s, of 2 x 300 s.
    assert status.utilization == pytest.approx(450 / 600)
    text = "\n".join(lines)
    assert f"driver: process {os.getpid()} on {socket.gethostname()}" in text
    assert lines[3].split() == [
        *("stage", "done", "failed", "running", "total", "best", "EER")
    ]
    assert lines[5].split() == ["search", "4", "1", "2", "10", "0.1700"]
    assert "running: search-0005  1 min 40 s  8@3x3" in text
    assert "best of the search: search-0001, EER 0.1700, 54,321 param" in text
    assert "failed: 1 x =worker died (search-0004)" in text
    assert "rate: 36 trials per hour in stage search, about 8 min 20" in text
    assert "utilization: 75 % of 2 workers" in text


def test_a_killed_driver_has_lost_trials_and_no_time_left(workspace):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    write_session(workspace, pid=dead.pid, updated_at=STARTED + 300)
    holder = {
        "pid": dead.pid,
        "host": socket.gethostname(),
        "since": "2026-01-31T12:00:00Z",
    }
    workspace.lock_path.write_text(json.dumps(holder))
    status = read_status(workspace.workdir, now=STARTED + 90_000)
    assert status.stages[1].running == {}
    assert status.stages[1].lost == ["search-0005", "search-0006"]
    assert status.seconds_left is None
    # Only the time until the last event counts.
    assert status.utilization == pytest.approx(450 / 600)
    text = "\n".join(status_lines(status))
    assert "was killed. The same command continues." in text
    assert "lost: search-0005, search-0006 (2), running when" in text


def test_the_state_of_a_driver_on_another_machine_is_unknown(workspace):
    workspace.lock_path.write_text(
        json.dumps({"pid": 1, "host": "elsewhere", "since": "x"})
    )
    assert read_holder(workspace.workdir).is_alive is None
    text = "\n".join(status_lines(read_status(workspace.workdir)))
    assert "process 1 on elsewhere since x (on another mach" in text


def test_a_process_that_reuses_the_pid_of_a_driver_is_no_driver(workspace):
    workspace.lock_path.write_text(
        json.dumps(
            {"pid": os.getpid(), "host": socket.gethostname(), "since": "x"}
        )
    )
    assert read_holder(workspace.workdir).is_alive is False


def test_reading_the_status_does_not_take_the_lock(workspace):
    with driver_lock(workspace.workdir):
        assert read_holder(workspace.workdir).is_alive is True
    assert read_holder(workspace.workdir) is None
    with driver_lock(workspace.workdir):
        pass


def test_a_session_of_an_earlier_driver_is_not_shown_as_running(workspace):
    write_session(workspace, pid=os.getpid() + 1, updated_at=STARTED + 300)
    with driver_lock(workspace.workdir):
        status = read_status(workspace.workdir, now=STARTED + 400)
    assert status.stages[1].running == {}
    assert status.seconds_left is None


def test_a_trial_that_ends_meanwhile_is_done_and_not_running(workspace):
    write_session(workspace, pid=os.getpid(), updated_at=STARTED + 200)
    journal = Journal(workspace.journal_path)
    journal.append(trial(5), completed(5, 0.2))
    with driver_lock(workspace.workdir):
        status = read_status(workspace.workdir, now=STARTED + 300)
    assert list(status.stages[1].running) == ["search-0006"]
    assert len(status.stages[1].completed) == 5


def test_a_search_may_end_with_fewer_trials(workspace):
    write_session(
        workspace, pid=1, updated_at=STARTED + 300, ended_at=STARTED + 250
    )
    status = read_status(workspace.workdir)
    assert [stage.is_ended for stage in status.stages] == [
        *(False, True, False, False)
    ]
    assert status_lines(status)[5].endswith("ended")
    assert status.utilization == pytest.approx(250 / 500)


def test_the_recommended_trial_is_shown_if_it_is_not_the_best(workspace):
    other = dataclasses.replace(trial(5), tokens=(0,) * len(POINT))
    Journal(workspace.journal_path).append(other, completed(5, 0.19))
    running = RunningFile(workspace.running_path)
    running.begin("search", num_total=10, num_slots=1)
    lines = status_lines(read_status(workspace.workdir))
    assert not any("by the searcher" in line for line in lines)
    running.end(other.trial_id)
    lines = status_lines(read_status(workspace.workdir))
    best, recommended = (
        line.partition(",")[0] for line in lines if ": search-" in line
    )
    assert best == "best of the search: search-0001"
    assert recommended == "recommended by the searcher: search-0005"


def test_a_missing_or_damaged_running_file_is_no_error(workspace):
    assert read_status(workspace.workdir).utilization is None
    for text in ("", "{", "[]", '{"schema_version": 9}', "null"):
        workspace.running_path.write_text(text)
        assert read_session(workspace.running_path) is None
        assert len(read_status(workspace.workdir).stages[1].completed) == 4


def test_errors_in_writing_the_running_file_are_ignored(tmp_path):
    (tmp_path / "file").write_text("")
    running = RunningFile(tmp_path / "file" / "running.json")
    running.begin("search", num_total=3, num_slots=1)
    running.take(TrialStarted(trial(0)))
    running.end("search-0000")


def test_the_stop_reason_of_a_session_is_not_that_of_the_next(tmp_path):
    path = tmp_path / "running.json"
    file = RunningFile(path)
    for error in (SearchError("no luck"), None):
        file.forget_stop()
        file.begin("search", num_total=3, num_slots=1)
        if error is not None:
            file.stop(error)
            assert read_session(path).stop_reason == "error: no luck"
    assert read_session(path).stop_reason == ""


def test_a_session_without_stages_does_not_overwrite_lost_trials(tmp_path):
    path = tmp_path / "running.json"
    killed = RunningFile(path)
    killed.begin("search", num_total=3, num_slots=1)
    killed.take(TrialStarted(trial(0)))
    before = path.read_bytes()
    RunningFile(path).stop(SearchError("no such data"))
    assert path.read_bytes() == before


def test_a_directory_without_an_experiment_is_refused(tmp_path):
    with pytest.raises(StoreError, match="contains no experiment"):
        read_status(tmp_path)


def test_lines_of_the_status_fit_80_columns(workspace):
    for line in status_lines(read_status(workspace.workdir))[2:]:
        assert len(line) <= 80


def test_best_eer_is_the_lowest_eer_and_best_trial_the_highest_reward(
    workspace,
):
    # 0.17 is the lowest EER so far, 0.83 the highest reward.
    rewarded = dataclasses.replace(completed(5, 0.28), reward=0.91)
    Journal(workspace.journal_path).append(trial(5), rewarded)
    lines = status_lines(read_status(workspace.workdir))
    assert lines[5].split()[-1] == "0.1700"
    assert "best of the search: search-0005, reward 0.9100, EER 0.2800, " in (
        "\n".join(lines)
    )


def test_the_export_has_every_stage_decision_and_metric(workspace):
    journal = Journal(workspace.journal_path)
    grid = stages.grid_trial(
        CONFIG, Architecture((ConvBlock(8, 3, 3),)), 0, 0, (1, 0, 2)
    )
    journal.append(
        grid,
        TrialResult(
            grid.trial_id,
            TrialStatus.COMPLETED,
            0.9,
            metrics={"validation_eer": 0.1, "best_epoch": 2.0},
        ),
    )
    headers, rows = export_table(journal.entries)
    text = format_csv(rows, headers=headers)
    table = list(csv.DictReader(io.StringIO(text)))
    assert [row["stage"] for row in table] == ["search"] * 5 + ["grid"]
    assert [row["order"] for row in table] == list("012345")
    assert [row["num_epochs"] for row in table] == [*"3333", "0", "0"]
    first, died, last = table[0], table[4], table[-1]
    assert first["block7_filters"] == "32"
    assert first["block7_width"] == "7"
    assert first["tokens"] == "0 1 1 " * 6 + "2 0 3"
    assert first["architecture"].endswith("32@1x7 | bgru 64")
    assert float(first["reward"]) == 1 - 0.21
    assert first["mixup_alpha"] == first["best_epoch"] == ""
    assert died["reward"] == died["validation_eer"] == ""
    assert died["reason"].startswith("'=worker died")
    assert (last["mixup_alpha"], last["batch_size"]) == ("0.2", "88")
    assert last["settings.batch_size"] == "88"
    assert last["block7_filters"] == ""
    assert last["best_epoch"] == "2.0"


def test_trials_stopped_early_are_counted_and_listed_last(workspace):
    journal = Journal(workspace.journal_path)
    for number, epochs in ((5, 2), (6, 5)):
        # The reward is higher than the rewards of all full trainings.
        lucky = completed(number, 0.1)
        metrics = lucky.metrics | {"stopped_epoch": float(epochs)}
        journal.append(
            trial(number), dataclasses.replace(lucky, metrics=metrics)
        )
    text = "\n".join(status_lines(read_status(workspace.workdir)))
    assert "best of the search: search-0001, EER 0.1700" in text
    assert "stopped early: 2 trials in stage search, after 3.5 epochs" in text

    entries = ranked_entries(workspace, "search")
    ids = [entry.trial.trial_id for entry in entries]
    assert ids[0] == "search-0001"
    assert ids[4:] == ["search-0005", "search-0006", "search-0004"]
    lines = results_lines(entries)
    assert lines[0] == (
        "6 trials completed, 1 failed; 2 of the completed trials were "
        "stopped early"
    )
    assert lines[5].endswith("stopped at epoch 2")
    assert "stopped" not in lines[4]
    assert len(lines) == 7
    some = results_lines(entries, num_trials=4, setting="--num_trials")
    assert some[:-1] == lines[:5]
    assert some[-1] == (
        "shown: 4 of 6; trials stopped early come last; --num_trials=6 lists "
        "all"
    )

    headers, rows = export_table(entries)
    column = [row[headers.index("stopped_epoch")] for row in rows]
    assert column == [None] * 4 + [2.0, 5.0, None]
