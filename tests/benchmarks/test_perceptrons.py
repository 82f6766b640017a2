"""Compares the tables of perceptrons with direct use of scikit-learn."""

import os
import subprocess
import sys

import numpy as np
import pytest

from audiotag_nas.errors import ConfigError
from benchmarks.contest.perceptrons import (
    TABLES,
    PerceptronTable,
    make_table,
    table_csv,
    train_row,
)
from benchmarks.contest.table_problems import read_csv_problem
from tests.conftest import ROOT


def test_a_tables_file_is_a_problem_with_its_rewards_and_values(tmp_path):
    # The validation score is 0.1 w + 0.01 seed. The test score is higher by 1.
    def train(point, seed):
        validation = 0.1 * point["width"] + 0.01 * seed
        return validation, validation + 1

    table = PerceptronTable({"width": (2, 4), "kind": ("relu", "tanh")}, train)
    rows = [table.row(point) for point in table.points()]
    path = tmp_path / "some.csv"
    path.write_text(table_csv(table, rows))
    problem = read_csv_problem(path, name="some")
    assert [d.ordinal for d in problem.space.decisions] == [True, False]
    assert problem.best_value == pytest.approx(0.4 + 0.005 + 1)
    assert problem.true_value((0, 1)) == pytest.approx(0.2 + 0.005 + 1)
    generator = np.random.default_rng(0)
    rewards = {round(problem.reward((1, 0), generator), 9) for _ in range(2)}
    assert rewards == {0.4, 0.41}


def test_a_row_has_the_scores_of_its_digit_classifier():
    from sklearn.datasets import load_digits
    from sklearn.neural_network import MLPClassifier

    features, targets = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(targets))
    train, validation = order[:500], order[500:800]
    network = MLPClassifier(
        hidden_layer_sizes=(64, 32),
        activation="tanh",
        alpha=0.01,
        learning_rate_init=0.01,
        batch_size=8,
        max_iter=8,
        random_state=1,
    )
    with pytest.warns(match="Maximum iterations"):
        network.fit(features[train] / 16, targets[train])
    score = network.score(features[validation] / 16, targets[validation])
    assert score > 0.85
    points = make_table("digits").points()
    assert len(points) == 5 * 4 * 3 * 4 * 5 * 3
    choices = [64, 32, "tanh", 0.01, 0.01, 8]
    point = next(p for p in points if [*p.values()] == choices)
    row = train_row("digits", point)
    assert row[:6] == choices
    assert row[7] == round(score, 5)
    assert 0.85 < row[8] < 1


@pytest.mark.parametrize("name", TABLES)
def test_every_table_has_networks_better_than_chance(name):
    table = make_table(name)
    point = table.points()[len(table.points()) // 2]
    assert table.row(point) == table.row(point)
    best = max(
        table.row(point)[-1]
        for point in table.points()[:: len(table.points()) // 20]
    )
    # A constant output scores 0.1 on digits, an R^2 of 0, and 0.63 on cancer.
    assert best > {"diabetes": 0.3, "cancer": 0.9}.get(name, 0.7)


def test_an_unknown_table_is_refused_with_the_known_ones():
    with pytest.raises(ConfigError, match=r"'cancer'\]\. Received: 'wine'"):
        make_table("wine")


def test_the_command_keeps_existing_files_and_refuses_a_wrong_table(tmp_path):
    (tmp_path / "cancer.csv").write_text("unchanged")

    def run(tables: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [
                *(sys.executable, "benchmarks/perceptron_tables.py"),
                *(f"--output_dir={tmp_path}", f"--tables={tables}"),
            ],
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )

    done = run("cancer")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{tmp_path / 'cancer.csv'}: exists\n"
    assert (tmp_path / "cancer.csv").read_text() == "unchanged"
    assert "Received: 'wine'" in run("wine").stderr
