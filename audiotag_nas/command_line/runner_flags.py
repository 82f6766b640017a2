"""Flags that select where trials are trained, and their limits."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from absl import flags

if TYPE_CHECKING:
    from audiotag_nas.runners.settings import RunnerSettings

# The flags belong to the tool that defines them, not to this module.
flags.disclaim_key_flags()


def define_runner_flags() -> Callable[[], "RunnerSettings"]:
    """Defines the flags.

    Returns:
        Reads them, after the command line was parsed; raises ConfigError if
        they contradict one another.
    """
    name = flags.DEFINE_string(
        "runner",
        "in_process",
        "Where trials are trained. in_process: one after the other in this "
        "process; process: in parallel worker processes; ray: on a Ray "
        "cluster (docs/guide/ray.md).",
    )
    num_workers = flags.DEFINE_integer(
        "workers",
        None,
        "Parallel trainings. Default: 1; with --runner=ray, as many as the "
        "cluster has resources for.",
        lower_bound=1,
    )
    timeout = flags.DEFINE_float(
        "trial_timeout",
        None,
        "Seconds after which a training is stopped and fails.",
        lower_bound=1e-3,
    )
    gpus = flags.DEFINE_integer(
        "gpus_per_trial",
        0,
        "GPUs per training. 0: the CPU; in_process: all GPUs of the machine.",
        lower_bound=0,
    )
    memory = flags.DEFINE_float(
        "memory_limit_gib",
        None,
        "Memory above which a worker is stopped and its training fails.",
        lower_bound=1e-3,
    )
    retries = flags.DEFINE_integer(
        "retries",
        0,
        "Retries of a training that a crash or a limit ended.",
        lower_bound=0,
    )
    ray_address = flags.DEFINE_string(
        "ray_address",
        None,
        "Ray cluster. auto: the running one (default); host:port; local: "
        "start one on this machine for this command.",
    )
    ray_cache_dir = flags.DEFINE_string(
        "ray_cache_dir",
        None,
        "Where each Ray node caches the features that it prepares. Default: "
        "~/.cache/audiotag_nas.",
    )

    def read() -> "RunnerSettings":
        from audiotag_nas.runners.settings import RunnerSettings

        return RunnerSettings(
            name=name.value,
            num_workers=num_workers.value,
            trial_timeout_seconds=timeout.value,
            gpus_per_trial=gpus.value,
            memory_limit_gib=memory.value,
            retries=retries.value,
            ray_address=ray_address.value,
            ray_cache_dir=ray_cache_dir.value,
        )

    return read
