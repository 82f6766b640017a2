"""Compares the reward study with enumeration and SciPy; runs the command."""

import itertools
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from audiotag_nas.architecture import CRNN_BASELINE
from audiotag_nas.errors import ConfigError, DataError
from audiotag_nas.search.journal import JournalEntry
from audiotag_nas.space import Decision, SearchSpace
from audiotag_nas.trial import Trial, TrialResult, TrialStatus
from benchmarks.reward_study.kendall import resampled_taus
from benchmarks.reward_study.measurement import expected_regret, measure_rewards
from benchmarks.reward_study.noise import measure_noise
from benchmarks.table.recorded_table import RecordedTable, write_table
from benchmarks.table.reward_forms import REWARDS, reward_of

ROOT = Path(__file__).parents[2]
SETS = ("validation", "fold0", "fold1", "evaluation")
MEASURES = ("loss", "eer", "auc", "binormal_eer")


CURVES = {
    "eer": [0.5, 0.25, 0.125, 0.375, 0.25],
    "auc": [0.5, 0.75, 0.875, 0.625, 0.75],
    "loss": [math.log(4), math.log(2), 0.0, math.log(8), 1.0],
    "binormal_eer": [0.5, 0.5, 0.25, 0.0, 0.25],
}


@pytest.mark.parametrize(
    ("name", "reward"),
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
def test_a_reward_is_what_its_name_says(name, reward):
    curve = CURVES[REWARDS[name][0]]
    assert reward_of(name, curve) == pytest.approx(reward)


def test_after_two_epochs_the_mean_of_three_is_that_of_two():
    assert reward_of("auc_mean3", [0.5, 0.75]) == 0.625


def recorded_table(num_networks=23, num_seeds=2, num_epochs=5, *, noise=0.0):
    """Returns a table of curves with the network's EER, a trend and noise.

    The weights of the last epoch are kept.
    """
    rng = np.random.default_rng(3)
    true = rng.uniform(0.1, 0.3, (num_networks, 1, 1))
    falling = np.linspace(0.2, 0.0, num_epochs)
    shape = (num_networks, num_seeds)
    curves = {}
    for name, measure in itertools.product(SETS, MEASURES):
        eer = true + falling + noise * rng.normal(size=(*shape, num_epochs))
        curves[f"{name}_{measure}"] = 1 - eer if measure == "auc" else eer
    return RecordedTable(
        space=SearchSpace((Decision("filters", tuple(range(num_networks))),)),
        tokens=np.arange(num_networks)[:, None],
        measures=tuple(curves),
        curves=np.stack(list(curves.values()), axis=-1),
        best_epochs=np.full(shape, num_epochs),
        num_parameters=np.full(num_networks, 9),
        cpu_seconds=np.full(shape, 1.5),
    )


def test_the_regret_is_the_mean_over_every_subset():
    rewards = np.array([0.7, 0.9, 0.7, 0.2, 0.9, 0.9, 0.1])
    finals = np.array([0.21, 0.25, 0.15, 0.1, 0.2, 0.3, 0.17])
    regrets = []
    for subset in map(list, itertools.combinations(range(7), 3)):
        best = rewards[subset] == rewards[subset].max()
        regrets.append(finals[subset][best].mean() - finals[subset].min())
    assert expected_regret(rewards, finals, 3) == pytest.approx(
        np.mean(regrets)
    )
    assert expected_regret(-finals, finals, 3) == pytest.approx(0.0)
    with pytest.raises(ConfigError, match="from 1 to 6"):
        expected_regret(rewards, finals, 7)


def test_a_resamples_tau_is_that_of_its_points():
    rng = np.random.default_rng(5)
    x, y = rng.integers(0, 6, 17), rng.normal(size=17)
    counts = rng.multinomial(17, np.full(17, 1 / 17), 4)
    expected = [
        stats.kendalltau(np.repeat(x, n), np.repeat(y, n)).statistic
        for n in counts
    ]
    assert resampled_taus(x, y, counts) == pytest.approx(expected)


def test_without_noise_every_reward_ranks_perfectly():
    scores = measure_rewards(
        recorded_table(), fidelities=[2, 5], subset_size=7, num_resamples=3
    )
    assert len(scores) == len(REWARDS) * 2 * 2 * 2
    for score in scores:
        assert score.tau.value == pytest.approx(1.0)
        assert score.regret.value == pytest.approx(0.0)
        assert score.tau_gain.value == score.regret_gain.value == 0.0


def test_a_trial_predicts_its_own_final_eer_better_than_anothers():
    recorded = recorded_table(60, noise=0.1)
    # Evaluation and validation curves are equal, so they share the noise.
    for measure in MEASURES:
        shared = recorded.curve(f"validation_{measure}")
        recorded.curve(f"evaluation_{measure}")[...] = shared
    taus = {
        score.target: score.tau.value
        for score in measure_rewards(
            recorded, fidelities=[5], subset_size=5, num_resamples=2
        )
        if (score.reward, score.folds) == ("eer", "both folds")
    }
    assert taus["cross"] < taus["same"] - 0.1


def test_the_cross_target_is_the_mean_of_the_other_seeds():
    recorded = recorded_table(30, 3, noise=0.05)
    taus = []
    finals = recorded.curve("evaluation_eer")[..., -1]
    rewards = -recorded.curve("validation_eer")[:, :, :3].min(axis=2)
    for seed, others in ((0, [1, 2]), (1, [0, 2]), (2, [0, 1])):
        tau = stats.kendalltau(
            rewards[:, seed], -finals[:, others].mean(axis=1)
        ).statistic
        taus.append(tau)
    (score,) = [
        score
        for score in measure_rewards(
            recorded, fidelities=[3], subset_size=4, num_resamples=2
        )
        if (score.target, score.reward, score.folds)
        == ("cross", "eer", "both folds")
    ]
    assert score.tau.value == pytest.approx(np.mean(taus))


def test_the_noise_is_the_deviation_between_seeds():
    recorded = recorded_table(3, 2, 1)
    finals = np.array([[0.1, 0.14], [0.2, 0.2], [0.3, 0.3]])
    recorded.curve("evaluation_eer")[...] = finals[..., None]
    noise = measure_noise(recorded, fidelities=[1])
    # Variances with n - 1: 0.0008, 0 and 0.
    assert noise.seed_deviation == pytest.approx((0.0008 / 3) ** 0.5)
    assert noise.seed_tau == 1.0
    assert noise.spread == pytest.approx(finals.std())
    assert (noise.num_trials, noise.num_networks) == (6, 3)
    assert noise.total_cpu_seconds == 9.0


def test_with_one_seed_there_is_no_cross_target():
    recorded = recorded_table(num_seeds=1)
    scores = measure_rewards(
        recorded, fidelities=[4], subset_size=3, num_resamples=2
    )
    assert {score.target for score in scores} == {"same"}
    noise = measure_noise(recorded, fidelities=[4])
    assert np.isnan(noise.seed_tau)
    assert np.isnan(noise.seed_deviation)


def test_too_few_networks_and_unrecorded_epochs_are_refused():
    recorded = recorded_table(9)
    with pytest.raises(DataError, match=r"at least 10 networks.*Received: 9"):
        measure_rewards(recorded, fidelities=[2], subset_size=5)
    with pytest.raises(ConfigError, match=r"from 1 to 5 epochs\. Received: 6"):
        measure_rewards(recorded, fidelities=[2, 6], subset_size=4)


def write_recording(path, table: RecordedTable) -> None:
    """Writes the table from journal entries, as `record_table` does."""
    entries = []
    for network, seed in np.ndindex(table.num_points, table.num_seeds):
        name = f"table-{seed}-{network:02d}"
        result = TrialResult(
            name,
            TrialStatus.COMPLETED,
            0.5,
            metrics={
                "cpu_seconds": 1.5,
                "num_parameters": 9,
                "best_epoch": table.best_epochs[network, seed],
            },
            history={
                measure: table.curve(measure)[network, seed].tolist()
                for measure in table.measures
            },
        )
        trial = Trial(
            name, "table", seed, (network,), {}, CRNN_BASELINE, seed=1
        )
        entries.append(
            JournalEntry(
                order=len(entries),
                finished_at="2026-01-31T12:00:00Z",
                trial=trial,
                result=result,
                line_number=1 + len(entries),
            )
        )
    write_table(entries, path, space=table.space)


def test_the_command_measures_a_recorded_table(tmp_path):
    path = tmp_path / "mine.npz"
    write_recording(path, recorded_table(noise=0.02))
    done = subprocess.run(
        [
            *(sys.executable, "benchmarks/rewards.py"),
            *(f"--table={path}", f"--output_dir={tmp_path / 'results'}"),
            *("--epochs=2,5", "--subset_size=6", "--num_resamples=3"),
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "results" / "rewards.txt").read_text()
    assert done.stdout == text
    rows = [line.split() for line in text.splitlines()]
    assert ["trials", "46"] in rows
    for folds, target in itertools.product(
        ("one fold", "both folds"), ("other", "all the network's")
    ):
        assert any(
            line.startswith("Kendall") and folds in line and target in line
            for line in text.splitlines()
        )
    # Two targets, two kinds of folds, tau and regret.
    assert sum(row[:1] == ["binormal_eer_mean3"] for row in rows) == 8
    picture = (tmp_path / "results" / "rewards.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
