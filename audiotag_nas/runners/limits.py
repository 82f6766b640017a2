"""The ranges of a runner's limits, and the memory used by a process."""

import os
from pathlib import Path

from audiotag_nas.errors import ConfigError

MAX_TRIALS_PER_WORKER = 25
"""A worker process is replaced after this number of trials, because TensorFlow
leaks memory."""

MEMORY_POLL_SECONDS = 0.2

_MINIMUM = {
    "num_workers": 1,
    "trial_timeout_seconds": 1e-3,
    "gpus_per_trial": 0,
    "memory_limit_bytes": 1,
    "max_trials_per_worker": 1,
    "retries": 0,
}


def check_limits(**limits: float | None) -> None:
    """Raises ConfigError if any limit is too low. None means no limit."""
    for name, value in limits.items():
        minimum = _MINIMUM[name]
        if value is not None and value < minimum:
            raise ConfigError(
                f"`{name}` must be at least {minimum}. Received: {value}"
            )


def resident_memory_bytes(pid: int | str = "self") -> int:
    """Returns a process's resident memory (Linux); 0 if it has ended."""
    try:
        fields = Path(f"/proc/{pid}/statm").read_text().split()
    except OSError:
        return 0
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")
