"""Trains in this process, and prints how TensorFlow allocates GPU memory.

The command is `python -m tests.runners.gpu_memory_driver WORKDIR HOW`. HOW is

    latency    a trial whose latency is measured first
    tuner      a search whose policy is a network
    started    two trials in a process in which TensorFlow runs already

The program prints JSON with the trials' reasons of failure, and whether
TensorFlow allocates GPU memory as it needs it. If there is no GPU, the program
gives TensorFlow the description of one before TensorFlow starts, so that the
rules for GPUs apply. The trials are then trained on the CPU.
"""

import dataclasses
import json
import sys
from pathlib import Path

import tensorflow as tf
from tensorflow.python.eager import context

from audiotag_nas.config import ExperimentConfig, SearchConfig
from audiotag_nas.experiment.tuner import ArchitectureTuner
from audiotag_nas.training import trial_training
from audiotag_nas.trial import TrialResult
from tests.runners import trials_driver


def find_gpu() -> tf.config.PhysicalDevice:
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        return gpus[0]
    gpu = tf.config.PhysicalDevice("/physical_device:GPU:0", "GPU")
    context.context()._physical_devices.append(gpu)
    context.context()._memory_growth_map[gpu] = None
    return gpu


def config(**search) -> ExperimentConfig:
    return dataclasses.replace(
        trials_driver.config(), search=SearchConfig(**search)
    )


def run_trial(workdir: Path, number: int, **search) -> TrialResult:
    return trial_training.run_trial(
        trials_driver.make_trial(number, number, (number, 0)),
        config=config(**search),
        features_dir=workdir / "features",
        trial_dir=workdir / "trials" / f"{number}",
    )


class ToneTuner(ArchitectureTuner):
    """A tuner that trains on the data set of tones."""

    def prepare(self) -> None:
        trials_driver.prepare(self.workspace.workdir)


def run(workdir: Path, how: str) -> list[TrialResult]:
    if how == "tuner":
        search = config(searcher="reinforce_plain", num_trials=1, epochs=1)
        return list(ToneTuner(search, workdir=workdir).search().results)
    trials_driver.prepare(workdir)
    if how == "latency":
        return [run_trial(workdir, 0, measure_latency=True)]
    tf.zeros(3).numpy()
    return [run_trial(workdir, number) for number in range(2)]


def main() -> None:
    workdir, how = Path(sys.argv[1]), sys.argv[2]
    gpu = find_gpu()
    reasons = [result.reason for result in run(workdir, how)]
    grows = bool(tf.config.experimental.get_memory_growth(gpu))
    print(json.dumps({"reasons": reasons, "grows": grows}))


if __name__ == "__main__":
    main()
