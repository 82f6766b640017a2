"""How noisy the recorded trainings are, and what they cost."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import stats

from benchmarks.table.recorded_table import RecordedTable


@dataclasses.dataclass(frozen=True)
class Noise:
    """How noisy the recorded trainings are, and what they cost.

    Attributes:
        num_networks: recorded.
        num_trainings: recorded.
        spread: standard deviation of the final EER over trainings.
        seed_deviation: of the final EER from seed to seed; NaN if there is
            one seed.
        seed_tau: between the final EERs of two seeds, mean over the pairs.
        epoch_taus: epoch -> tau between the evaluation EER after it and the
            final one, of the same training.
        mean_cpu_seconds: of a training.
        total_cpu_seconds: of all.
    """

    num_networks: int
    num_trainings: int
    spread: float
    seed_deviation: float
    seed_tau: float
    epoch_taus: dict[int, float]
    mean_cpu_seconds: float
    total_cpu_seconds: float


def measure_noise(table: RecordedTable, *, fidelities: Sequence[int]) -> Noise:
    """How far a recorded final EER can be trusted.

    Args:
        table: the trainings.
        fidelities: numbers of epochs.
    """
    finals = table.final_eers()
    pairs = [
        rank_correlation(finals[:, i], finals[:, j])
        for i in range(table.num_seeds)
        for j in range(i)
    ]
    evaluation = table.curve("evaluation_eer")
    return Noise(
        num_networks=table.num_points,
        num_trainings=finals.size,
        spread=float(finals.std()),
        seed_deviation=float(np.sqrt(finals.var(axis=1, ddof=1).mean()))
        if pairs
        else float("nan"),
        seed_tau=float(np.mean(pairs)) if pairs else float("nan"),
        epoch_taus={
            epoch: rank_correlation(
                evaluation[..., epoch - 1].ravel(), finals.ravel()
            )
            for epoch in fidelities
        },
        mean_cpu_seconds=float(table.cpu_seconds.mean()),
        total_cpu_seconds=float(table.cpu_seconds.sum()),
    )


def rank_correlation(x: npt.NDArray, y: npt.NDArray) -> float:
    """Kendall's tau-b; NaN where all of one are equal."""
    return float(stats.kendalltau(x, y).statistic)
