"""Pareto fronts worked out by hand, and the tool that prints them."""

import dataclasses

import pytest

from audiotag_nas.config import ExperimentConfig
from audiotag_nas.errors import ConfigError
from audiotag_nas.experiment import pareto, stages
from audiotag_nas.experiment.tuner import ArchitectureTuner
from audiotag_nas.experiment.workspace import Workspace
from audiotag_nas.search.journal import Journal, JournalEntry
from audiotag_nas.trial import TrialResult, TrialStatus

CONFIG = ExperimentConfig(name="made_up")


def entry(number, eer, parameters, *, point=None, **metrics) -> JournalEntry:
    """Trial `number`; each `point` stands for another architecture."""
    point = number if point is None else point
    tokens = (point // 4, point % 4, 0) + (0, 0, 0) * 6
    trial = stages.search_trial(CONFIG, number, 0, tokens)
    result = TrialResult(
        trial.trial_id,
        TrialStatus.COMPLETED,
        1 - eer,
        metrics={
            "validation_eer": eer,
            "num_parameters": float(parameters),
            **metrics,
        },
    )
    return JournalEntry(number, "", trial, result, number + 1)


def failed(number) -> JournalEntry:
    done = entry(number, 0.0, 1)
    result = TrialResult(
        done.trial.trial_id, TrialStatus.FAILED, None, reason="NaN"
    )
    return dataclasses.replace(done, result=result)


def front_ids(entries, costs=None):
    front = pareto.pareto_front(pareto.candidates(entries), costs)
    return [int(network.trial_id.removeprefix("search-")) for network in front]


def test_the_front_is_not_dominated_and_starts_with_the_cheapest():
    entries = [
        entry(0, 0.20, 5000),
        entry(1, 0.25, 3000),
        entry(2, 0.21, 5000),  # trial 0 has the same cost and a lower EER
        entry(3, 0.25, 3500),  # trial 1 has the same EER and costs less
        entry(4, 0.10, 9000),
        entry(5, 0.30, 9500),  # trial 4 has a lower EER and costs less
        entry(6, 0.40, 1000),
    ]
    assert front_ids(entries) == [6, 1, 0, 4]
    assert front_ids(entries[::-1]) == [6, 1, 0, 4]


def test_a_further_cost_can_add_candidates_to_the_front():
    entries = [
        entry(0, 0.20, 3000, multiply_adds=90),
        entry(1, 0.25, 4000, multiply_adds=50),
        entry(2, 0.26, 5000, multiply_adds=70),
    ]
    assert front_ids(entries, ["num_parameters"]) == [0]
    assert front_ids(entries, ["multiply_adds"]) == [1, 0]
    assert front_ids(entries) == [0, 1]


def test_equal_candidates_are_all_on_the_front():
    assert front_ids([entry(0, 0.2, 30), entry(1, 0.2, 30)]) == [0, 1]


def test_failed_and_stopped_trials_are_no_candidates():
    entries = [
        failed(0),
        entry(1, 0.01, 1, stopped_epoch=3.0),
        entry(2, 0.3, 4000, stopped_epoch=0.0),
        entry(3, 0.2, 5000),
    ]
    assert front_ids(entries) == [2, 3]


def test_an_architecture_with_two_trials_counts_by_their_mean():
    entries = [
        entry(0, 0.10, 7000, point=3, latency_seconds=0.25),
        entry(1, 0.22, 6000, latency_seconds=0.5),
        entry(2, 0.40, 7000, point=3, latency_seconds=0.75),
    ]
    first, second = pareto.candidates(entries)
    assert first.trial_id == "search-0000"
    assert first.validation_eer == pytest.approx(0.25)
    assert first.costs == {"num_parameters": 7000, "latency_seconds": 0.5}
    assert (first.num_trials, second.num_trials) == (2, 1)
    assert front_ids(entries, ["num_parameters"]) == [1]


def test_a_cost_that_some_lack_is_ignored_unless_requested():
    entries = [entry(0, 0.20, 3000, multiply_adds=90), entry(1, 0.25, 4000)]
    assert front_ids(entries) == [0]
    with pytest.raises(ConfigError, match="search-0001 has no multiply_adds"):
        front_ids(entries, ["multiply_adds"])
    with pytest.raises(ConfigError, match=r"one of.*Received: 'watts'"):
        front_ids(entries, ["watts"])
    with pytest.raises(ConfigError, match="at least one cost"):
        front_ids(entries, [])


def test_no_completed_trials_give_an_empty_front():
    assert front_ids([failed(0)]) == []


def test_the_tool_and_the_tuner_give_the_front_of_the_search(
    tmp_path, run_tool
):
    workspace = Workspace(tmp_path)
    workspace.start(CONFIG)
    nothing = run_tool("results", f"--workdir={tmp_path}", "--pareto")
    assert nothing.returncode == 1
    assert "no trial has completed" in nothing.stderr
    journal = Journal(workspace.journal_path)
    for each in (
        entry(0, 0.20, 3000, multiply_adds=9e5, latency_seconds=0.0125),
        entry(1, 0.25, 4000, multiply_adds=5e5, latency_seconds=0.0150),
        entry(2, 0.26, 5000, multiply_adds=7e5, latency_seconds=0.0175),
    ):
        journal.append(each.trial, each.result)
    done = run_tool("results", f"--workdir={tmp_path}", "--pareto")
    assert done.returncode == 0, done.stderr
    heading, titles, _, *rows = done.stdout.splitlines()
    assert heading == (
        "Pareto front over validation EER, parameters, multiply-adds, "
        "latency: 2 of 3 architectures"
    )
    assert "latency (ms)" in titles
    assert [row.split()[:5] for row in rows] == [
        ["search-0000", "0.2000", "3,000", "900,000", "12.50"],
        ["search-0001", "0.2500", "4,000", "500,000", "15.00"],
    ]
    costs = ["num_parameters"]
    done = run_tool(
        "results", f"--workdir={tmp_path}", "--pareto", f"--costs={costs[0]}"
    )
    assert "1 of 3 architectures" in done.stdout
    done = run_tool(
        "results", f"--workdir={tmp_path}", "--pareto", "--stage=grid"
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: --stage: must be search with --par")
    assert done.stderr.endswith("Received: 'grid'\n")
    tuner = ArchitectureTuner(CONFIG, workdir=tmp_path)
    (network,) = tuner.pareto_front(costs)
    assert network.trial_id == "search-0000"
