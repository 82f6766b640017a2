"""One training that a searcher asked for, and what came of it.

The architecture search, the grid and every rival searcher share these types,
and with them one runner, one journal and one HParams writer. All fields are
plain values that survive JSON, so a trial can travel to another process or
machine.
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
"""The greatest magnitude of a reward that is told to a searcher.

Beyond it differences of rewards say nothing, and the squares of gradients in
single precision overflow from about 1e18."""

_MAX_ID = 100
_TRIAL_ID = re.compile(rf"(?!\.)[A-Za-z0-9_.-]{{1,{_MAX_ID}}}")

StopRule = Sequence[Sequence[float]]
"""[epoch, least quality] pairs: when a training is to be stopped early.

It travels in `Trial.settings` as `stop_rule`, so it is plain lists."""


def is_stopped(rule: StopRule, epoch: int, quality: float) -> bool:
    """Whether `rule` stops a training after an epoch.

    Args:
        rule: the least quality that is asked for, at some epochs.
        epoch: from 1.
        quality: after this epoch.
    """
    return any(at == epoch and quality < least for at, least in rule)


class TrialStatus(enum.StrEnum):
    COMPLETED = "completed"
    FAILED = "failed"


@dataclasses.dataclass(frozen=True)
class Trial:
    """One training to run.

    Attributes:
        trial_id: unique in a working directory, e.g. `search-0007`.
        stage: what asked for it: `baseline`, `search`, `grid` or `final`.
        round: the searcher's round, from 0.
        tokens: the point of the stage's search space; empty where the stage
            has none.
        hparams: the same point by name, as the dashboard shows it.
        settings: all that the runner needs beside the config: an
            `architecture` (as JSON), and overrides such as `mixup_alpha`,
            `spectrogram_size`, `batch_size`, `epochs`; and the `stop_rule`
            of a child that may be stopped early.
        seed: the only source of randomness of this training.
    """

    trial_id: str
    stage: str
    round: int
    tokens: Tokens
    hparams: dict[str, Choice]
    settings: dict[str, Any]
    seed: int

    def __post_init__(self) -> None:
        # Directories are named by it, and some of them are removed.
        if not _TRIAL_ID.fullmatch(self.trial_id):
            raise ConfigError(
                "`trial_id` must be letters, digits and -_. only, at most "
                f"{_MAX_ID}, with no . in front. Received: {self.trial_id!r}"
            )

    @property
    def architecture(self) -> Architecture:
        """The network that it trains.

        Raises:
            StoreError: the settings have none, or none that is valid.
        """
        try:
            return Architecture.from_json(self.settings["architecture"])
        except KeyError:
            reason = "`settings` must have an `architecture`."
        except ConfigError as error:
            reason = str(error)
        raise StoreError(f"trial {self.trial_id}: {reason}")

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Trial":
        """The trial that `to_json` gave.

        Raises:
            ConfigError: naming the field that is missing, unknown or wrong.
        """
        return from_json(cls, value, "trial")


@dataclasses.dataclass(frozen=True)
class TrialResult:
    """What came of a trial; a failed one is a result, not an exception.

    Attributes:
        trial_id: of the trial.
        status: completed or failed.
        reward: what the searcher maximizes; finite, None for a failed trial.
        metrics: named numbers: `validation_eer`, `validation_loss`,
            `num_parameters`, `multiply_adds`, ... all finite (docs/journal.md);
            `stopped_epoch` where its stop rule ended the training.
        history: one list a curve, one entry an epoch: `training_loss`,
            `validation_loss`, `validation_eer`, ...
        seconds: wall-clock seconds of the training.
        reason: why it failed, one line; empty for a completed trial.

    Raises:
        ConfigError: the fields contradict one another.
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
                f"{self.trial_id}: a failed trial has a reason and no reward."
            )

    def metric(self, name: str) -> float:
        """One of the metrics.

        Raises:
            StoreError: the result does not have it.
        """
        if name not in self.metrics:
            raise StoreError(
                f"trial {self.trial_id}: its result must have the metric "
                f"`{name}`. Received: {sorted(self.metrics)}"
            )
        return self.metrics[name]

    def curve(self, name: str) -> list[float]:
        """One of the curves; NaN where a number was not finite.

        Raises:
            StoreError: the result does not have it.
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
        """The epoch after which its stop rule ended it; 0 if none did."""
        return int(self.metrics.get("stopped_epoch", 0))

    @property
    def is_whole(self) -> bool:
        """Whether the training completed and was not stopped early."""
        completed = self.status is TrialStatus.COMPLETED
        return completed and not self.stopped_epoch

    @classmethod
    def of_error(
        cls, trial_id: str, error: Exception, *, seconds: float
    ) -> "TrialResult":
        """The failed result of a training that raised `error`."""
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
    """Runs trials, one or many at a time.

    `submit` never blocks for a training; `next_result` blocks until any
    submitted trial has ended and returns its result. Results may come in any
    order. A training that goes wrong is a failed result; an exception out of
    either method means that the runner itself is unusable.
    """

    @property
    def num_slots(self) -> int:
        """How many trials run side by side."""
        ...

    def submit(self, trial: Trial) -> None: ...

    def next_result(self) -> TrialResult: ...

    def close(self) -> None: ...
