"""A trial: one training that a stage requests, and its result.

All stages use these types. The runners, the journal and the HParams writer
therefore work for every stage. The types can be written as JSON, because trials
are sent to other processes and machines.
"""

import dataclasses
import enum
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from audiotag_nas.architecture import Architecture
from audiotag_nas.errors import ConfigError, StoreError
from audiotag_nas.fields import from_json
from audiotag_nas.space import Choice, Tokens

MAX_REWARD = 1e15
"""The greatest magnitude of a reward that a searcher is told.

Much larger rewards cause gradients whose squares overflow in single precision.
"""

MODEL_FILE = "model.keras"
"""The file in a trial's directory that holds its trained network."""

_MAX_ID = 100
_TRIAL_ID = re.compile(rf"(?!\.)[A-Za-z0-9_.-]{{1,{_MAX_ID}}}")

StopRule = Sequence[Sequence[float]]
"""(epoch, least quality) pairs. A training is stopped if its quality after one
of these epochs is lower than the epoch's least quality."""


def is_stopped(rule: StopRule, epoch: int, quality: float) -> bool:
    """Whether a stop rule ends a training after an epoch.

    Args:
        rule: epochs, and the least quality after each of these epochs.
        epoch: the number of the epoch, from 1.
        quality: the quality of the network after this epoch.
    """
    return any(at == epoch and quality < least for at, least in rule)


class TrialStatus(enum.StrEnum):
    COMPLETED = "completed"
    FAILED = "failed"


@dataclasses.dataclass(frozen=True)
class TrainingOverrides:
    """A trial's own training settings. None means the config's value.

    All fields are also fields of `config.TrainingConfig`, except
    `spectrogram_size` (frames x mel bins, e.g. `124x128`).
    """

    mixup_alpha: float | None = None
    spectrogram_size: str | None = None
    batch_size: int | None = None
    epochs: int | None = None
    patience: int | None = None
    learning_rate: float | None = None
    time_mask_frames: int | None = None
    mel_mask_bins: int | None = None

    def to_json(self) -> dict[str, Choice]:
        """Returns the fields that are not None."""
        fields = dataclasses.asdict(self).items()
        return {name: value for name, value in fields if value is not None}


@dataclasses.dataclass(frozen=True)
class RewardSettings:
    """How a trial's reward is computed from its learning curves.

    Attributes:
        measure: a name in `training.rewards.MEASURES`.
        weighs_costs: True subtracts a penalty for the network's costs from the
            reward. `config.search` has the weights of the costs.
    """

    measure: str = "eer"
    weighs_costs: bool = False


