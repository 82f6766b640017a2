"""Compares qualities with numbers computed by hand."""

import math

import pytest

from audiotag_nas.config import REWARDS
from audiotag_nas.training.rewards import MEASURES, make_quality

CURVES = {
    "validation_eer": [0.5, 0.25, 0.125, 0.375, 0.25],
    "validation_auc": [0.5, 0.75, 0.875, 0.625, 0.75],
    "validation_loss": [math.log(4), math.log(2), 0.5, math.log(8), 1.0],
    "validation_binormal_eer": [0.5, 0.5, 0.25, 0.0, 0.25],
}


@pytest.mark.parametrize(
    ("measure", "quality"),
    [
        ("eer", 0.875),
        ("auc", 0.875),
        # exp(-loss): 1/4, 1/2, 1/sqrt(e), 1/8, 1/e.
        ("loss", 1 / math.sqrt(math.e)),
        ("binormal_eer", 1.0),
    ],
)
def test_a_quality_is_the_best_epochs_measure(measure, quality):
    assert make_quality(measure)(CURVES) == pytest.approx(quality)


@pytest.mark.parametrize("measure", MEASURES)
def test_the_worst_curves_are_not_below_a_failed_trials_reward(measure):
    quality = make_quality(measure)
    worst = {
        "validation_eer": [1.0],
        "validation_auc": [0.0],
        "validation_loss": [700.0],
        "validation_binormal_eer": [1.0],
    }
    assert 0 <= quality(worst) < quality(CURVES) <= 1


def test_the_config_allows_exactly_the_measures_there_are():
    assert list(REWARDS) == list(MEASURES)


def test_a_penalty_is_subtracted_after_every_epoch():
    quality = make_quality("auc", penalty=0.25)
    curves = {"validation_auc": [0.5]}
    assert quality(curves) == 0.25
    curves["validation_auc"].append(0.75)
    assert quality(curves) == 0.5
