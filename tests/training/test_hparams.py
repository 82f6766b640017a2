"""Tests that the HParams dashboard reads the written trials."""

import subprocess
import sys

import pytest
from tensorboard.plugins.hparams import api_pb2

from audiotag_nas.architecture import CRNN_BASELINE
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
    return Trial(
        trial_id, trial_id.split("-")[0], 0, (), hparams, CRNN_BASELINE, seed=1
    )


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


def hparams(group):
    """Returns the hyperparameters without leading spaces, as on the page."""
    return {k: v.string_value.strip() for k, v in group.hparams.items()}


def metric_values(group):
    return {m.name.tag: m.value for m in group.sessions[0].metric_values}


def names(experiment):
    return (
        {info.name for info in experiment.hparam_infos},
        {info.name.tag for info in experiment.metric_infos},
    )


def test_the_root_names_what_every_completed_trial_has(log_dir):
    experiment = Dashboard(log_dir).experiment()
    (stage,) = experiment.hparam_infos
    assert stage.name == "stage"
    assert [v.string_value for v in stage.domain_discrete.values] == [
        "grid",
        "search",
    ]
    assert [info.name.tag for info in experiment.metric_infos] == [
        "EER",
        "multiply-adds",
        "parameters",
        "reward",
        "seconds",
        "validation loss",
    ]


def test_a_stage_names_its_decisions_and_the_metrics_that_it_has(log_dir):
    assert names(Dashboard(log_dir / "search").experiment()) == (
        {"stage", "block1_filters", "recurrent"},
        {
            "EER",
            "latency (s)",
            "multiply-adds",
            "parameters",
            "reward",
            "seconds",
            "validation loss",
            "values per epoch/training_loss",
            "values per epoch/validation_eer",
        },
    )
    assert names(Dashboard(log_dir / "grid").experiment()) == (
        {"stage", "mixup_alpha", "spectrogram_size", "batch_size"},
        {"EER", "reward", "seconds"},
    )


def test_the_metrics_that_a_stage_shows_first_are_no_curves(log_dir):
    # At first, the page displays the first five columns.
    experiment = Dashboard(log_dir / "search").experiment()
    assert [info.name.tag for info in experiment.metric_infos[:5]] == [
        "EER",
        "latency (s)",
        "multiply-adds",
        "parameters",
        "reward",
    ]


@pytest.mark.parametrize(
    ("choices", "shown"),
    [
        ((16, 128, 8), ["8", "16", "128"]),
        ((0, 0.25, -1.5, 10), ["-1.5", "0", "0.25", "10"]),
        ((2.0, 0.00001), ["1e-05", "2"]),
        (("62x40", "124x64", "13x9"), ["62x40", "124x64", "13x9"]),
        ((True, False), ["False", "True"]),
    ],
)
def test_choices_are_shown_plainly_and_sort_as_text_in_their_order(
    tmp_path, choices, shown
):
    writer = HParamsWriter(tmp_path, search_spaces={"grid": {"axis": choices}})
    for number, choice in enumerate(choices):
        trial_id = f"grid-{number:04d}"
        trial = make_trial(trial_id, {"axis": choice})
        writer.write(trial, TrialResult(trial_id, "completed", 0.5))
    groups = Dashboard(tmp_path / "grid").groups()
    texts = [group.hparams["axis"].string_value for group in groups.values()]
    assert [text.strip() for text in sorted(texts)] == shown


def test_a_completed_trial_shows_its_decisions_and_metrics(log_dir):
    group = Dashboard(log_dir / "search").groups()["search-0000"]
    assert hparams(group) == {
        "stage": "search",
        "block1_filters": "64",
        "recurrent": "bgru",
    }
    assert metric_values(group) == {
        "EER": 0.125,
        "latency (s)": 0.03125,
        "multiply-adds": 33554432,
        "parameters": 210240,
        "reward": 0.875,
        "seconds": 75.5,
        "validation loss": 0.5,
        "values per epoch/training_loss": 1,
        "values per epoch/validation_eer": 0.25,
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


def test_a_grid_trial_shows_its_axes(log_dir):
    group = Dashboard(log_dir).groups()["grid-0000"]
    assert hparams(group) == {
        "stage": "grid",
        "mixup_alpha": "0",
        "spectrogram_size": "249x128",
        "batch_size": "22",
    }


def test_the_stage_filter_shows_one_stage(log_dir):
    groups = Dashboard(log_dir).groups(
        hparam="stage", filter_discrete={"values": [{"string_value": "grid"}]}
    )
    assert list(groups) == ["grid-0000"]


def test_curves_have_one_value_per_epoch(log_dir):
    dashboard = Dashboard(log_dir)
    assert dashboard.scalars(
        "search/search-0000", "values per epoch/validation_eer"
    ) == [(1, 0.5), (2, 0.125), (3, 0.25)]
    assert dashboard.scalars(
        "search/search-0000", "values per epoch/training_loss"
    ) == [(1, 3), (2, 2), (3, 1)]


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
    assert metric_values(group) == {
        "EER": 0.375,
        "reward": 0.625,
        "seconds": 7.5,
    }
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


def test_a_session_that_finds_no_room_is_named_and_written_by_a_resume(log_dir):
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
    assert hparams(Dashboard(tmp_path).groups()["baseline-0000"]) == {
        "stage": "baseline"
    }


def test_writing_starts_no_tensorflow():
    code = (
        "import sys, audiotag_nas.training.hparams\n"
        "sys.exit('tensorflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
