"""Runners: where trials are trained, chosen by name; here in this process.

A choice of runner changes how long a search takes and nothing of what it
finds, so it is no part of the config.
"""

import collections
import dataclasses
import importlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from audiotag_nas.config import ExperimentConfig
from audiotag_nas.data.storage import AnyPath
from audiotag_nas.errors import ConfigError, UserError
from audiotag_nas.interrupts import interrupts_kept
from audiotag_nas.runners.tensorflow_log import without_retracing_notes
from audiotag_nas.trial import Trial, TrialResult, TrialRunner

OnTrialEpoch = Callable[[Trial, int, dict[str, float]], None]

TARGET = "audiotag_nas.training.trial_training:run_trial"
"""What trains, by name, as only plain values travel to other processes."""

IN_PROCESS, PROCESS, RAY = "in_process", "process", "ray"
RUNNERS = (IN_PROCESS, PROCESS, RAY)


@dataclasses.dataclass(frozen=True)
class RunnerSettings:
    """Which runner, and its limits.

    See `ProcessRunner` and `RayRunner` for what they mean. None for the number
    of workers is one, or with Ray as many as the cluster has room for.

    Raises:
        ConfigError: no such runner, or one that can't keep a limit.
    """

    name: str = IN_PROCESS
    num_workers: int | None = None
    trial_timeout_seconds: float | None = None
    gpus_per_trial: int = 0
    memory_limit_gib: float | None = None
    retries: int = 0
    ray_address: str | None = None
    ray_cache_dir: str | None = None

    def __post_init__(self) -> None:
        if self.name not in RUNNERS:
            raise ConfigError(
                f"--runner: must be one of {', '.join(RUNNERS)}. "
                f"Received: {self.name!r}"
            )
        chosen = [
            field.name
            for field in dataclasses.fields(self)
            if getattr(self, field.name) != field.default
        ]
        if self.num_workers == 1:
            chosen = [name for name in chosen if name != "num_workers"]
        if self.name == IN_PROCESS and chosen:
            raise ConfigError(
                f"--runner={IN_PROCESS}: trains one trial after the other "
                "and can't stop one; workers and limits need "
                f"--runner={PROCESS}."
            )
        if self.name != RAY and (self.ray_address or self.ray_cache_dir):
            raise ConfigError(
                f"--ray_address, --ray_cache_dir: are for --runner={RAY}. "
                f"Received: --runner={self.name}"
            )


def make_runner(
    settings: RunnerSettings,
    config: ExperimentConfig,
    *,
    features_dir: AnyPath,
    trials_dir: Path,
    on_epoch: OnTrialEpoch | None = None,
    prepare: str | None = None,
) -> TrialRunner:
    """The runner that `settings` name.

    Args:
        settings: the choice.
        config: the experiment.
        features_dir: the prepared features, `<size>/development`.
        trials_dir: gets a directory a trial.
        on_epoch: called with the trial, the epoch from 1 and its numbers.
        prepare: `module:function` by which other machines make features that
            they have not; see `RayRunner`.

    Raises:
        ConfigError: a setting out of its range, more than this machine or
            cluster has, or what it needs is not installed.
    """
    if settings.name == IN_PROCESS:
        return InProcessRunner(
            config,
            features_dir=features_dir,
            trials_dir=trials_dir,
            on_epoch=on_epoch,
        )
    gib = settings.memory_limit_gib
    options: dict[str, Any] = {
        "features_dir": features_dir,
        "trials_dir": trials_dir,
        "trial_timeout_seconds": settings.trial_timeout_seconds,
        "gpus_per_trial": settings.gpus_per_trial,
        "memory_limit_bytes": None if gib is None else round(gib * 2**30),
        "retries": settings.retries,
        "on_epoch": on_epoch,
    }
    workers = settings.num_workers
    if settings.name == RAY:
        from audiotag_nas.runners.node_features import DEFAULT_CACHE_DIR
        from audiotag_nas.runners.ray_runner import DEFAULT_ADDRESS, RayRunner

        return RayRunner(
            config,
            num_workers=workers,
            address=settings.ray_address or DEFAULT_ADDRESS,
            cache_dir=settings.ray_cache_dir or DEFAULT_CACHE_DIR,
            prepare=prepare,
            **options,
        )
    from audiotag_nas.runners.process_runner import ProcessRunner

    return ProcessRunner(
        config, num_workers=1 if workers is None else workers, **options
    )


_LEAST = {
    "num_workers": 1,
    "trial_timeout_seconds": 1e-3,
    "gpus_per_trial": 0,
    "memory_limit_bytes": 1,
    "max_trials_per_worker": 1,
    "retries": 0,
}


def check_limits(**limits: float | None) -> None:
    """Raises ConfigError where a runner's limit is out of its range."""
    for name, value in limits.items():
        least = _LEAST[name]
        if value is not None and value < least:
            raise ConfigError(
                f"`{name}` must be at least {least}. Received: {value}"
            )


def find_target(name: str) -> Callable[..., TrialResult]:
    """The function that `package.module:function` names."""
    module, _, function = name.partition(":")
    return getattr(importlib.import_module(module), function)


def run_target(
    run_trial: Callable[..., TrialResult],
    trial: Trial,
    *,
    config: ExperimentConfig,
    features_dir: AnyPath,
    trials_dir: Path,
    on_epoch: Callable[[int, dict[str, float]], None],
) -> TrialResult:
    """One trial, here; what every runner's process does in the end.

    Raises:
        UserError: what would stop every other trial too. Any other exception
            is a failed result.
        KeyboardInterrupt: Ctrl-C, whatever became of it in the training.
    """
    started = time.monotonic()
    try:
        # Else Ctrl-C within TensorFlow may be a failed result.
        with interrupts_kept(), without_retracing_notes():
            return run_trial(
                trial,
                config=config,
                features_dir=features_dir,
                trial_dir=trials_dir / trial.trial_id,
                on_epoch=on_epoch,
            )
    except UserError:
        raise
    except Exception as error:
        return TrialResult.of_error(
            trial.trial_id, error, seconds=time.monotonic() - started
        )


class InProcessRunner:
    """Trains the submitted trials in order, each when its turn is asked for.

    Args:
        config: the experiment.
        features_dir: the prepared features, `<size>/development`.
        trials_dir: gets a directory a trial.
        on_epoch: called with the trial, the epoch from 1 and its numbers.
        target: `module:function` that trains, like `child.run_trial`.
    """

    def __init__(
        self,
        config: ExperimentConfig,
        *,
        features_dir: AnyPath,
        trials_dir: Path,
        on_epoch: OnTrialEpoch | None = None,
        target: str = TARGET,
    ) -> None:
        self._target = target
        self._config = config
        self._features_dir = features_dir
        self._trials_dir = trials_dir
        self._on_epoch = on_epoch
        self._waiting: collections.deque[Trial] = collections.deque()

    @property
    def num_slots(self) -> int:
        return 1

    def submit(self, trial: Trial) -> None:
        self._waiting.append(trial)

    def next_result(self) -> TrialResult:
        # TensorFlow starts with the first training, not with the import.
        trial = self._waiting.popleft()

        def on_epoch(epoch: int, numbers: dict[str, float]) -> None:
            if self._on_epoch is not None:
                self._on_epoch(trial, epoch, numbers)

        return run_target(
            find_target(self._target),
            trial,
            config=self._config,
            features_dir=self._features_dir,
            trials_dir=self._trials_dir,
            on_epoch=on_epoch,
        )

    def close(self) -> None:
        self._waiting.clear()
