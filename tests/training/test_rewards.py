"""Qualities, against numbers worked out by hand."""

import math

import pytest

from audiotag_nas.config.rules import REWARDS
from audiotag_nas.training.rewards import QUALITIES, quality_of

CURVES = {
    "validation_eer": [0.5, 0.25, 0.125, 0.375, 0.25],
    "validation_auc": [0.5, 0.75, 0.875, 0.625, 0.75],
    "validation_loss": [math.log(4), math.log(2), 0.0, math.log(8), 1.0],
    "validation_binormal_eer": [0.5, 0.5, 0.25, 0.0, 0.25],
}


@pytest.mark.parametrize(
    ("name", "quality"),
    [
        ("eer", 0.875),
        ("eer_last", 0.75),
        ("eer_mean3", 1 - (0.125 + 0.375 + 0.25) / 3),
        # .5; .7 x .5 + .3 x .75 = .575; .7 x .575 + .3 x .875 = .665; then
        # .7 x .665 + .3 x .625 = .653; .7 x .653 + .3 x .75.
        ("eer_average", 0.6821),
        ("auc", 0.875),
        ("auc_last", 0.75),
        ("auc_mean3", 0.75),
        ("auc_average", 0.6821),
        # exp(-loss): 1/4, 1/2, 1, 1/8, 1/e.
        ("loss", 1.0),
        ("loss_last", 1 / math.e),
        ("loss_mean3", (1 + 1 / 8 + 1 / math.e) / 3),
        ("binormal_eer", 1.0),
        ("binormal_eer_last", 0.75),
        ("binormal_eer_mean3", 2.5 / 3),
    ],
)
def test_a_quality_is_what_its_name_says(name, quality):
    assert QUALITIES[name](CURVES) == pytest.approx(quality)


def test_after_two_epochs_the_mean_of_three_is_that_of_two():
    curves = {"validation_auc": [0.5, 0.75]}
    assert QUALITIES["auc_mean3"](curves) == 0.625


@pytest.mark.parametrize("name", QUALITIES)
def test_the_worst_curves_are_not_below_a_failed_childs_reward(name):
    worst = {
        "validation_eer": [1.0],
        "validation_auc": [0.0],
        "validation_loss": [700.0],
        "validation_binormal_eer": [1.0],
    }
    assert 0 <= QUALITIES[name](worst) < QUALITIES[name](CURVES) <= 1


def test_the_config_allows_exactly_the_qualities_there_are():
    assert list(REWARDS) == list(QUALITIES)


def test_a_penalty_is_subtracted_after_every_epoch():
    quality = quality_of("auc", penalty=0.25)
    curves = {"validation_auc": [0.5]}
    assert quality(curves) == 0.25
    curves["validation_auc"].append(0.75)
    assert quality(curves) == 0.5
