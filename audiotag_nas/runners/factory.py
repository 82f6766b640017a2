"""Makes a runner from its settings."""

from pathlib import Path
from typing import Any

from audiotag_nas.config import ExperimentConfig
from audiotag_nas.data.storage import AnyPath
from audiotag_nas.runners.in_process_runner import InProcessRunner
from audiotag_nas.runners.node_features import DEFAULT_CACHE_DIR
from audiotag_nas.runners.process_runner import ProcessRunner
from audiotag_nas.runners.ray_runner import DEFAULT_ADDRESS, RayRunner
from audiotag_nas.runners.settings import IN_PROCESS, RAY, RunnerSettings
from audiotag_nas.runners.target import OnTrialEpoch
from audiotag_nas.trial import TrialRunner


def make_runner(
    settings: RunnerSettings,
    config: ExperimentConfig,
    *,
    features_dir: AnyPath,
    trials_dir: Path,
    on_epoch: OnTrialEpoch | None = None,
    prepare: str | None = None,
) -> TrialRunner:
    """Returns a runner with the given settings.

    Args:
        settings: the name of the runner, and its limits.
        config: the experiment.
        features_dir: directory with the prepared features, in
            `<size>/development`.
        trials_dir: directory that gets one subdirectory per trial.
        on_epoch: called with (trial, epoch from 1, numbers of the epoch).
        prepare: `module:function` that prepares features on a machine without
            features; see `RayRunner`.

    Raises:
        ConfigError: a setting is out of its range, this machine or the
            cluster has too few CPUs or GPUs, or a required package is not
            installed.
    """
    options: dict[str, Any] = {
        "features_dir": features_dir,
        "trials_dir": trials_dir,
        "on_epoch": on_epoch,
    }
    if settings.name == IN_PROCESS:
        return InProcessRunner(config, **options)
    gib = settings.memory_limit_gib
    options |= {
        "trial_timeout_seconds": settings.trial_timeout_seconds,
        "gpus_per_trial": settings.gpus_per_trial,
        "memory_limit_bytes": None if gib is None else round(gib * 2**30),
        "retries": settings.retries,
    }
    workers = settings.num_workers
    if settings.name == RAY:
        return RayRunner(
            config,
            num_workers=workers,
            address=settings.ray_address or DEFAULT_ADDRESS,
            cache_dir=settings.ray_cache_dir or DEFAULT_CACHE_DIR,
            prepare=prepare,
            **options,
        )
    return ProcessRunner(
        config, num_workers=1 if workers is None else workers, **options
    )
