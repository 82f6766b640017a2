"""Which worker gets which GPUs, decided without starting CUDA.

A driver that asked TensorFlow would hold memory on every GPU, so the
environment is read, or else NVIDIA's `nvidia-smi` asked.
"""

import os
import subprocess

from audiotag_nas.errors import ConfigError


def share_gpus(num_workers: int, gpus_per_trial: int) -> list[str]:
    """Each worker's CUDA_VISIBLE_DEVICES: no GPU belongs to two.

    Raises:
        ConfigError: there are not enough GPUs.
    """
    if gpus_per_trial == 0:
        return ["-1"] * num_workers
    gpus = _visible_gpus()
    if len(gpus) < num_workers * gpus_per_trial:
        raise ConfigError(
            f"`gpus_per_trial`: {num_workers} workers with {gpus_per_trial} "
            f"GPUs each need {num_workers * gpus_per_trial}, and this machine "
            f"has {len(gpus)}. Take fewer workers or GPUs."
        )
    return [
        ",".join(gpus[slot * gpus_per_trial : (slot + 1) * gpus_per_trial])
        for slot in range(num_workers)
    ]


def _visible_gpus() -> list[str]:
    """The CUDA devices of this process, without starting CUDA in it."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        devices = [device.strip() for device in chosen.split(",")]
        return [d for d in devices if d and d != "-1"]
    try:
        listed = subprocess.run(
            ["nvidia-smi", "-L"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return []
    lines = [x for x in listed.stdout.splitlines() if x.startswith("GPU ")]
    return [str(number) for number in range(len(lines))]
