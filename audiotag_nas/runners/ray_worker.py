"""Trains one trial on a Ray node and yields messages for the driver.

The driver is the process that runs the search. In `ray_runner`, Ray streams the
messages of `train_messages` to the driver. This module does not import Ray.
Requests and messages are JSON. The driver and the nodes need no shared disk,
because the files of a training (the network) are sent as bytes.
"""

import functools
import importlib.metadata
import json
import os
import queue
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import audiotag_nas
from audiotag_nas.config import ExperimentConfig
from audiotag_nas.data.storage import AnyPath, as_path
from audiotag_nas.errors import ConfigError, SearchError, UserError
from audiotag_nas.files import temporary_directory
from audiotag_nas.runners import node_features
from audiotag_nas.runners.limits import (
    MEMORY_POLL_SECONDS,
    resident_memory_bytes,
)
from audiotag_nas.runners.target import find_function, run_target
from audiotag_nas.trial import Trial

Message = dict[str, Any]
Files = dict[str, bytes]

_LAST = ("result", "user_error", "memory")
_DISTRIBUTIONS = ("keras", "numpy", "tensorflow", "tensorflow-cpu")


def train_messages(request: str) -> Iterator[tuple[str, Files]]:
    """Trains one trial, and yields (message, files) pairs.

    The first message has the `kind` `training`: the features are ready, and the
    time limit starts. After each epoch, a message of kind `epoch` follows. The
    last message has the kind `result`, `user_error` (an error that would stop
    every trial) or `memory` (the memory limit is exceeded).
    """
    setup = json.loads(request)
    # TensorFlow reads these variables once, at its start.
    os.environ.update(setup["environment"])
    outbox: queue.SimpleQueue[tuple[Message, Files]] = queue.SimpleQueue()
    # The main thread yields messages while another thread trains.
    threading.Thread(target=_work, args=(setup, outbox), daemon=True).start()
    limit = setup["memory_limit_bytes"]
    pause = None if limit is None else MEMORY_POLL_SECONDS
    kind = ""
    while kind not in _LAST:
        try:
            message, files = outbox.get(timeout=pause)
        except queue.Empty:
            used = resident_memory_bytes()
            if used <= limit:
                continue
            message, files = {"kind": "memory", "bytes": used}, {}
        kind = message["kind"]
        yield json.dumps(message), files
    if kind == "memory":
        # The driver must end this process. No other trial may start here,
        # because the other thread still trains.
        threading.Event().wait()


def versions() -> dict[str, str]:
    """Returns the versions of packages that affect a training's results."""
    found = {"audiotag-nas": audiotag_nas.__version__}
    for name in _DISTRIBUTIONS:
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        # `tensorflow` and `tensorflow-cpu` count as the same package.
        found[name.removesuffix("-cpu")] = version
    return found


def environment(*, num_threads: int, has_gpus: bool) -> dict[str, str]:
    """Returns TensorFlow's environment variables. Ray assigns the GPUs."""
    values = {
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "TF_NUM_INTRAOP_THREADS": str(num_threads),
        "TF_NUM_INTEROP_THREADS": str(num_threads),
    }
    return values if has_gpus else values | {"CUDA_VISIBLE_DEVICES": "-1"}


def _work(
    setup: dict[str, Any], outbox: "queue.SimpleQueue[tuple[Message, Files]]"
) -> None:
    try:
        outbox.put(_train(setup, lambda message: outbox.put((message, {}))))
    except Exception as error:
        # `run_target` catches errors of the training. Any other error stops the
        # search, because every trial on this machine would raise it.
        known = isinstance(error, UserError)
        text = f"{socket.gethostname()}: {type(error).__name__}: {error}"
        message = {
            "kind": "user_error",
            "type": type(error).__name__ if known else SearchError.__name__,
            "message": str(error) if known else " ".join(text.split()),
        }
        outbox.put((message, {}))


def _train(
    setup: dict[str, Any], send: Callable[[Message], None]
) -> tuple[Message, Files]:
    """Trains a trial; returns its last message and its files."""
    _check_versions(setup["versions"])
    config = ExperimentConfig.from_json(setup["config"])
    features_dir = _features_dir(setup, config)
    run_trial = find_function(setup["target"])
    trial = Trial.from_json(setup["trial"])
    send({"kind": "training"})
    with temporary_directory() as directory:
        result = run_target(
            run_trial,
            trial,
            config=config,
            features_dir=features_dir,
            trials_dir=directory,
            on_epoch=lambda epoch, numbers: send(
                {"kind": "epoch", "epoch": epoch, "numbers": numbers}
            ),
        )
        files = _read_files(directory / trial.trial_id)
    return {"kind": "result", "result": result.to_json()}, files


def _check_versions(wanted: dict[str, str]) -> None:
    mine = versions()
    for name, version in wanted.items():
        if mine.get(name) != version:
            raise ConfigError(
                f"{socket.gethostname()}: must have version {version} of "
                f"{name}, like the driver. Received: {mine.get(name)}"
            )


def _features_dir(setup: dict[str, Any], config: ExperimentConfig) -> AnyPath:
    if setup["features_key"] is None:
        return as_path(setup["features_dir"])
    return _find_features(
        json.dumps(setup["config"]),
        setup["spectrogram_size"],
        setup["features_key"],
        setup["features_dir"],
        setup["cache_dir"],
        setup["prepare"],
    )


@functools.cache
def _find_features(
    config: str, size: str, key: str, features_dir: str, cache: str, target: str
) -> AnyPath:
    """Caches the result of `find_features`, which may read all data."""
    return node_features.find_features(
        ExperimentConfig.from_json(json.loads(config)),
        size=size,
        key=key,
        features_dir=as_path(features_dir),
        cache_dir=Path(cache).expanduser(),
        prepare=find_function(target),
    )


def _read_files(trial_dir: Path) -> Files:
    """Returns a dictionary: path of a file in `trial_dir` -> bytes."""
    return {
        path.relative_to(trial_dir).as_posix(): path.read_bytes()
        for path in sorted(trial_dir.rglob("*"))
        if path.is_file()
    }
