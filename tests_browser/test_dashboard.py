"""The HParams tab of TensorBoard's page in Chromium."""

import json
import os

import pytest
from selenium.common.exceptions import TimeoutException
from selenium.webdriver.support.ui import WebDriverWait

from tests_browser.conftest import FAILED, LIMIT_SECONDS

PAGE_SECONDS = 60
"""Time after which the page is loaded again."""


# All elements of the page, also in shadow trees.
ELEMENTS = """
const elements = [];
(function walk(root) {
  for (const element of root.querySelectorAll("*")) {
    elements.push(element);
    if (element.shadowRoot) walk(element.shadowRoot);
  }
})(document);
"""
OPEN_VIEW = """
const view = `paper-tab[view-id="${arguments[0]}"]`;
const tab = elements.find(e => e.matches(view));
if (tab) tab.click();
return Boolean(tab);
"""
# The session of each visible line.
LINES = """
const lines = elements.filter(e => e.matches(".foreground path"));
return lines.filter(e => e.getBoundingClientRect().width > 0)
  .map(e => e.__data__.name).sort();
"""
# The title of each axis, and its tick labels from bottom to top.
AXES = """
const axes = elements.filter(e => e.matches("g.axis"));
return axes.map(axis => [
  axis.querySelector(".axis-title").textContent,
  [...axis.querySelectorAll(".tick")]
    .map(tick => [tick.getBoundingClientRect().y, tick.textContent.trim()])
    .sort((a, b) => b[0] - a[0]).map(tick => tick[1]),
]);
"""
# The texts of the table: one list per row, the header first.
TABLE = """
const grid = elements.find(e => e.tagName === "VAADIN-GRID");
if (!grid) return [];
const texts = row => [...row.children]
  .filter(cell => !cell.getAttribute("part").includes("details-cell"))
  .map(cell => cell.querySelector("slot").assignedNodes()
    .map(node => node.innerText.trim()).join());
const rows = [...grid.shadowRoot.querySelectorAll("#header tr, #items tr")];
return rows.filter(row => !row.hidden).map(texts);
"""


TABLE_VIEW = "table-view"
PARALLEL_VIEW = "parallel-coords-view"


@pytest.fixture
def trials(workspace):
    """The journal's records by trial id."""
    lines = workspace.journal_path.read_text().splitlines()
    records = [json.loads(line) for line in lines]
    return {record["trial"]["trial_id"]: record for record in records}


def of_stage(trials, stage):
    return {i: r for i, r in trials.items() if r["trial"]["stage"] == stage}


def run(browser, script, *arguments):
    return browser.execute_script(ELEMENTS + script, *arguments)


def wait(browser, condition, seconds=PAGE_SECONDS):
    return WebDriverWait(browser, seconds).until(condition)


def expect(browser, url, view, look, expected):
    """Opens the view until `look()` returns `expected`.

    The server reads the logs while it answers: the first page may lack trials.
    """

    def is_shown(_):
        browser.get("about:blank")
        browser.get(f"{url}#hparams")
        try:
            wait(browser, lambda _: run(browser, OPEN_VIEW, view))
            wait(browser, lambda _: look() == expected)
        except TimeoutException:
            return False
        return True

    try:
        wait(browser, is_shown, LIMIT_SECONDS)
    except TimeoutException:
        assert look() == expected


def expect_lines(browser, url, trial_ids):
    """One line per trial in the parallel coordinates view."""
    expect(
        browser,
        url,
        PARALLEL_VIEW,
        lambda: run(browser, LINES),
        sorted(trial_ids),
    )


def read_table(browser, url, trial_ids):
    """Waits for all trials; returns the table by trial id and column."""

    def listed():
        return sorted(row[0] for row in run(browser, TABLE)[1:])

    expect(browser, url, TABLE_VIEW, listed, sorted(trial_ids))
    header, *rows = run(browser, TABLE)
    assert header[:2] == ["Trial ID", "Show Metrics"]
    return {row[0]: dict(zip(header[2:], row[2:], strict=True)) for row in rows}


