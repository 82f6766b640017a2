"""Assigns GPUs to workers without starting CUDA.

The driver is the process that starts the workers. The driver does not ask
TensorFlow for the GPUs, because TensorFlow would allocate memory on every GPU.
Instead it reads CUDA_VISIBLE_DEVICES or the output of NVIDIA's `nvidia-smi`.
"""

import os
import subprocess

from audiotag_nas.errors import ConfigError


def share_gpus(num_workers: int, gpus_per_trial: int) -> list[str]:
    """Returns CUDA_VISIBLE_DEVICES for each worker. Workers share no GPU.

    Raises:
        ConfigError: there are not enough GPUs.
    """
    if gpus_per_trial == 0:
        return ["-1"] * num_workers
    gpus = _visible_gpus()
    if len(gpus) < num_workers * gpus_per_trial:
        raise ConfigError(
            f"`gpus_per_trial`: {num_workers} workers with {gpus_per_trial} "
            f"GPUs each need {num_workers * gpus_per_trial} GPUs, but this "
            f"machine has {len(gpus)}. Use fewer workers or GPUs."
        )
    return [
        ",".join(gpus[slot * gpus_per_trial : (slot + 1) * gpus_per_trial])
        for slot in range(num_workers)
    ]


def _visible_gpus() -> list[str]:
    """Returns the CUDA devices that this process may use."""
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
