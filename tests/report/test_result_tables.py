"""Tables of one system, and of baseline and found network."""

import csv
import dataclasses
import io

import numpy as np
import pytest

from audiotag_nas import metrics
from audiotag_nas.errors import ConfigError
from audiotag_nas.report import result_tables as tables


def make_systems():
    rng = np.random.default_rng(0)
    labels = rng.random((200, 3)) < 0.4
    labels[:, 2] = False
    scores = rng.random((200, 3)) + 0.4 * labels
    better = scores + 0.4 * labels
    baseline, found = (
        tables.ComparedSystem(
            name,
            metrics.evaluate_tags(labels, s, ("c", "m", "b")),
            parameters,
            epochs,
            30,
        )
        for name, s, parameters, epochs in (
            ("crnn_baseline", scores, 210240, 21),
            ("found", better, 98765, None),
        )
    )
    difference = metrics.paired_difference(
        labels, scores, better, ("c", "m", "b")
    )
    return baseline, found, difference


def test_comparison_shows_both_systems_and_the_verdict():
    baseline, found, difference = make_systems()
    text = tables.comparison_table(baseline, found, difference=difference)
    lines = {line.split("  ")[0]: line for line in text.splitlines()}
    mean = lines["mean EER [95 % interval]"]
    for system in (baseline, found):
        low, high = system.report.mean_eer_interval
        assert f"{system.report.mean_eer:.4f} [{low:.4f}, {high:.4f}]" in mean
    assert lines["EER b (0 clips)"].split()[-2:] == ["undefined"] * 2
    assert lines["parameters"].split()[-2:] == ["210,240", "98,765"]
    reached = lines["epochs to the baseline's best validation EER"]
    assert reached.split()[-3:] == ["21", "not", "reached"]
    assert text.endswith(
        "1000 resamples. The found network is clearly better: the interval is "
        "below 0."
    )


def test_a_difference_whose_interval_contains_0_is_not_clear():
    baseline, found, difference = make_systems()
    unclear = dataclasses.replace(difference, interval=(-0.03, 0.01))
    text = tables.comparison_table(baseline, found, difference=unclear)
    assert text.endswith("No clear difference: the interval contains 0.")
    worse = dataclasses.replace(difference, interval=(0.01, 0.03))
    text = tables.comparison_table(baseline, found, difference=worse)
    assert text.endswith("clearly worse: the interval is above 0.")


def test_markdown_comparison_has_equal_columns_in_every_row():
    baseline, found, _ = make_systems()
    text = tables.comparison_table(baseline, found, markdown=True)
    assert {line.count("|") for line in text.splitlines()} == {4}


def test_reports_with_different_tags_are_not_compared():
    baseline, found, _ = make_systems()
    tags = {"x": baseline.report.tags["c"]}
    other = dataclasses.replace(found.report, tags=tags)
    with pytest.raises(ConfigError, match="same tags"):
        tables.comparison_table(
            baseline, dataclasses.replace(found, report=other)
        )


def test_epochs_are_counted_from_one_and_ties_count():
    assert tables.epochs_until([0.4, 0.2, 0.1], 0.2) == 2
    assert tables.epochs_until([0.4, float("nan")], 0.2) is None
    assert tables.epochs_until([], 0.2) is None


def test_report_table_and_csv_have_a_line_per_tag():
    report = make_systems()[0].report
    assert len(tables.report_table(report).splitlines()) == 2 + 3 + 1
    rows = list(csv.DictReader(io.StringIO(tables.report_csv(report))))
    assert [row["tag"] for row in rows] == ["c", "m", "b", "mean"]
    assert float(rows[0]["eer"]) == report.tags["c"].eer
    assert rows[2]["eer"] == ""
