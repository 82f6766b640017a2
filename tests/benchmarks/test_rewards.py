"""The measurement of rewards: by enumeration, by SciPy, and the real tool."""

import itertools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from audiotag_nas.benchmarks.curves import (
    RecordedCurves,
    measure_noise,
    read_curves,
)
from audiotag_nas.benchmarks.rewards import (
    expected_regret,
    measure_rewards,
    weighted_taus,
)
from audiotag_nas.errors import ConfigError, DataError
from audiotag_nas.search.journal import Journal
from audiotag_nas.training.quality import QUALITIES
from audiotag_nas.trial import Trial, TrialResult, TrialStatus

ROOT = Path(__file__).parents[2]
SETS = ("validation", "fold0", "fold1", "evaluation")
MEASURES = ("loss", "eer", "auc", "binormal_eer")


def recorded_curves(num_networks=23, num_seeds=2, num_epochs=5, *, noise=0.0):
    """Trainings whose curves tell the network's EER, more or less."""
    rng = np.random.default_rng(3)
    true = rng.uniform(0.1, 0.3, (num_networks, 1, 1))
    falling = np.linspace(0.2, 0.0, num_epochs)
    curves = {}
    for name, measure in itertools.product(SETS, MEASURES):
        shape = (num_networks, num_seeds, num_epochs)
        eer = true + falling + noise * rng.normal(size=shape)
        curves[f"{name}_{measure}"] = 1 - eer if measure == "auc" else eer
    return RecordedCurves(curves, np.full((num_networks, num_seeds), 1.5))


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


def test_a_resamples_tau_is_that_of_the_points_drawn():
    rng = np.random.default_rng(5)
    x, y = rng.integers(0, 6, 17), rng.normal(size=17)
    counts = rng.multinomial(17, np.full(17, 1 / 17), 4)
    expected = [
        stats.kendalltau(np.repeat(x, n), np.repeat(y, n)).statistic
        for n in counts
    ]
    assert weighted_taus(x, y, counts) == pytest.approx(expected)


def test_the_final_eer_is_that_of_the_weights_the_trainer_keeps():
    # The lowest validation EER is tied; the lower loss is at epoch 3.
    curves = {
        "validation_eer": [0.3, 0.2, 0.2, 0.4],
        "validation_loss": [0.1, 0.6, 0.5, 0.1],
        "evaluation_eer": [0.31, 0.32, 0.33, 0.34],
    }
    recorded = RecordedCurves(
        {name: np.array([[curve]]) for name, curve in curves.items()},
        np.ones((1, 1)),
    )
    assert recorded.final_eers() == [[0.33]]


def test_without_noise_every_reward_tells_all():
    scores = measure_rewards(
        recorded_curves(), fidelities=[2, 5], subset_size=7, num_resamples=3
    )
    assert len(scores) == len(QUALITIES) * 2 * 2 * 2
    for score in scores:
        assert score.tau.value == pytest.approx(1.0)
        assert score.regret.value == pytest.approx(0.0)
        assert score.tau_gain.value == score.regret_gain.value == 0.0


def test_a_training_tells_more_of_its_own_final_eer_than_of_anothers():
    recorded = recorded_curves(60, noise=0.1)
    # The evaluation curves are the validation's: the noise is shared.
    for measure in MEASURES:
        shared = recorded.curves[f"validation_{measure}"]
        recorded.curves[f"evaluation_{measure}"] = shared
    taus = {
        score.target: score.tau.value
        for score in measure_rewards(
            recorded, fidelities=[5], subset_size=5, num_resamples=2
        )
        if (score.reward, score.folds) == ("eer", "both folds")
    }
    assert taus["cross"] < taus["same"] - 0.1


def test_the_cross_target_is_the_mean_of_the_other_seeds():
    recorded = recorded_curves(30, 3, noise=0.05)
    for curve in recorded.curves.values():
        curve[:8, 2] = np.nan
    recorded.cpu_seconds[:8, 2] = np.nan
    taus = []
    finals = recorded.final_eers()
    rewards = -recorded.curves["validation_eer"][:, :, :3].min(axis=2)
    for seed in range(3):
        done = np.isfinite(finals[:, seed])
        others = np.delete(finals, seed, axis=1)[done]
        tau = stats.kendalltau(
            rewards[done, seed], -np.nanmean(others, axis=1)
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


def test_the_noise_is_that_of_the_seeds():
    recorded = recorded_curves(3, 2, 1)
    finals = np.array([[0.1, 0.14], [0.2, 0.2], [0.3, 0.3]])
    recorded.curves["evaluation_eer"] = finals[..., None]
    noise = measure_noise(recorded, fidelities=[1])
    # Variances with n - 1: 0.0008, 0 and 0.
    assert noise.seed_deviation == pytest.approx((0.0008 / 3) ** 0.5)
    assert noise.seed_tau == 1.0
    assert noise.spread == pytest.approx(finals.std())
    assert (noise.num_trainings, noise.num_repeated) == (6, 3)
    assert noise.total_cpu_seconds == 9.0


def test_too_few_networks_and_epochs_not_recorded_are_refused():
    recorded = recorded_curves(9)
    with pytest.raises(DataError, match=r"at least 10 networks.*Received: 9"):
        measure_rewards(recorded, fidelities=[2], subset_size=5)
    with pytest.raises(ConfigError, match=r"from 1 to 5 epochs\. Received: 6"):
        measure_rewards(recorded, fidelities=[2, 6], subset_size=4)


def write_journal(path, recorded: RecordedCurves) -> None:
    """As `record_table` writes it, but for the second seed's last network."""
    journal = Journal(path)
    num_networks, num_seeds = recorded.cpu_seconds.shape
    places = list(itertools.product(range(num_seeds), range(num_networks)))
    for seed, network in places[:-1]:
        name = f"table-{seed}-{network:02d}"
        trial = Trial(name, "table", seed, (network,), {}, {}, seed=1)
        history = {
            curve: values[network, seed].tolist()
            for curve, values in recorded.curves.items()
        }
        result = TrialResult(
            name,
            TrialStatus.COMPLETED,
            0.5,
            metrics={"cpu_seconds": 1.5},
            history=history,
        )
        journal.append(trial, result)


def test_the_tool_measures_a_journal_that_still_grows(tmp_path):
    path = tmp_path / "trials.jsonl"
    recorded = recorded_curves(noise=0.05)
    write_journal(path, recorded)
    read = read_curves(path)
    assert np.isnan(read.cpu_seconds[22, 1])
    assert np.array_equal(
        read.curves["fold1_auc"][:22], recorded.curves["fold1_auc"][:22]
    )
    done = subprocess.run(
        [
            *(sys.executable, "tools/benchmarks/rewards.py"),
            *(f"--journal={path}", f"--output_dir={tmp_path / 'results'}"),
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
    assert ["trainings", "45"] in rows
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


def test_a_journal_without_trainings_is_named(tmp_path):
    with pytest.raises(DataError, match=r"trials\.jsonl: no training"):
        read_curves(tmp_path / "trials.jsonl")