def test_the_search_view_has_a_line_per_completed_trial(
    browser, tensorboard, workspace, trials
):
    searched = of_stage(trials, "search")
    assert len(searched) == 7
    with tensorboard(workspace.logs_dir / "search") as url:
        expect_lines(browser, url, searched.keys() - {FAILED})
        axes = dict(run(browser, AXES))
        # The path for a screenshot, for manual inspection.
        if path := os.environ.get("SCREENSHOT"):
            browser.save_screenshot(path)
    filters = {
        r["trial"]["hparams"]["block1_filters"] for r in searched.values()
    }
    assert filters == {8, 16, 32}
    assert axes["block1_filters"] == ["8", "16", "32"]
    assert list(axes)[5:] == [
        "EER",
        "latency (s)",
        "multiply-adds",
        "parameters",
        "reward",
    ]


def test_the_search_table_has_every_value_and_no_empty_column(
    browser, tensorboard, workspace, trials
):
    searched = of_stage(trials, "search")
    with tensorboard(workspace.logs_dir / "search") as url:
        expect_lines(browser, url, searched.keys() - {FAILED})
        table = read_table(browser, url, searched)
    assert set(table.pop(FAILED).values()) > {""}
    for trial_id, cells in table.items():
        hparams = searched[trial_id]["trial"]["hparams"]
        result = searched[trial_id]["result"]
        # Integers have no decimal point.
        for name in (
            "block1_filters",
            "block1_height",
            "block1_width",
            "block2_filters",
            "block2_height",
        ):
            assert cells.pop(name) == str(hparams[name])
        assert {name: float(text) for name, text in cells.items()} == (
            pytest.approx(
                {
                    "EER": result["metrics"]["validation_eer"],
                    "latency (s)": result["metrics"]["latency_seconds"],
                    "multiply-adds": result["metrics"]["multiply_adds"],
                    "parameters": result["metrics"]["num_parameters"],
                    "reward": result["reward"],
                },
                rel=1e-4,
            )
        )


def test_the_grid_view_has_its_axes_and_no_latency(
    browser, tensorboard, workspace, trials
):
    grid = of_stage(trials, "grid")
    assert len(grid) == 6
    with tensorboard(workspace.logs_dir / "grid") as url:
        expect_lines(browser, url, grid)
        axes = dict(run(browser, AXES))
        table = read_table(browser, url, grid)
    assert list(axes) == [
        "batch_size",
        "mixup_alpha",
        "spectrogram_size",
        "stage",
        "EER",
        "multiply-adds",
        "parameters",
        "reward",
        "seconds",
    ]
    assert axes["mixup_alpha"] == ["0", "0.2", "1.5"]
    assert "" not in {t for cells in table.values() for t in cells.values()}
    for trial_id, cells in table.items():
        assert cells["batch_size"] == str(
            grid[trial_id]["trial"]["hparams"]["batch_size"]
        )


def test_the_view_of_all_logs_compares_the_trials_of_all_stages(
    browser, tensorboard, workspace, trials
):
    assert len(trials) == 1 + 7 + 6 + 2
    with tensorboard(workspace.logs_dir) as url:
        expect_lines(browser, url, trials.keys() - {FAILED})
        table = read_table(browser, url, trials)
    del table[FAILED]
    assert {tuple(cells) for cells in table.values()} == {
        ("stage", "EER", "multiply-adds", "parameters", "reward", "seconds")
    }
    for trial_id, cells in table.items():
        record = trials[trial_id]
        assert cells["stage"] == record["trial"]["stage"]
        assert float(cells["EER"]) == pytest.approx(
            record["result"]["metrics"]["validation_eer"], rel=1e-4
        )
        assert float(cells["seconds"]) == record["result"]["seconds"]
