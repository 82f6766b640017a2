"""The recorded trainings' curves, how noisy they are and what they cost."""

import dataclasses
import os
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import stats

from audiotag_nas.errors import DataError
from audiotag_nas.search.journal import read_entries
from audiotag_nas.trial import TrialStatus


@dataclasses.dataclass(frozen=True)
class RecordedCurves:
    """The recorded trainings of a space.

    Attributes:
        curves: name -> (networks, seeds, epochs); NaN where a training is not
            recorded.
        cpu_seconds: (networks, seeds) of a training.
    """

    curves: dict[str, npt.NDArray]
    cpu_seconds: npt.NDArray

    @property
    def num_epochs(self) -> int:
        return self.curves["evaluation_eer"].shape[2]

    def final_eers(self) -> npt.NDArray:
        """(networks, seeds): with the weights that the trainer keeps.

        Those of the epoch of the lowest validation EER; where equal, of the
        lowest validation loss.
        """
        eer, loss = (
            self.curves[f"validation_{name}"] for name in ("eer", "loss")
        )
        lowest = eer == eer.min(axis=2, keepdims=True)
        kept = np.argmin(np.where(lowest, loss, np.inf), axis=2)
        evaluation = self.curves["evaluation_eer"]
        return np.take_along_axis(evaluation, kept[..., None], 2)[..., 0]


@dataclasses.dataclass(frozen=True)
class Noise:
    """How noisy the recorded trainings are, and what they cost.

    Attributes:
        num_networks: recorded with any seed.
        num_trainings: recorded.
        num_repeated: networks recorded with every seed.
        spread: standard deviation of the final EER over trainings.
        seed_deviation: of the final EER from seed to seed; NaN if no network
            is repeated.
        seed_tau: between the final EERs of two seeds, mean over the pairs.
        epoch_taus: epoch -> tau between the evaluation EER after it and the
            final one, of the same training.
        mean_cpu_seconds: of a training.
        total_cpu_seconds: of all.
    """

    num_networks: int
    num_trainings: int
    num_repeated: int
    spread: float
    seed_deviation: float
    seed_tau: float
    epoch_taus: dict[int, float]
    mean_cpu_seconds: float
    total_cpu_seconds: float


def read_curves(journal_path: str | os.PathLike) -> RecordedCurves:
    """The trainings that `record_table` has put in a journal so far.

    Raises:
        StoreError: the journal is damaged.
        DataError: no training in it has completed.
    """
    entries = [
        entry
        for entry in read_entries(journal_path)
        if entry.result.status is TrialStatus.COMPLETED
    ]
    if not entries:
        raise DataError(f"{journal_path}: no training has completed here.")
    networks = sorted({entry.trial.tokens for entry in entries})
    row = {tokens: index for index, tokens in enumerate(networks)}
    num_seeds = 1 + max(entry.trial.round for entry in entries)
    history = entries[0].result.history
    num_epochs = len(history["evaluation_eer"])
    shape = (len(networks), num_seeds)
    curves = {name: np.full((*shape, num_epochs), np.nan) for name in history}
    cpu_seconds = np.full(shape, np.nan)
    for entry in entries:
        place = row[entry.trial.tokens], entry.trial.round
        cpu_seconds[place] = entry.result.metrics["cpu_seconds"]
        for name, curve in entry.result.history.items():
            curves[name][place] = curve
    return RecordedCurves(curves, cpu_seconds)


def measure_noise(
    recorded: RecordedCurves, *, fidelities: Sequence[int]
) -> Noise:
    """How far a recorded final EER can be trusted."""
    finals = recorded.final_eers()
    done = np.isfinite(finals)
    repeated = finals[done.all(axis=1)]
    pairs = [
        rank_correlation(repeated[:, i], repeated[:, j])
        for i in range(finals.shape[1])
        for j in range(i)
        if len(repeated) > 1
    ]
    evaluation = recorded.curves["evaluation_eer"]
    return Noise(
        num_networks=len(finals),
        num_trainings=int(done.sum()),
        num_repeated=len(repeated) if finals.shape[1] > 1 else 0,
        spread=float(finals[done].std()),
        seed_deviation=float(np.sqrt(repeated.var(axis=1, ddof=1).mean()))
        if pairs
        else float("nan"),
        seed_tau=float(np.mean(pairs)) if pairs else float("nan"),
        epoch_taus={
            epoch: rank_correlation(
                evaluation[done][:, epoch - 1], finals[done]
            )
            for epoch in fidelities
        },
        mean_cpu_seconds=float(np.nanmean(recorded.cpu_seconds)),
        total_cpu_seconds=float(np.nansum(recorded.cpu_seconds)),
    )


def rank_correlation(x: npt.NDArray, y: npt.NDArray) -> float:
    """Kendall's tau-b; NaN where all of one are equal."""
    return float(stats.kendalltau(x, y).statistic)
