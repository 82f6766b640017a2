"""A whole search by the tuner: dashboard, config and progress."""

import json

import pytest
from tensorboard.plugins.hparams import api_pb2

from audiotag_nas.errors import ConfigError
from audiotag_nas.search import journal
from audiotag_nas.trial import Trial, TrialResult
from tests.dashboard import Dashboard
from tests.fakes import fake_train
from tests.inspection.status_driver import FAILED, FakeTuner, config


class MendedTuner(FakeTuner):
    """Trains without failures."""

    def _train(self, trial: Trial) -> TrialResult:
        return fake_train(trial)


def _statuses(tuner: FakeTuner) -> dict[str, int]:
    groups = Dashboard(tuner.workspace.logs_dir).groups()
    return {name: group.sessions[0].status for name, group in groups.items()}


def _session_bytes(tuner: FakeTuner) -> dict[str, bytes]:
    paths = tuner.workspace.logs_dir.glob("search/*/events*")
    return {path.parent.name: path.read_bytes() for path in paths}


def test_the_dashboard_shows_the_repeated_training_of_a_failed_trial(tmp_path):
    (tmp_path / "free").touch()
    tuner = FakeTuner(config(), workdir=tmp_path)
    tuner.search()
    statuses, before = _statuses(tuner), _session_bytes(tuner)
    failed = [n for n, s in statuses.items() if s == api_pb2.STATUS_FAILURE]
    assert sorted(failed) == list(FAILED)

    # docs/reference/journal.md: to repeat failed trials, remove their lines.
    path = tuner.workspace.journal_path
    lines = path.read_text().splitlines(keepends=True)
    kept = [x for x in lines if json.loads(x)["result"]["status"] != "failed"]
    path.write_text("".join(kept))
    tuner = MendedTuner(config(), workdir=tmp_path)
    tuner.search()
    assert set(_statuses(tuner).values()) == {api_pb2.STATUS_SUCCESS}
    after = _session_bytes(tuner)
    assert {n for n in after if after[n] != before[n]} == set(FAILED)


def test_later_changes_of_a_config_do_not_affect_the_tuner(tmp_path):
    mine = config()
    tuner = FakeTuner(mine, workdir=tmp_path)
    mine.search.num_trials += 5
    mine.training.batch_size += 1
    assert not tuner.config.differences(tuner.workspace.read_config())


def test_the_name_of_a_config_is_refused(tmp_path):
    with pytest.raises(
        ConfigError, match=r"load_config\('smoke'\)\. Received: 'demo'"
    ):
        FakeTuner("demo", workdir=tmp_path)


def test_a_search_from_python_shows_its_progress(tmp_path, capsys):
    (tmp_path / "free").touch()
    FakeTuner(config(), workdir=tmp_path).search()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if "/7" in line] == [
        f"{number}/7" for number in range(1, 8)
    ]


def test_a_search_reads_the_journal_once(tmp_path, monkeypatch):
    (tmp_path / "free").touch()
    read, num_reads = journal._read, []

    def counted(path):
        num_reads.append(path)
        return read(path)

    monkeypatch.setattr(journal, "_read", counted)
    FakeTuner(config(), workdir=tmp_path).search()
    assert len(num_reads) == 1
