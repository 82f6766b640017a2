"""What a network trains on: all visible GPUs, else the CPU, mirrored.

`tf.distribute.MirroredStrategy` copies the variables to each device and
averages the gradients; with one device it is the plain training.
"""

from collections.abc import Sequence

import tensorflow as tf
from absl import logging


def use_threads(num_threads: int) -> None:
    """Computes with `num_threads` CPU threads in this process from now on.

    TensorFlow shares the sums of a convolution's gradient among its threads,
    so their number decides the last bits of every weight. A process that
    TensorFlow has started in before keeps the number it started with.
    """
    try:
        tf.config.threading.set_intra_op_parallelism_threads(num_threads)
        tf.config.threading.set_inter_op_parallelism_threads(num_threads)
    except RuntimeError:
        logging.warning(
            "TensorFlow runs in this process already, so its number of "
            "threads stays. Results may differ in their last digits from "
            "those of %d.",
            num_threads,
        )


def hide_gpus() -> None:
    """Keeps this process off the GPUs, which are its workers'."""
    try:
        tf.config.set_visible_devices([], "GPU")
    except RuntimeError:
        logging.warning(
            "TensorFlow runs in this process already, so it may hold memory "
            "of the GPUs."
        )


def share_gpu_memory() -> None:
    """Takes memory of the GPUs as it is needed, not all of it at once.

    To be called before TensorFlow starts in this process; one that it has
    started in before keeps what it has taken.
    """
    try:
        for gpu in tf.config.list_physical_devices("GPU"):
            tf.config.experimental.set_memory_growth(gpu, True)
    except RuntimeError:
        # Once: it is called for each training.
        logging.log_first_n(
            logging.WARNING,
            "TensorFlow runs in this process already, so it may hold all the "
            "memory of the GPUs.",
            1,
        )


def make_strategy(
    devices: Sequence[str] | None = None, *, batch_size: int | None = None
) -> tf.distribute.MirroredStrategy:
    """A strategy over `devices`; by default every GPU, or the one CPU.

    Args:
        devices: TensorFlow device names, e.g. `["CPU:0", "CPU:1"]`.
        batch_size: examples of a batch, over all devices. Only as many
            devices are used as share it evenly: with Keras 3.15, shares of
            different sizes fail, and a device without an example aborts the
            process.
    """
    if devices is None:
        share_gpu_memory()
        gpus = tf.config.list_logical_devices("GPU")
        devices = [gpu.name for gpu in gpus] or ["CPU:0"]
    num_devices = len(devices)
    while batch_size is not None and batch_size % num_devices:
        num_devices -= 1
    if num_devices < len(devices):
        logging.info(
            "training on %d of %d devices, which share a batch of %s evenly.",
            num_devices,
            len(devices),
            batch_size,
        )
    return tf.distribute.MirroredStrategy(list(devices[:num_devices]))
