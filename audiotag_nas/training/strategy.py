"""Chooses the devices of a training: all visible GPUs, or the CPU.

`tf.distribute.MirroredStrategy` copies the variables to each device and
averages the gradients of the devices. With one device, the strategy does not
change the training.
"""

from collections.abc import Sequence

import tensorflow as tf
from absl import logging


def use_threads(num_threads: int) -> None:
    """Sets the number of TensorFlow's CPU threads in this process.

    Each thread computes a part of the sums in a convolution's gradient. The
    number of threads thus affects the last bits of every weight. The number
    can't change once TensorFlow has started.
    """
    try:
        tf.config.threading.set_intra_op_parallelism_threads(num_threads)
        tf.config.threading.set_inter_op_parallelism_threads(num_threads)
    except RuntimeError:
        logging.warning(
            "TensorFlow runs in this process already, so its number of "
            "threads does not change. The last digits of results may differ "
            "from the results with %d threads.",
            num_threads,
        )


def hide_gpus() -> None:
    """Hides the GPUs from this process, because its workers use the GPUs."""
    try:
        tf.config.set_visible_devices([], "GPU")
    except RuntimeError:
        logging.warning(
            "TensorFlow runs in this process already, so it may have allocated "
            "memory of the GPUs."
        )


def share_gpu_memory() -> None:
    """Lets TensorFlow allocate GPU memory only as needed.

    The call has no effect after TensorFlow has started in this process.
    """
    try:
        for gpu in tf.config.list_physical_devices("GPU"):
            tf.config.experimental.set_memory_growth(gpu, True)
    except RuntimeError:
        # This is logged once, because each training calls this function.
        logging.log_first_n(
            logging.WARNING,
            "TensorFlow runs in this process already, so it may have allocated "
            "all the memory of the GPUs.",
            1,
        )


def make_strategy(
    devices: Sequence[str] | None = None, *, batch_size: int | None = None
) -> tf.distribute.MirroredStrategy:
    """Returns a strategy that trains on all or some of `devices`.

    Args:
        devices: TensorFlow device names, e.g. `["CPU:0", "CPU:1"]`. None means
            all GPUs, or the CPU if there is no GPU.
        batch_size: number of examples in a batch, over all devices. The number
            of devices is reduced until it divides the batch size. Keras 3.15
            needs devices with equal, non-empty parts of a batch.
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
            "training on %d of %d devices, because this number must divide the "
            "batch size of %s.",
            num_devices,
            len(devices),
            batch_size,
        )
    return tf.distribute.MirroredStrategy(list(devices[:num_devices]))
