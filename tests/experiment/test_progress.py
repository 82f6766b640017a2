"""The progress display."""

import dataclasses
import io

import pytest

from audiotag_nas.architecture import CRNN_BASELINE
from audiotag_nas.experiment.progress import Progress, format_seconds
from audiotag_nas.search.events import TrialFinished
from audiotag_nas.trial import Trial, TrialResult, TrialStatus


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (185, "3 min 05 s"),
        (7860, "2 h 11 min"),
    ],
)
def test_durations_are_formatted_with_suitable_units(seconds, text):
    assert format_seconds(seconds) == text


def event(number: int, eer: float | None, **fields) -> TrialFinished:
    trial = Trial(
        f"grid-{number:04d}",
        "grid",
        0,
        (0,),
        {"batch_size": 22},
        CRNN_BASELINE,
        1,
    )
    if eer is None:
        result = TrialResult(
            trial.trial_id, TrialStatus.FAILED, None, reason="out of memory"
        )
    else:
        result = TrialResult(
            trial.trial_id,
            TrialStatus.COMPLETED,
            1 - eer,
            metrics={"validation_eer": eer},
            seconds=61.0,
        )
    best = TrialResult(
        "grid-0001", TrialStatus.COMPLETED, 0.9, metrics={"validation_eer": 0.1}
    )
    return TrialFinished(
        trial=trial,
        result=result,
        num_done=number + 1,
        num_total=8,
        best_trial=Trial("grid-0001", "grid", 0, (0,), {}, CRNN_BASELINE, 1),
        best_result=best,
        from_journal=fields.get("from_journal", False),
    )


def test_a_finished_trial_is_one_line_with_best_trial_and_time_left():
    stream = io.StringIO()
    Progress(stream=stream).trial(event(2, 0.25))
    line = stream.getvalue()
    assert line.count("\n") == 1
    for part in (
        "3/8",
        "batch_size 22",
        "EER 0.250",
        "best EER 0.100 (grid-0001)",
    ):
        assert part in line
    assert "1 min 01 s, about" in line
    assert line.endswith("left\n")


def test_a_reward_other_than_1_minus_eer_is_shown():
    finished = event(2, 0.25)
    finished = dataclasses.replace(
        finished,
        result=dataclasses.replace(finished.result, reward=0.625),
        best_result=dataclasses.replace(finished.best_result, reward=0.875),
    )
    stream = io.StringIO()
    Progress(stream=stream).trial(finished)
    assert "EER 0.250  reward 0.625  best reward 0.875 (grid-0001)" in (
        stream.getvalue()
    )


@pytest.mark.parametrize(
    ("system", "text"), [("baseline", "baseline"), ("found", "found network")]
)
def test_the_two_final_trainings_are_named(system, text):
    finished = event(0, 0.25)
    final = dataclasses.replace(
        finished.trial, stage="final", hparams={"system": system}
    )
    stream = io.StringIO()
    Progress(stream=stream).trial(dataclasses.replace(finished, trial=final))
    assert f"1/8  {text}  EER 0.250" in stream.getvalue()


def test_a_failed_trial_is_shown_with_its_reason():
    stream = io.StringIO()
    Progress(stream=stream).trial(event(2, None))
    assert "failed: out of memory" in stream.getvalue()


def test_trials_from_the_journal_give_no_estimate_of_the_time_left():
    stream = io.StringIO()
    Progress(stream=stream).trial(event(2, 0.2, from_journal=True))
    assert "from the journal" in stream.getvalue()
    assert "left" not in stream.getvalue()


def test_a_log_file_gets_complete_lines_only():
    stream = io.StringIO()
    progress = Progress(stream=stream)
    progress.count(3, 9)
    progress.epoch(event(0, 0.2).trial, 1, {"validation_eer": 0.2})
    assert stream.getvalue() == ""
