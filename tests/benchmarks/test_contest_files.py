"""Tests the contest's inputs, i.e. problems, CSV files and searchers."""

import hashlib
import importlib.util
import json
import runpy
from pathlib import Path

import pytest

from audiotag_nas.config import ExperimentConfig, SearchConfig
from audiotag_nas.errors import ConfigError, DataError
from audiotag_nas.experiment import stages
from audiotag_nas.experiment.workspace import Workspace
from audiotag_nas.search.journal import Journal
from audiotag_nas.space import Decision
from audiotag_nas.trial import TrialResult, TrialStatus
from benchmarks.contest.contest import (
    PROBLEMS,
    check_searcher,
    make_problem,
    make_tasks,
    missing_points_note,
    problem_names,
    run_task,
)
from benchmarks.contest.results import (
    ResultsFile,
    Task,
    TaskResult,
    csv_digests,
    read_results,
)

CSV = "n,reward_1,value\n1,0.9,0.5\n2,0.8,0.7\n3,0.1,0.2\n"


def test_the_problems_are_the_named_ones_and_the_files():
    assert problem_names(None, ["a.csv"]) == [*PROBLEMS, "csv:a.csv"]
    assert problem_names(["needle"], []) == ["needle"]
    assert problem_names([""], ["a.csv", "b.csv"]) == ["csv:a.csv", "csv:b.csv"]
    for none in ([], [""]):
        with pytest.raises(ConfigError, match=r"--problems: must name .*''"):
            problem_names(none, [])


def csv_result(path, digest):
    return TaskResult(
        task=Task(f"csv:{path}", "random", 0, 50, digest),
        regrets=(0.2, 0.1),
        common_regrets=(0.2, 0.1),
        cpu_seconds=0.5,
        start_cpu_seconds=2.0,
        library="library 1.0",
    )


def test_a_csv_problem_is_identified_by_content_and_not_by_path(
    tmp_path, monkeypatch
):
    mine, copy = tmp_path / "mine.csv", tmp_path / "there" / "copy.csv"
    copy.parent.mkdir()
    for path in (mine, copy):
        path.write_text(CSV)
    digest = hashlib.sha256(CSV.encode()).hexdigest()[:16]
    monkeypatch.chdir(tmp_path)
    digests = csv_digests(["needle", "csv:mine.csv"], [])
    assert digests == {"csv:mine.csv": digest}
    [task] = make_tasks(
        ["csv:mine.csv"],
        ["random"],
        num_seeds=1,
        num_trials=50,
        digests=digests,
    )
    file = ResultsFile(tmp_path / "contest.jsonl")
    file.append(run_task(task))
    # From another directory, or with a copy of the file, it is the same search.
    done = read_results(file.path)
    for path in (mine, copy):
        name = f"csv:{path}"
        assert csv_digests([name], done) == {name: digest}
        assert Task(name, "random", 0, 50, digest) in done
    assert Task(f"csv:{mine}", "random", 0, 50) not in done
    with pytest.raises(ConfigError, match=r"different content.*copy\.csv"):
        csv_digests([f"csv:{mine}", f"csv:{copy}"], [])


def test_an_edited_csv_file_is_another_problem(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text(CSV)
    name = f"csv:{path}"
    digest = csv_digests([name], [])[name]
    done = [csv_result(path, digest).task]
    path.write_text(CSV.replace("0.7", "0.6"))
    for report_only in (False, True):
        with pytest.raises(
            ConfigError, match=rf"mine\.csv must have the .*{digest}\)\. Rec"
        ):
            csv_digests([name], done, report_only=report_only)
    with pytest.raises(DataError, match=r"mine\.csv: must not change while"):
        run_task(done[0])
    path.unlink()
    # A report does not need the CSV file.
    assert csv_digests([name], done, report_only=True) == {name: digest}
    with pytest.raises(DataError, match=r"mine\.csv: can't be read"):
        csv_digests([name], done)


def test_lines_without_digest_are_reported_but_not_continued(tmp_path):
    path = tmp_path / "mine.csv"
    old = csv_result(path, "")
    line = json.dumps(old.to_json())
    assert "digest" not in json.loads(line)
    assert TaskResult.from_json(json.loads(line)).task == old.task
    name = f"csv:{path}"
    assert csv_digests([name], [old.task], report_only=True) == {name: ""}
    path.write_text(CSV)
    assert csv_digests([name], [old.task], report_only=True) == {name: ""}
    with pytest.raises(ConfigError, match="SHA-256: not recorded"):
        csv_digests([name], [old.task])


def test_points_without_a_row_are_counted(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("a,b,reward_1\n1,x,0.5\n1,y,0.6\n2,x,0.7\n")
    note = missing_points_note(make_problem(f"csv:{path}", 0))
    assert note.startswith(f"csv:{path}: 3 of 4 points have a row")
    path.write_text(path.read_text() + "2,y,0.8\n")
    assert missing_points_note(make_problem(f"csv:{path}", 0)) == ""


def test_the_recipe_in_the_docs_converts_a_search_to_a_table(
    tmp_path, monkeypatch
):
    guide = Path(__file__).parents[2] / "docs" / "guide" / "searchers.md"
    _, _, section = guide.read_text().partition("## Comparing searchers on")
    recipe = tmp_path / "recipe.py"
    recipe.write_text(section.partition("```python\n")[2].partition("```")[0])
    monkeypatch.chdir(tmp_path)
    config = ExperimentConfig(
        search=SearchConfig(filters=(8, 16), heights=(3,), widths=(3,))
    )
    workspace = Workspace("runs/mine")
    workspace.start(config)
    journal = Journal(workspace.journal_path)
    one, other = (0,) * 21, (1,) + (0,) * 20
    for number, (tokens, reward) in enumerate(
        [(one, 0.5), (other, 0.8), (one, 0.6), (other, None)]
    ):
        trial = stages.search_trial(config, number, 0, tokens)
        result = (
            TrialResult(
                trial.trial_id, TrialStatus.FAILED, None, reason="killed"
            )
            if reward is None
            else TrialResult(trial.trial_id, TrialStatus.COMPLETED, reward)
        )
        journal.append(trial, result)
    runpy.run_path(str(recipe))
    problem = make_problem("csv:mine.csv", 0)
    assert problem.space.decisions[0] == Decision("block1_filters", (8, 16))
    assert problem.true_value((0,) * 21) == pytest.approx(0.55)
    assert problem.best_value == 0.8


def test_a_missing_library_is_named_with_the_searchers_that_remain(monkeypatch):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name: None if name == "torch" else find_spec(name),
    )
    with pytest.raises(ConfigError, match=r"optuna_gp.* needs torch") as caught:
        check_searcher("optuna_gp")
    _, _, others = str(caught.value).partition("leave it out with --searchers=")
    assert others.startswith("reinforce,")
    names = others.split(",")
    assert "optuna_gp" not in names
    assert {"optuna_tpe", "random"} <= set(names)
