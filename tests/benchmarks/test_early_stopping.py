"""Tests replays of searches on synthetic learning curves, and the report."""

import dataclasses
import itertools

import numpy as np
import pytest

from audiotag_nas.architecture import CRNN_BASELINE
from audiotag_nas.space import Decision, SearchSpace
from audiotag_nas.trial import Trial
from benchmarks.early_stopping_study import report
from benchmarks.early_stopping_study.replay import (
    QualityCurves,
    cut_result,
    replay_at_budget,
    replay_search,
)
from benchmarks.table.recorded_table import RecordedTable

NUM_EPOCHS = 6
SPACE = SearchSpace((Decision("a", tuple(range(9))), Decision("b", (1, 2, 3))))


@pytest.fixture
def curves() -> QualityCurves:
    """Returns curves whose first quality determines the final quality.

    The best point is (8, 2) with true EER 0.1. Each step from it adds 0.01.
    """
    points = list(itertools.product(range(9), range(3)))
    finals = {
        point: 0.6 + 0.02 * point[0] + 0.001 * point[1] for point in points
    }
    return QualityCurves(
        space=SPACE,
        qualities={
            point: final - 0.1 * np.arange(NUM_EPOCHS)[None, ::-1]
            for point, final in finals.items()
        },
        true_eer={p: 0.1 + 0.01 * (8 - p[0] + 2 - p[1]) for p in points},
    )  # fmt: skip


def replay(curves, early_stop, num_trials=20, **settings):
    return replay_search(
        curves,
        searcher="random",
        early_stop=early_stop,
        seed=3,
        num_trials=num_trials,
        settings={"min_trials": 4, "min_epochs": 1} | settings,
    )


def test_without_stopping_all_trials_are_complete(curves):
    done = replay(curves, "none")
    assert done.num_trials == 20
    assert done.epochs == (NUM_EPOCHS,) * 20
    assert done.num_stopped == done.num_would_lead == 0
    # 27 trials are all points, including the best point.
    assert replay(curves, "none", num_trials=27).regret == 0.0


def test_stopping_is_free_if_early_epochs_determine_the_final_quality(curves):
    plain, stopped = replay(curves, "none"), replay(curves, "curve")
    assert stopped.regret == plain.regret
    assert stopped.num_trials == plain.num_trials
    assert stopped.num_stopped > 5
    assert stopped.num_leads_lost == 0
    # A stopped trial has one epoch. Each other trial has six epochs.
    num_complete = 20 - stopped.num_stopped
    assert stopped.num_epochs == num_complete * NUM_EPOCHS + stopped.num_stopped
    # The fair reward is the final reward. The bare reward is 0.5 lower.
    assert np.allclose(stopped.fair_errors, 0.0, atol=1e-9)
    assert np.allclose(stopped.bare_errors, -0.5)


def test_a_budget_of_epochs_allows_the_longest_search_within_it(curves):
    arguments = {
        "searcher": "random",
        "early_stop": "curve",
        "seed": 3,
        "settings": {"min_trials": 4, "min_epochs": 1},
    }
    done = replay_at_budget(curves, num_epochs=60, **arguments)
    more = replay_search(curves, num_trials=done.num_trials + 1, **arguments)
    assert done.num_epochs <= 60 < more.num_epochs
    assert done.num_trials > 10


def test_a_trial_is_cut_at_the_first_epoch_below_its_threshold():
    trial = Trial("t", "search", 0, (0,), {}, CRNN_BASELINE, 0)
    quality = [0.1, 0.2, 0.3, 0.4]
    assert cut_result(trial, quality).reward == 0.4
    rule = [[1, 0.1], [2, 0.21], [3, 0.9], [4, 0.9]]
    cut = cut_result(dataclasses.replace(trial, stop_rule=rule), quality)
    assert cut.stopped_epoch == 2
    assert cut.history == {"quality": [0.1, 0.2]}
    late = dataclasses.replace(trial, stop_rule=[[4, 0.9]])
    assert cut_result(late, quality).is_whole


def test_a_sample_replaces_a_point_by_its_nearest_one(curves):
    sample = curves.sample(5, seed=1)
    assert len(sample.qualities) == len(sample.true_eer) == 5
    assert curves.sample(5, seed=1).true_eer == sample.true_eer
    for point in curves.qualities:
        steps = {
            other: abs(other[0] - point[0]) + abs(other[1] - point[1])
            for other in sample.qualities
        }
        assert steps[sample.nearest(point)] == min(steps.values())
    assert replay(sample, "halving", num_trials=99).num_trials == 5


def test_the_true_eer_is_the_mean_final_eer_of_a_networks_trials():
    # Validation and evaluation EERs of the second point's two seeds.
    validation = [[0.5, 0.3, 0.35], [0.4, 0.45, 0.2]]
    evaluation = [[0.4, 0.2, 0.3], [0.4, 0.3, 0.1]]
    curves = np.full((2, 2, 3, 2), 0.5)
    curves[1] = np.stack([validation, evaluation], axis=-1)
    table = RecordedTable(
        space=SearchSpace((Decision("a", (8, 9)),)),
        tokens=np.array([[0], [1]]),
        measures=("validation_eer", "evaluation_eer"),
        curves=curves,
        best_epochs=np.array([[1, 1], [2, 3]]),
        num_parameters=np.array([5, 6]),
        cpu_seconds=np.ones((2, 2)),
    )
    read = QualityCurves.of(table)
    assert read.num_epochs == 3
    assert read.qualities[(1,)] == pytest.approx(
        np.array([[0.5, 0.7, 0.7], [0.6, 0.6, 0.8]])
    )
    assert read.true_eer == pytest.approx({(0,): 0.5, (1,): (0.2 + 0.1) / 2})
    assert read.least_eer == pytest.approx(0.15)


def test_the_comparison_is_paired_and_starts_without_stopping(curves):
    rows = report.compare(
        curves,
        searcher="random",
        stoppers=["curve"],
        num_trials=12,
        num_seeds=3,
        settings={"min_trials": 4, "min_epochs": 1},
    )
    assert [row.name for row in rows] == [
        "none",
        "curve",
        "curve, equal epochs",
    ]
    none, curve, longer = rows
    assert (none.difference, none.share_of_epochs) == (0.0, 1.0)
    assert curve.difference == 0.0
    assert curve.share_of_epochs < 0.9
    assert longer.num_trials > 12
    assert longer.difference == pytest.approx(longer.regret - none.regret)
    assert len(report.table(rows).splitlines()) == 2 + 3


def test_without_equal_epochs_the_other_rows_are_the_same(curves):
    arguments = {
        "searcher": "random",
        "stoppers": ["curve"],
        "num_trials": 10,
        "num_seeds": 2,
        "settings": {"min_trials": 4, "min_epochs": 1},
    }
    rows = report.compare(curves, **arguments, equal_epochs=False)
    assert [row.name for row in rows] == ["none", "curve"]
    full = report.compare(curves, **arguments)[:2]
    assert report.table(rows) == report.table(full)
