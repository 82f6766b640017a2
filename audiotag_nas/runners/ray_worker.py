"""What a Ray worker does with a trial: a stream of messages about it.

Knows nothing of Ray, which streams what `train_messages` yields to the
driver. Only plain values travel: a request and each message are JSON, and the
files that a training leaves (its network) are bytes, so that driver and nodes
need no shared disk.
"""

import functools
import importlib
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
from audiotag_nas.runners.factory import run_target
from audiotag_nas.trial import Trial

Message = dict[str, Any]
Files = dict[str, bytes]

_MEMORY_POLL_SECONDS = 0.2
_LAST = ("result", "user_error", "memory")
_DISTRIBUTIONS = ("keras", "numpy", "tensorflow", "tensorflow-cpu")


def train_messages(request: str) -> Iterator[tuple[str, Files]]:
    """Trains; yields (message, files), the last one with the outcome.

    A message's `kind` is `training` (features are there, the clock starts),
    `epoch`, and at last `result`, `user_error` (no trial could do better) or
    `memory` (its limit is passed; the driver is to end this process).
    """
    setup = json.loads(request)
    # Before TensorFlow starts, which reads them once.
    os.environ.update(setup["environment"])
    outbox: queue.SimpleQueue[tuple[Message, Files]] = queue.SimpleQueue()
    # A thread, for only the main one can yield while the training goes on.
    threading.Thread(target=_work, args=(setup, outbox), daemon=True).start()
    limit = setup["memory_limit_bytes"]
    pause = None if limit is None else _MEMORY_POLL_SECONDS
    kind = ""
    while kind not in _LAST:
        try:
            message, files = outbox.get(timeout=pause)
        except queue.Empty:
            used = _memory_bytes()
            if used <= limit:
                continue
            message, files = {"kind": "memory", "bytes": used}, {}
        kind = message["kind"]
        yield json.dumps(message), files
    if kind == "memory":
        # The next trial must not come here, where this one still trains.
        threading.Event().wait()


def versions() -> dict[str, str]:
    """What decides a training's numbers, beside its config and features."""
    found = {"audiotag-nas": audiotag_nas.__version__}
    for name in _DISTRIBUTIONS:
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        # A node with GPUs may have the other of TensorFlow's two wheels.
        found[name.removesuffix("-cpu")] = version
    return found


def environment(*, num_threads: int, has_gpus: bool) -> dict[str, str]:
    """What TensorFlow reads as it starts; Ray itself shares out GPUs."""
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
        # A machine that can't train would fail every trial it gets.
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
    """The last message of a trial that ended, and the files it left."""
    _check_versions(setup["versions"])
    config = ExperimentConfig.from_json(setup["config"])
    features_dir = _features_dir(setup, config)
    run_trial = _import_function(setup["target"])
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


def _import_function(name: str) -> Callable[..., Any]:
    """The function that `package.module:function` names."""
    module, _, function = name.partition(":")
    return getattr(importlib.import_module(module), function)


def _check_versions(wanted: dict[str, str]) -> None:
    mine = versions()
    for name, version in wanted.items():
        if mine.get(name) != version:
            raise ConfigError(
                f"{socket.gethostname()}: must have the driver's {name}, "
                f"{version}. Received: {mine.get(name)}"
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
    """Once a process: each look reads every byte."""
    return node_features.find_features(
        ExperimentConfig.from_json(json.loads(config)),
        size=size,
        key=key,
        features_dir=as_path(features_dir),
        cache_dir=Path(cache).expanduser(),
        prepare=_import_function(target),
    )


def _read_files(trial_dir: Path) -> Files:
    """What the training left, by its path within the trial's directory."""
    return {
        path.relative_to(trial_dir).as_posix(): path.read_bytes()
        for path in sorted(trial_dir.rglob("*"))
        if path.is_file()
    }


def _memory_bytes() -> int:
    """Resident memory of this process (Linux)."""
    fields = Path("/proc/self/statm").read_text().split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")
