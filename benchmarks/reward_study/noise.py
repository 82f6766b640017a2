"""Measures the noise and the cost of recorded trials."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from benchmarks.reward_study.kendall import kendall_tau
from benchmarks.table.recorded_table import RecordedTable


@dataclasses.dataclass(frozen=True)
class Noise:
    """The noise and the cost of recorded trials.

    Attributes:
        num_networks: number of recorded networks.
        num_trials: number of recorded trials.
        spread: standard deviation of the final EER over all trials.
        seed_deviation: standard deviation of the final EER between the seeds
            of a network; NaN for one seed.
        seed_tau: Kendall's tau between the final EERs of two seeds, averaged
            over pairs of seeds; NaN for one seed.
        epoch_taus: epoch -> Kendall's tau between a trial's evaluation EER
            after this epoch and the trial's final EER.
        mean_cpu_seconds: mean CPU time of a trial.
        total_cpu_seconds: CPU time of all trials together.
    """

    num_networks: int
    num_trials: int
    spread: float
    seed_deviation: float
    seed_tau: float
    epoch_taus: dict[int, float]
    mean_cpu_seconds: float
    total_cpu_seconds: float


def measure_noise(table: RecordedTable, *, fidelities: Sequence[int]) -> Noise:
    """Returns the noise and the cost of recorded trials.

    Args:
        table: the recorded trials.
        fidelities: the epochs in `Noise.epoch_taus`.
    """
    finals = table.final_eers()
    pairs = [
        kendall_tau(finals[:, i], finals[:, j])
        for i in range(table.num_seeds)
        for j in range(i)
    ]
    evaluation = table.curve("evaluation_eer")
    return Noise(
        num_networks=table.num_points,
        num_trials=finals.size,
        spread=float(finals.std()),
        seed_deviation=float(np.sqrt(finals.var(axis=1, ddof=1).mean()))
        if pairs
        else float("nan"),
        seed_tau=float(np.mean(pairs)) if pairs else float("nan"),
        epoch_taus={
            epoch: kendall_tau(
                evaluation[..., epoch - 1].ravel(), finals.ravel()
            )
            for epoch in fidelities
        },
        mean_cpu_seconds=float(table.cpu_seconds.mean()),
        total_cpu_seconds=float(table.cpu_seconds.sum()),
    )
