"""Differences of two systems."""

import numpy as np
import pytest

from audiotag_nas import metrics
from tests.metrics.made_up import TAGS, make_system


def test_the_better_system_has_a_negative_difference():
    labels, scores, segments = make_system(9, num_clips=300)
    better = scores + 0.3 * labels
    result = metrics.paired_difference(
        labels, scores, better, TAGS, segments=segments
    )
    assert result.interval[0] < result.difference < result.interval[1] < 0
    assert result.share_better == 1.0
    eers = [
        metrics.evaluate_tags(labels, s, TAGS, num_bootstrap=0).mean_eer
        for s in (scores, better)
    ]
    assert result.difference == pytest.approx(eers[1] - eers[0])


def test_a_system_does_not_differ_from_itself_rescaled():
    labels, scores, segments = make_system(10)
    result = metrics.paired_difference(
        labels, scores, 3 * scores - 1, TAGS, segments=segments
    )
    assert result.difference == 0.0
    assert result.interval == (0.0, 0.0)
    assert (result.share_better, result.share_equal) == (0.0, 1.0)


def test_pairing_narrows_the_interval():
    labels, scores, segments = make_system(11, num_clips=300)
    other = scores + 0.05 * np.random.default_rng(0).random(scores.shape)
    result = metrics.paired_difference(
        labels, scores, other, TAGS, segments=segments
    )
    alone = metrics.evaluate_tags(labels, scores, TAGS, segments=segments)
    assert np.diff(result.interval) < 0.7 * np.diff(alone.mean_eer_interval)