@dataclasses.dataclass(frozen=True)
class Trial:
    """One training to run.

    Attributes:
        trial_id: a unique name in the working directory, e.g. `search-0007`.
        stage: the stage that requests the trial: `baseline`, `search`,
            `grid`, `final` or `train`.
        round: the number of the searcher's round, from 0.
        tokens: the trial's point in the stage's search space.
        hparams: decision's name -> the choice at this point.
        architecture: the network to train.
        seed: the seed of all random numbers in this training.
        overrides: training settings that differ from the config's.
        stop_rule: when to stop the training early; never if it is empty.
        reward: how the reward is computed.
    """

    trial_id: str
    stage: str
    round: int
    tokens: Tokens
    hparams: dict[str, Choice]
    architecture: Architecture
    seed: int
    overrides: TrainingOverrides = TrainingOverrides()
    stop_rule: StopRule = ()
    reward: RewardSettings = RewardSettings()

    def __post_init__(self) -> None:
        # The id becomes the name of a directory that may be removed later.
        if not _TRIAL_ID.fullmatch(self.trial_id):
            raise ConfigError(
                "`trial_id` must be letters, digits and -_. only, at most "
                f"{_MAX_ID}, and not begin with a dot. Received: "
                f"{self.trial_id!r}"
            )
        rule = tuple((epoch, least) for epoch, least in self.stop_rule)
        object.__setattr__(self, "stop_rule", rule)

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self) | {
            "architecture": self.architecture.to_json(),
            "overrides": self.overrides.to_json(),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Trial":
        """Returns the trial that `to_json` wrote.

        Raises:
            ConfigError: a field, which the error names, is missing, unknown
                or wrong.
        """
        return from_json(cls, value, "trial")


@dataclasses.dataclass(frozen=True)
class TrialResult:
    """The outcome of a trial. A failed trial has a result too.

    Attributes:
        trial_id: the trial's id.
        status: completed or failed.
        reward: the finite number that the searcher maximizes; None for a
            failed trial.
        metrics: named finite numbers: `validation_eer`, `validation_loss`,
            `num_parameters`, `multiply_adds`, ... (docs/reference/journal.md).
            `stopped_epoch` is included if the stop rule ended the training.
        history: one list per learning curve, one entry per epoch:
            `training_loss`, `validation_loss`, `validation_eer`, ...
        seconds: wall-clock seconds of the training.
        reason: why the trial failed, in one line; empty if it completed.

    Raises:
        ConfigError: the fields contradict each other.
    """

    trial_id: str
    status: TrialStatus
    reward: float | None
    metrics: dict[str, float] = dataclasses.field(default_factory=dict)
    history: Mapping[str, Sequence[float | None]] = dataclasses.field(
        default_factory=dict
    )
    seconds: float = 0.0
    reason: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "status", TrialStatus(self.status))
        if self.status is TrialStatus.COMPLETED:
            if self.reward is None or not math.isfinite(self.reward):
                raise ConfigError(
                    f"{self.trial_id}: the reward of a completed trial must "
                    f"be finite. Received: {self.reward}"
                )
        elif self.reward is not None or not self.reason:
            raise ConfigError(
                f"{self.trial_id}: a failed trial must have a reason and no "
                "reward."
            )

    def metric(self, name: str) -> float:
        """Returns one metric.

        Raises:
            StoreError: the result does not have this metric.
        """
        if name not in self.metrics:
            raise StoreError(
                f"trial {self.trial_id}: its result must have the metric "
                f"`{name}`. Received: {sorted(self.metrics)}"
            )
        return self.metrics[name]

    def curve(self, name: str) -> list[float]:
        """Returns one learning curve. Values that are not finite become NaN.

        Raises:
            StoreError: the result does not have this curve.
        """
        if not self.history.get(name):
            raise StoreError(
                f"trial {self.trial_id}: its history must have the curve "
                f"`{name}`. Received: {sorted(self.history)}"
            )
        curve = self.history[name]
        return [math.nan if value is None else value for value in curve]

    @property
    def stopped_epoch(self) -> int:
        """The epoch after which the stop rule ended the training; else 0."""
        return int(self.metrics.get("stopped_epoch", 0))

    @property
    def is_whole(self) -> bool:
        """True if the training completed without being stopped early."""
        completed = self.status is TrialStatus.COMPLETED
        return completed and not self.stopped_epoch

    @classmethod
    def of_error(
        cls, trial_id: str, error: Exception, *, seconds: float
    ) -> "TrialResult":
        """Returns the failed result of a training that raised `error`."""
        text = f"{type(error).__name__}: {' '.join(str(error).split())}"
        return cls(
            trial_id=trial_id,
            status=TrialStatus.FAILED,
            reward=None,
            seconds=seconds,
            reason=text[:500],
        )

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self) | {"status": str(self.status)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "TrialResult":
        return cls(**value)


class TrialRunner(Protocol):
    """Runs trials, one or several at a time.

    `submit` never waits for a training. `next_result` blocks until any
    submitted trial has ended, and returns the result of this trial. Results
    may come in any order. If either method raises an exception, the runner can
    no longer be used.
    """

    @property
    def num_slots(self) -> int:
        """The number of trials that can run in parallel."""
        ...

    def submit(self, trial: Trial) -> None: ...

    def next_result(self) -> TrialResult: ...

    def close(self) -> None: ...
