"""A driver for the tests of `status`: the real tuner, fake trainings.

`python -m tests.inspection.status_driver WORKDIR`. A training ends when the
file `WORKDIR/go` exists, which it removes, or at once if `WORKDIR/free` exists.
If `WORKDIR/damage` exists, it raises an error that ends the search.
"""

import sys
import time
from pathlib import Path

from audiotag_nas.config import (
    ExperimentConfig,
    GridConfig,
    SearchConfig,
    SyntheticConfig,
)
from audiotag_nas.errors import DataError
from audiotag_nas.experiment.tuner import ArchitectureTuner
from audiotag_nas.trial import Trial, TrialResult, TrialRunner, TrialStatus
from tests.fakes import FakeRunner, fake_failure

FAILED = ("search-0001", "search-0003", "search-0004")


def config() -> ExperimentConfig:
    return ExperimentConfig(
        name="looked_at",
        synthetic=SyntheticConfig(num_development_clips=20),
        search=SearchConfig(
            searcher="random", num_trials=7, trials_per_round=3, epochs=2
        ),
        grid=GridConfig(batch_size=(22, 44), spectrogram_size=("124x64",)),
    )


class FakeTuner(ArchitectureTuner):
    """A tuner with two workers and no data."""

    def prepare(self) -> None:
        pass

    def _make_runner(self) -> TrialRunner:
        return FakeRunner(self._train, num_slots=2)

    def _train(self, trial: Trial) -> TrialResult:
        started = time.time()
        go, free = (self.workspace.workdir / name for name in ("go", "free"))
        while not go.exists() and not free.exists():
            time.sleep(0.01)
        go.unlink(missing_ok=True)
        if (self.workspace.workdir / "damage").exists():
            raise DataError("features: damaged")
        if trial.trial_id in FAILED:
            return fake_failure(
                trial, "out of memory" if trial.round else "NaN weights"
            )
        # 0.25, 0.24, 0.23, ... for any architecture.
        eer = 0.25 - 0.01 * int(trial.trial_id.rpartition("-")[2])
        return TrialResult(
            trial_id=trial.trial_id,
            status=TrialStatus.COMPLETED,
            reward=1 - eer,
            metrics={"validation_eer": eer, "num_parameters": 12345.0},
            history={"validation_loss": [0.4, 0.3]},
            seconds=time.time() - started,
        )


if __name__ == "__main__":
    FakeTuner(config(), workdir=Path(sys.argv[1])).search()
