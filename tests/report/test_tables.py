"""Tables: alignment, Markdown and CSV."""

import csv
import io

import pytest

from audiotag_nas.errors import ConfigError
from audiotag_nas.report import tables


def test_columns_are_aligned():
    text = tables.format_table(
        [["a", 1], ["long name", 12345]], headers=["name", "n"]
    )
    assert text.splitlines() == [
        "name           n",
        "---------  -----",
        "a              1",
        "long name  12345",
    ]


def test_markdown_has_a_rule_and_escapes_bars():
    text = tables.format_table(
        [["a|b", 1, "x"]],
        headers=["name", "n", "c"],
        align="lrc",
        markdown=True,
    )
    assert text.splitlines() == [
        "| name |   n |  c  |",
        "| :--- | --: | :-: |",
        "| a\\|b |   1 |  x  |",
    ]


def test_a_row_of_a_wrong_length_is_refused():
    with pytest.raises(ConfigError, match="2 cells"):
        tables.format_table([["a"]], headers=["x", "y"])
    with pytest.raises(ConfigError, match="2 letters"):
        tables.format_table([], headers=["x", "y"], align="lz")


def test_csv_quotes_formulas_and_keeps_numbers():
    text = tables.format_csv(
        [["=1+1", -0.5, float("nan")], ["a,b", None, "@x"]],
        headers=["tag", "x", "y"],
    )
    assert list(csv.reader(io.StringIO(text))) == [
        ["tag", "x", "y"],
        ["'=1+1", "-0.5", ""],
        ["a,b", "", "'@x"],
    ]
