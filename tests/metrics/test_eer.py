"""The EER against hand cases, exact fractions and repeated clips."""

import itertools
from fractions import Fraction

import numpy as np
import pytest

from audiotag_nas import metrics
from audiotag_nas.errors import ConfigError, DataError
from audiotag_nas.metrics import eer
from tests.metrics.made_up import random_case


def exact_eer(labels, scores):
    """Returns the EER on the piecewise linear ROC, computed in fractions."""
    positives = sum(labels)
    negatives = len(labels) - positives
    points = [(Fraction(0), Fraction(1))]  # (FPR, FNR) of the empty selection
    for level in sorted(set(scores), reverse=True):
        chosen = [y for y, s in zip(labels, scores, strict=True) if s >= level]
        points.append(
            (
                Fraction(len(chosen) - sum(chosen), negatives),
                1 - Fraction(sum(chosen), positives),
            )
        )
    for (far1, frr1), (far2, frr2) in itertools.pairwise(points):
        if far2 >= frr2:
            gap1, gap2 = frr1 - far1, far2 - frr2
            share = gap1 / (gap1 + gap2)
            return float(far1 + share * (far2 - far1))
    raise AssertionError("the last point selects everything")


@pytest.mark.parametrize(
    ("labels", "scores", "expected"),
    [
        ([0, 1, 0, 1, 1, 0], [0.1, 0.4, 0.35, 0.8, 0.2, 0.9], 1 / 3),
        ([0, 1, 1, 0, 1], [0.2, 0.2, 0.6, 0.6, 0.9], 0.4),
        ([0, 1, 0, 1], [0.3, 0.3, 0.3, 0.3], 0.5),
        ([1, 1, 0, 0, 0], [0.1, 0.2, 0.3, 0.4, 0.5], 1.0),
        ([1, 1, 0, 0, 0], [0.9, 0.8, 0.3, 0.2, 0.1], 0.0),
    ],
)
def test_eer_of_hand_cases(labels, scores, expected):
    assert metrics.equal_error_rate(labels, scores) == pytest.approx(expected)


@pytest.mark.parametrize("labels", [[0, 0, 0], [1, 1, 1], []])
def test_eer_without_both_classes_is_nan(labels):
    assert np.isnan(metrics.equal_error_rate(labels, np.arange(len(labels))))


@pytest.mark.parametrize("seed", range(40))
def test_eer_is_the_exact_crossing(seed):
    labels, scores = random_case(seed, num_clips=5 + seed)
    assert metrics.equal_error_rate(labels, scores) == pytest.approx(
        exact_eer(labels.tolist(), scores.tolist()), abs=1e-12
    )


@pytest.mark.parametrize("seed", range(10))
def test_weighted_eer_is_that_of_repeated_clips(seed):
    labels, scores = random_case(seed)
    repeats = np.random.default_rng(seed).integers(0, 4, len(labels))
    weights = repeats[np.newaxis].astype(float)
    assert eer.equal_error_rates(labels, scores, weights)[0] == (
        metrics.equal_error_rate(
            np.repeat(labels, repeats), np.repeat(scores, repeats)
        )
    )


def test_infinite_scores_are_ordered_and_tie():
    infinite = [np.inf, np.inf, 0.5, 0.2, -np.inf, -np.inf]
    finite = [9.0, 9.0, 0.5, 0.2, -9.0, -9.0]
    labels = [1, 0, 1, 0, 1, 0]
    assert metrics.equal_error_rate(labels, infinite) == (
        metrics.equal_error_rate(labels, finite)
    )


def test_the_error_for_a_nan_score_names_the_clip():
    with pytest.raises(DataError, match="clip 2: the score"):
        metrics.equal_error_rate([0, 1, 1], [0.1, 0.2, np.nan])


def test_shapes_that_differ_are_refused():
    with pytest.raises(ConfigError, match=r"\(2,\) and \(3,\)"):
        metrics.equal_error_rate([0, 1], [0.1, 0.2, 0.3])


def test_threshold_balances_misses_and_false_alarms():
    # Points (FPR, FNR): .9 (0, 2/3) - .7 (0, 1/3) - .6 (1/2, 1/3) - ...
    # The EER lies between .7 and .6; the rates of .6 are closer.
    labels, scores = [1, 1, 0, 1, 0], [0.9, 0.7, 0.6, 0.4, 0.2]
    assert metrics.best_threshold(labels, scores) == pytest.approx(0.5)


@pytest.mark.parametrize("seed", range(10))
def test_no_other_threshold_has_closer_rates(seed):
    labels, scores = random_case(seed)

    def gap(threshold):
        found = scores >= threshold
        return abs(np.mean(found[~labels]) - np.mean(~found[labels]))

    chosen = metrics.best_threshold(labels, scores)
    assert gap(chosen) == pytest.approx(min(map(gap, np.unique(scores))))
    assert chosen not in scores or chosen == scores.min()


def test_the_threshold_of_an_undefined_tag_is_one_half():
    labels = np.array([[1, 0], [0, 0], [1, 0]])
    scores = np.array([[0.9, 0.3], [0.1, 0.2], [0.8, 0.1]])
    np.testing.assert_allclose(
        metrics.best_thresholds(labels, scores), [0.45, 0.5]
    )


def test_a_threshold_separates_adjacent_floats():
    low, high = 0.5, float(np.nextafter(0.5, 1.0))
    threshold = metrics.best_threshold([1, 0], [high, low])
    assert low < threshold <= high


def scores_of_log_odds(values):
    return 1 / (1 + np.exp(-np.array(values, float)))


@pytest.mark.parametrize(
    ("positive", "negative", "expected"),
    [
        # Means 2 and -1, deviations 1 and 1: Phi(-3 / 2).
        ([1, 3], [-2, 0], 0.0668072),
        # Means -1 and 2, deviations 1 and 3: Phi(3 / 4).
        ([-2, 0], [-1, 5], 0.7733726),
        # Only the negatives have a deviation: Phi(-2 / 2).
        ([2, 2], [-2, 2], 0.1586553),
    ],
)
def test_binormal_eer_of_hand_cases(positive, negative, expected):
    labels = [1] * len(positive) + [0] * len(negative)
    scores = scores_of_log_odds([*positive, *negative])
    eer = metrics.binormal_equal_error_rate(labels, scores)
    assert eer == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("num_clips", [5, 13, 383])
@pytest.mark.parametrize("score", [0.0, 1e-6, 0.1, 0.3, 0.7, 1.0])
def test_binormal_eer_of_a_network_that_ignores_its_input(num_clips, score):
    labels = np.arange(num_clips) % 3 == 0
    scores = np.full(num_clips, score)
    assert metrics.binormal_equal_error_rate(labels, scores) == 0.5
    # Scores below the clipping limit are equal.
    below = np.linspace(0, 1e-4, num_clips)
    assert metrics.binormal_equal_error_rate(labels, below) == 0.5
    scores = np.where(labels, 0.7, 0.3)
    assert metrics.binormal_equal_error_rate(labels, scores) == 0
    assert metrics.binormal_equal_error_rate(~labels, scores) == 1
