"""Trials as the HParams dashboard itself reads them back."""

import subprocess
import sys

import pytest
from tensorboard.plugins.hparams import (
    api_pb2,
)

from audiotag_nas.errors import StoreError
from audiotag_nas.space import Decision, SearchSpace
from audiotag_nas.training.hparams import HParamsWriter
from audiotag_nas.trial import Trial, TrialResult
from tests.dashboard import Dashboard
from tests.full_disk import room_for

SPACES = {
    "search": SearchSpace(
        (
            Decision("block1_filters", (8, 16, 64)),
            Decision("recurrent", ("bgru", "gated_bgru"), ordinal=False),
        )
    ),
    "grid": {
        "mixup_alpha": (0, 0.2, 1.5),
        "spectrogram_size": ("124x64", "249x128"),
        "batch_size": (22, 44),
    },
}


def make_trial(trial_id, hparams):
    return Trial(trial_id, trial_id.split("-")[0], 0, (), hparams, {}, seed=1)


DONE = (
    make_trial("search-0000", {"block1_filters": 64, "recurrent": "bgru"}),
    TrialResult(
        "search-0000",
        "completed",
        0.875,
        {
            "validation_eer": 0.125,
            "validation_loss": 0.5,
            "num_parameters": 210240.0,
            "multiply_adds": 33554432.0,
            "latency_seconds": 0.03125,
            "best_epoch": 2.0,
        },
        {"validation_eer": [0.5, 0.125, 0.25], "training_loss": [3, 2, 1]},
        seconds=75.5,
    ),
)
FAILED = (
    make_trial("search-0001", {"block1_filters": 8, "recurrent": "gated_bgru"}),
    TrialResult(
        "search-0001", "failed", None, seconds=3.5, reason="NaN weights"
    ),
)
GRID = (
    make_trial(
        "grid-0000",
        {"mixup_alpha": 0, "spectrogram_size": "249x128", "batch_size": 22},
    ),
    TrialResult(
        "grid-0000", "completed", 0.75, {"validation_eer": 0.25}, seconds=9.5
    ),
)


@pytest.fixture
def log_dir(tmp_path):
    writer = HParamsWriter(tmp_path / "logs", search_spaces=SPACES)
    for trial, result in (DONE, FAILED, GRID):
        assert writer.write(trial, result)
    return tmp_path / "logs"


def plain(group):
    return {
        name: getattr(value, value.WhichOneof("kind"))
        for name, value in group.hparams.items()
    }


def metric_values(group):
    return {m.name.tag: m.value for m in group.sessions[0].metric_values}


def test_experiment_names_all_hyperparameters_and_metrics(log_dir):
    experiment = Dashboard(log_dir).experiment()
    domains = {
        info.name: [
            getattr(v, v.WhichOneof("kind"))
            for v in info.domain_discrete.values
        ]
        for info in experiment.hparam_infos
    }
    assert domains == {
        "stage": ["grid", "search"],
        "block1_filters": [8, 16, 64],
        "recurrent": ["bgru", "gated_bgru"],
        "mixup_alpha": [0, 0.2, 1.5],
        "spectrogram_size": ["124x64", "249x128"],
        "batch_size": [22, 44],
    }
    assert {
        info.name.tag: info.display_name for info in experiment.metric_infos
    } == {
        "validation_eer": "validation EER",
        "validation_loss": "validation loss",
        "num_parameters": "parameters",
        "multiply_adds": "multiply-adds",
        "latency_seconds": "latency (s)",
        "reward": "reward",
        "seconds": "seconds",
    }


def test_a_completed_trial_shows_its_decisions_and_metrics(log_dir):
    group = Dashboard(log_dir).groups()["search-0000"]
    assert plain(group) == {
        "stage": "search",
        "block1_filters": 64,
        "recurrent": "bgru",
    }
    assert metric_values(group) == {
        "validation_eer": 0.125,
        "validation_loss": 0.5,
        "num_parameters": 210240,
        "multiply_adds": 33554432,
        "latency_seconds": 0.03125,
        "reward": 0.875,
        "seconds": 75.5,
    }
    (session,) = group.sessions
    assert session.status == api_pb2.STATUS_SUCCESS
    assert session.end_time_secs - session.start_time_secs == 75.5


def test_a_failed_trial_shows_as_a_failure_with_its_reason(log_dir):
    dashboard = Dashboard(log_dir)
    group = dashboard.groups()["search-0001"]
    assert group.sessions[0].status == api_pb2.STATUS_FAILURE
    assert metric_values(group) == {"seconds": 3.5}
    (event,) = dashboard.multiplexer.Tensors("search/search-0001", "reason")
    assert event.tensor_proto.string_val[0] == b"NaN weights"


