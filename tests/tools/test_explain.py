"""`explain` on journals written by the tests, without TensorFlow."""

import os
import re
import subprocess
import sys
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

from audiotag_nas.config import ExperimentConfig, SearchConfig
from audiotag_nas.experiment import stages
from audiotag_nas.experiment.workspace import Workspace
from audiotag_nas.search.journal import Journal
from audiotag_nas.search.points import draw_points
from audiotag_nas.trial import TrialResult, TrialStatus

ROOT = Path(__file__).parents[2]
CONFIG = ExperimentConfig(
    name="made_up",
    search=SearchConfig(
        filters=(8, 16), heights=(1, 3, 5, 7), widths=(1, 5, 7), reward="eer"
    ),
)


@pytest.fixture
def run_explain(tmp_path):
    """Runs the tool in an environment without TensorFlow."""
    forbidden = tmp_path / "no_tensorflow"
    for name in ("tensorflow", "keras"):
        (forbidden / name).mkdir(parents=True)
        (forbidden / name / "__init__.py").write_text("raise SystemExit(77)\n")

    def run(*arguments: object) -> subprocess.CompletedProcess:
        return subprocess.run(
            [
                *(sys.executable, "-m", "audiotag_nas", "explain"),
                *map(str, arguments),
            ],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"PYTHONPATH": f"{forbidden}{os.pathsep}{ROOT}"},
        )

    return run


def write_journal(workdir: Path, reward_of, num: int, *, failed=()) -> None:
    workspace = Workspace(workdir)
    workspace.start(CONFIG)
    journal = Journal(workspace.journal_path)
    points = draw_points(CONFIG.search.space(), num, np.random.default_rng(2))
    for number, tokens in enumerate(points):
        trial = stages.search_trial(CONFIG, number, number // 4, tokens)
        if number in failed:
            result = TrialResult(
                trial.trial_id, TrialStatus.FAILED, None, reason="NaN"
            )
        else:
            result = TrialResult(
                trial.trial_id, TrialStatus.COMPLETED, reward_of(tokens)
            )
        journal.append(trial, result)


def test_important_decisions_are_listed_first_and_drawn(tmp_path, run_explain):
    rng = np.random.default_rng(0)

    def reward(tokens):
        # Block 2's filter height adds 0.01 per step, block 1's width 0.03 if
        # it is 7; the rest is noise.
        effects = 0.01 * tokens[4] + 0.03 * (tokens[2] == 2)
        return 0.7 + effects + 0.003 * rng.normal()

    write_journal(tmp_path / "run", reward, 60, failed=(3, 50))
    done = run_explain(f"--workdir={tmp_path}/run")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert "Inconclusive" not in done.stdout
    assert lines[1].startswith("trials: 58, of ")
    assert "2 failed (left out)" in lines[1]
    assert lines[2] == "reward: 1 - mean EER"
    fit = re.fullmatch(
        r"surrogate fit: leave-one-out R² (0\.\d\d) ± (0\.\d\d), "
        r"RMSE (0\.\d{4})",
        lines[4],
    )
    r2, r2_error, rmse = map(float, fit.groups())
    assert r2 > 0.9 > 0.1 > r2_error
    # RMSE is within a factor of two of the noise of the rewards.
    assert 0.0015 < rmse < 0.006
    table = [line.split() for line in lines if line.startswith("block")]
    # The variances are 0.03^2 * 2 / 9 and 0.01^2 * 1.25.
    assert [row[0] for row in table[:2]] == ["block1_width", "block2_height"]
    marked = [row[1] == "*" for row in table[:21]]
    assert marked == [True] * 2 + [False] * 19
    found = [line for line in lines if "rather than" in line]
    assert len(found) == 2
    words, _, numbers = found[1].partition(" raises the reward by ")
    assert words == "Block 2's filter height: 7 rather than 1"
    mean, _, deviation = numbers.rstrip(".").partition(" ± ")
    assert abs(float(mean) - 0.03) < 3 * float(deviation) < 0.009
    assert max(map(len, lines[:-1])) <= 79

    path = tmp_path / "run" / "report" / "explain.png"
    assert lines[-1] == f"picture: {path}"
    picture = matplotlib.image.imread(path)
    assert picture.std() > 0.05

    again = run_explain(
        f"--workdir={tmp_path}/run", f"--output={tmp_path}/b.png"
    )
    assert again.stdout.splitlines()[:-1] == lines[:-1]
    assert (tmp_path / "b.png").read_bytes() == path.read_bytes()


def test_a_search_of_pure_noise_is_inconclusive(tmp_path, run_explain):
    rng = np.random.default_rng(1)
    write_journal(tmp_path / "run", lambda tokens: rng.uniform(), 24)
    done = run_explain(f"--workdir={tmp_path}/run")
    assert done.returncode == 0, done.stderr
    assert "No decision is significant: " in done.stdout
    assert "rather than" not in done.stdout
    assert " *" not in done.stdout
    # This line comes first, and no share of variance is printed.
    lines = done.stdout.splitlines()
    assert lines[1].startswith("Inconclusive: ")
    assert "share" not in "".join(lines[:6])
    assert not [line for line in lines if line.startswith("block")]
    assert max(map(len, lines[:-1])) <= 79


def test_too_few_trials_are_an_error_of_one_line(tmp_path, run_explain):
    write_journal(tmp_path / "run", lambda tokens: 0.5, 9, failed=(0, 1))
    done = run_explain(f"--workdir={tmp_path}/run")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == (
        f"error: {tmp_path}/run/trials.jsonl: to explain a search, at least 8 "
        "trials must have been trained in full. Received: 7 (0 stopped early, "
        "2 failed)\n"
    )


def test_a_picture_that_cannot_be_written_is_an_error(tmp_path, run_explain):
    write_journal(tmp_path / "run", lambda tokens: 0.1 * tokens[0], 9)
    (tmp_path / "file").touch()
    done = run_explain(
        f"--workdir={tmp_path}/run", f"--output={tmp_path}/file/a.png"
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {tmp_path}/file/a.png: can't be ")
    assert done.stderr.count("\n") == 1
