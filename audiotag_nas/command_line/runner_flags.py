"""Flags that set where trials are trained, and the limits of each training."""

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
        A function that returns the flags' values, once flags are parsed. The
        function raises ConfigError if two flags contradict each other.
    """
    name = flags.DEFINE_string(
        "runner",
        "in_process",
        "Place where trials are trained. in_process: one after the other in "
        "this process. process: in parallel worker processes. ray: on a Ray "
        "cluster (docs/guide/ray.md).",
    )
    num_workers = flags.DEFINE_integer(
        "workers",
        None,
        "Number of workers, which train in parallel. Default: 1. With "
        "--runner=ray, the default is set by the cluster's resources.",
        lower_bound=1,
    )
    timeout = flags.DEFINE_float(
        "trial_timeout",
        None,
        "Number of seconds after which a training is stopped and fails.",
        lower_bound=1e-3,
    )
    gpus = flags.DEFINE_integer(
        "gpus_per_trial",
        0,
        "GPUs per training; 0 means the CPU. Not for --runner=in_process, "
        "which uses all GPUs of the machine.",
        lower_bound=0,
    )
    memory = flags.DEFINE_float(
        "memory_limit_gib",
        None,
        "Memory limit of a worker. A worker that exceeds it is stopped, and "
        "its training fails.",
        lower_bound=1e-3,
    )
    retries = flags.DEFINE_integer(
        "retries",
        0,
        "Number of times that a training is repeated if a crash, the timeout "
        "or the memory limit ended it.",
        lower_bound=0,
    )
    ray_address = flags.DEFINE_string(
        "ray_address",
        None,
        "Ray cluster. auto (default): the running cluster. HOST:PORT: the "
        "cluster at this address. local: a new cluster on this machine, for "
        "this command.",
    )
    ray_cache_dir = flags.DEFINE_string(
        "ray_cache_dir",
        None,
        "Directory in which each Ray node caches the features that it "
        "prepares. Default: ~/.cache/audiotag_nas.",
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
