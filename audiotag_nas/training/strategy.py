"""The devices of a training: all visible GPUs, mirrored, or the CPU.

`tf.distribute.MirroredStrategy` copies the variables to each device and
averages the gradients; with one device it is ordinary training.
"""

from collections.abc import Sequence

import tensorflow as tf
from absl import logging


def use_threads(num_threads: int) -> None:
    """Sets the number of TensorFlow's CPU threads in this process.

    Threads share the sums of a convolution's gradient, so their number decides
    the last bits of every weight. It can't change once TensorFlow has started.
    """
    try:
        tf.config.threading.set_intra_op_parallelism_threads(num_threads)
        tf.config.threading.set_inter_op_parallelism_threads(num_threads)
    except RuntimeError:
        logging.warning(
            "TensorFlow runs in this process already, so its number of "
            "threads does not change. Results may differ in their last digits "
            "from those with %d.",
            num_threads,
        )


def hide_gpus() -> None:
    """Hides the GPUs from this process: its workers use them."""
    try:
        tf.config.set_visible_devices([], "GPU")
    except RuntimeError:
        logging.warning(
            "TensorFlow runs in this process already, so it may hold memory "
            "of the GPUs."
        )


def share_gpu_memory() -> None:
    """Allocates GPU memory as it is needed, not all of it at once.

    It has no effect after TensorFlow has started in this process.
    """
    try:
        for gpu in tf.config.list_physical_devices("GPU"):
            tf.config.experimental.set_memory_growth(gpu, True)
    except RuntimeError:
        # Logged once: this is called for each training.
        logging.log_first_n(
            logging.WARNING,
            "TensorFlow runs in this process already, so it may hold all the "
            "memory of the GPUs.",
            1,
        )


def make_strategy(
    devices: Sequence[str] | None = None, *, batch_size: int | None = None
) -> tf.distribute.MirroredStrategy:
    """Returns a strategy over `devices`; by default all GPUs, or the CPU.

    Args:
        devices: TensorFlow device names, e.g. `["CPU:0", "CPU:1"]`.
        batch_size: examples per batch, over all devices. Only as many devices
            are used as share it evenly: with Keras 3.15, unequal shares fail,
            and a device without an example aborts the process.
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