def test_a_grid_trial_shows_its_axes_and_leaves_the_others_empty(log_dir):
    group = Dashboard(log_dir).groups()["grid-0000"]
    assert plain(group) == {
        "stage": "grid",
        "mixup_alpha": 0,
        "spectrogram_size": "249x128",
        "batch_size": 22,
    }


def test_the_stage_filter_shows_one_stage(log_dir):
    groups = Dashboard(log_dir).groups(
        hparam="stage", filter_discrete={"values": [{"string_value": "grid"}]}
    )
    assert list(groups) == ["grid-0000"]


def test_curves_have_one_value_an_epoch(log_dir):
    dashboard = Dashboard(log_dir)
    assert dashboard.scalars("search/search-0000", "epochs/validation_eer") == [
        (1, 0.5),
        (2, 0.125),
        (3, 0.25),
    ]
    assert dashboard.scalars("search/search-0000", "epochs/training_loss") == [
        (1, 3),
        (2, 2),
        (3, 1),
    ]


def test_a_trial_written_again_after_a_resume_is_there_once(log_dir):
    def files():
        paths = sorted(log_dir.rglob("*"))
        return {p: p.read_bytes() for p in paths if p.is_file()}

    before = files()
    writer = HParamsWriter(log_dir, search_spaces=SPACES)
    assert not writer.write(*DONE, from_journal=True)
    assert files() == before
    group = Dashboard(log_dir).groups()["search-0000"]
    assert len(group.sessions) == 1


def test_a_trial_that_was_trained_again_shows_its_last_training_alone(log_dir):
    trial, _ = FAILED
    metrics = {"validation_eer": 0.375}
    again = TrialResult("search-0001", "completed", 0.625, metrics, seconds=7.5)
    writer = HParamsWriter(log_dir, search_spaces=SPACES)
    assert writer.write(trial, again)
    dashboard = Dashboard(log_dir)
    group = dashboard.groups()["search-0001"]
    assert [s.status for s in group.sessions] == [api_pb2.STATUS_SUCCESS]
    assert metric_values(group) == metrics | {"reward": 0.625, "seconds": 7.5}
    tags = dashboard.multiplexer.GetAccumulator("search/search-0001").Tags()
    assert "reason" not in tags["tensors"]


def test_a_trial_trained_again_that_finds_no_room_is_written_by_a_resume(
    log_dir,
):
    trial, _ = FAILED
    again = TrialResult("search-0001", "completed", 0.625)
    writer = HParamsWriter(log_dir, search_spaces=SPACES)
    with room_for(100), pytest.raises(StoreError):
        writer.write(trial, again)
    assert writer.write(trial, again, from_journal=True)
    (session,) = Dashboard(log_dir).groups()["search-0001"].sessions
    assert session.status == api_pb2.STATUS_SUCCESS


def test_a_session_that_finds_no_room_is_named_and_written_by_a_resume(
    log_dir,
):
    trial = make_trial("grid-0001", {"mixup_alpha": 0.2})
    result = TrialResult("grid-0001", "completed", 0.5, {}, seconds=2.5)
    writer = HParamsWriter(log_dir, search_spaces=SPACES)
    with (
        room_for(100),
        pytest.raises(
            StoreError,
            match=r"grid/grid-0001/events.*: can't be written \(File too large",
        ),
    ):
        writer.write(trial, result)
    assert list(writer.session_dir(trial).iterdir()) == []
    assert "grid-0001" not in Dashboard(log_dir).groups()
    assert writer.write(trial, result, from_journal=True)
    assert "grid-0001" in Dashboard(log_dir).groups()


def test_a_log_directory_that_can_not_be_one_is_named(tmp_path):
    (tmp_path / "logs").write_text("a file")
    with pytest.raises(StoreError, match=r"logs/events\S*: can't be written"):
        HParamsWriter(tmp_path / "logs", search_spaces=SPACES)


def test_a_stage_without_a_space_shows_by_its_name(tmp_path):
    writer = HParamsWriter(tmp_path, search_spaces=SPACES)
    trial = make_trial("baseline-0000", {})
    result = TrialResult(
        "baseline-0000", "completed", 0.5, {"validation_eer": 0.5}
    )
    writer.write(trial, result)
    assert plain(Dashboard(tmp_path).groups()["baseline-0000"]) == {
        "stage": "baseline"
    }


def test_writing_starts_no_tensorflow():
    code = (
        "import sys, audiotag_nas.training.hparams\n"
        "sys.exit('tensorflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
