"""The choice of a runner and its limits, as plain values.

The config does not contain this choice, because the choice affects the time of
a search but not the results.
"""

import dataclasses

from audiotag_nas.errors import ConfigError

IN_PROCESS, PROCESS, RAY = "in_process", "process", "ray"
RUNNERS = (IN_PROCESS, PROCESS, RAY)


@dataclasses.dataclass(frozen=True)
class RunnerSettings:
    """A runner and its limits; see `ProcessRunner` and `RayRunner`.

    If `num_workers` is None, `ProcessRunner` has one worker, and `RayRunner`
    trains as many trials in parallel as the cluster has room for.

    Raises:
        ConfigError: the runner is unknown, or does not support a given limit.
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
        changed = [
            field.name
            for field in dataclasses.fields(self)
            if getattr(self, field.name) != field.default
        ]
        if self.num_workers == 1:
            changed.remove("num_workers")
        if self.name == IN_PROCESS and changed:
            raise ConfigError(
                f"--runner={IN_PROCESS}: this runner trains one trial after "
                "the other and can't stop a training, so "
                "workers and limits need "
                f"--runner={PROCESS}."
            )
        if self.name != RAY and (self.ray_address or self.ray_cache_dir):
            raise ConfigError(
                f"--ray_address, --ray_cache_dir: these need --runner={RAY}. "
                f"Received: --runner={self.name}"
            )
