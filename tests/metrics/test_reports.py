"""Reports, bootstrap intervals and differences of systems."""

import json
import math
import time

import numpy as np
import pytest

from audiotag_nas import metrics
from audiotag_nas.errors import ConfigError, DataError
from audiotag_nas.metrics import bootstrap
from tests.metrics.made_up import TAGS, make_system


def test_the_mean_excludes_undefined_tags_which_are_named():
    labels = np.array([[0, 0, 0], [1, 0, 1], [0, 0, 1], [1, 0, 0]])
    scores = np.array(
        [[0.1, 0.5, 0.9], [0.4, 0.2, 0.8], [0.3, 0.1, 0.7], [0.9, 0.6, 0.1]]
    )
    report = metrics.evaluate_tags(labels, scores, "abz", num_bootstrap=0)
    assert report.undefined == ("b",)
    assert report.tags["b"].num_positives == 0
    # a is ordered perfectly; the false-alarm rate of z starts at 1/2.
    assert report.tags["a"].eer == 0.0
    assert report.tags["z"].eer == pytest.approx(0.5)
    assert report.mean_eer == pytest.approx(0.25)


def test_all_tags_undefined_gives_no_mean():
    report = metrics.evaluate_tags(np.zeros((3, 2)), np.ones((3, 2)), "ab")
    assert math.isnan(report.mean_eer)
    assert report.undefined == ("a", "b")
    assert report.tags["a"].num_undefined_resamples == 1000


def test_the_interval_equals_that_of_repeated_segments():
    labels, scores, segments = make_system(3)
    report = metrics.evaluate_tags(
        labels, scores, TAGS, segments=segments, num_bootstrap=50, seed=7
    )
    names = list(dict.fromkeys(segments.tolist()))
    drawn = np.random.default_rng(7).multinomial(
        len(names), np.full(len(names), 1 / len(names)), size=50
    )
    means = []
    for row in drawn:
        clips = np.concatenate(
            [
                np.flatnonzero(segments == name)
                for name, times in zip(names, row, strict=True)
                for _ in range(times)
            ]
        )
        eers = [
            metrics.equal_error_rate(labels[clips, k], scores[clips, k])
            for k in range(len(TAGS))
        ]
        means.append(np.nanmean(eers))
    np.testing.assert_allclose(
        report.mean_eer_interval, np.quantile(means, [0.025, 0.975])
    )


def test_interval_does_not_depend_on_the_size_of_the_blocks(monkeypatch):
    labels, scores, segments = make_system(4)
    whole = metrics.evaluate_tags(labels, scores, TAGS, segments=segments)
    monkeypatch.setattr(bootstrap, "_BLOCK_BYTES", 61 * 8 * 17)
    parts = metrics.evaluate_tags(labels, scores, TAGS, segments=segments)
    assert whole == parts


def test_clips_of_one_segment_widen_the_interval():
    # Ten copies of each clip add no information. Resampling by segment gives
    # the interval of the originals; resampling by clip gives a narrower one.
    labels, scores, _ = make_system(5)
    copies = np.repeat(np.arange(61), 10)
    once = metrics.evaluate_tags(labels, scores, TAGS, seed=1)
    by_segment = metrics.evaluate_tags(
        labels[copies], scores[copies], TAGS, segments=copies, seed=1
    )
    by_clip = metrics.evaluate_tags(
        labels[copies], scores[copies], TAGS, seed=1
    )
    assert by_segment.mean_eer_interval == pytest.approx(once.mean_eer_interval)
    width = np.diff(by_segment.mean_eer_interval)
    assert np.diff(by_clip.mean_eer_interval) < 0.5 * width


def test_the_coverage_of_the_interval_is_about_its_confidence():
    # Unit normals with means 0 and 1: the true EER is Phi(-1/2) = 0.30854.
    covered = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        labels = np.arange(200)[:, None] % 2 == 0
        scores = rng.normal(size=(200, 1)) + labels
        report = metrics.evaluate_tags(
            labels, scores, "x", num_bootstrap=200, seed=seed
        )
        low, high = report.mean_eer_interval
        covered += low <= 0.30854 <= high
    assert 52 <= covered <= 60


def test_a_tag_missing_from_a_resample_is_counted():
    labels = np.zeros((8, 2), bool)
    labels[0, 0] = True
    labels[::2, 1] = True
    scores = np.linspace(0, 1, 16).reshape(8, 2)
    report = metrics.evaluate_tags(labels, scores, "ab", num_bootstrap=2000)
    # A clip of eight is missing with probability (7/8)^8 = 0.344.
    share = report.tags["a"].num_undefined_resamples / 2000
    assert share == pytest.approx(0.344, abs=0.04)


def test_one_segment_gives_no_interval():
    labels, scores, _ = make_system(6)
    report = metrics.evaluate_tags(labels, scores, TAGS, segments=["s"] * 61)
    assert report.num_bootstrap == 0
    assert math.isnan(report.mean_eer_interval[0])


def test_the_json_of_a_report_has_null_for_nan():
    labels, scores, segments = make_system(8)
    labels[:, 5] = False
    report = metrics.evaluate_tags(labels, scores, TAGS, segments=segments)
    value = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert math.isnan(report.tags["b"].eer)
    assert value["tags"]["b"]["eer"] is None
    assert value["tags"]["c"]["eer"] == report.tags["c"].eer
    assert value["mean_eer_interval"] == list(report.mean_eer_interval)


def test_thousand_resamples_of_the_challenges_size_take_seconds():
    labels, scores, segments = make_system(12, num_clips=816, num_segments=50)
    start = time.process_time()
    metrics.evaluate_tags(labels, scores, TAGS, segments=segments)
    assert time.process_time() - start < 5.0


def test_the_error_for_a_nan_score_names_tag_and_clip():
    labels, scores, _ = make_system(13)
    scores[17, 3] = np.nan
    with pytest.raises(DataError, match="tag 'v', clip 17"):
        metrics.evaluate_tags(labels, scores, TAGS)


def test_wrong_arguments_are_refused():
    labels, scores, segments = make_system(14)
    with pytest.raises(ConfigError, match=r"\(61, 7\) and \(60, 7\)"):
        metrics.evaluate_tags(labels, scores[1:], TAGS)
    with pytest.raises(ConfigError, match="each of the 6 tags"):
        metrics.evaluate_tags(labels, scores, TAGS[1:])
    with pytest.raises(ConfigError, match="different names"):
        metrics.evaluate_tags(labels, scores, "cmfvpbb")
    with pytest.raises(ConfigError, match="each of the 61 clips"):
        metrics.evaluate_tags(labels, scores, TAGS, segments=segments[1:])
    with pytest.raises(ConfigError, match="confidence"):
        metrics.evaluate_tags(labels, scores, TAGS, confidence=95)
    with pytest.raises(ConfigError, match="each of the 7 tags"):
        metrics.evaluate_tags(labels, scores, TAGS, thresholds=[0.1, 0.2])
