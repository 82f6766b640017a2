"""A worker process, which trains one trial at a time for the driver.

The driver is the process that runs the search (`process_runner`). Each worker
is a fresh interpreter, because TensorFlow does not work after a fork. Driver
and worker exchange JSON over a socket. The driver's first message is the setup,
and each further message is a trial. When the driver ends for any reason, the
worker reads the end of the socket and exits at once.
"""

import json
import os
import queue
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from audiotag_nas.config import ExperimentConfig
from audiotag_nas.data.storage import as_path
from audiotag_nas.errors import UserError
from audiotag_nas.runners.target import find_function, run_target
from audiotag_nas.trial import Trial, TrialResult

Message = dict[str, Any]


def main(file_descriptor: int) -> None:
    """Trains the trials that the driver sends through a socket.

    Args:
        file_descriptor: the worker's end of the socket.
    """
    # Otherwise a subprocess of a training could keep the socket open.
    os.set_inheritable(file_descriptor, False)
    connection = Connection(file_descriptor)
    inbox: queue.SimpleQueue[Message] = queue.SimpleQueue()
    threading.Thread(
        target=_receive, args=(connection, inbox), daemon=True
    ).start()
    setup = inbox.get()
    try:
        run_trial = find_function(setup["target"])
        config = ExperimentConfig.from_json(setup["config"])
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        _send(connection, {"kind": "unusable", "reason": reason})
        return
    _send(connection, {"kind": "ready"})
    while True:
        trial = Trial.from_json(inbox.get()["trial"])
        _send(connection, _train(trial, config, setup, run_trial, connection))


def _train(
    trial: Trial,
    config: ExperimentConfig,
    setup: Message,
    run_trial: Callable[..., TrialResult],
    connection: Connection,
) -> Message:
    """Trains `trial`, and returns the message with the outcome."""

    def on_epoch(epoch: int, numbers: dict[str, float]) -> None:
        _send(connection, {"kind": "epoch", "epoch": epoch, "numbers": numbers})

    try:
        result = run_target(
            run_trial,
            trial,
            config=config,
            features_dir=as_path(setup["features_dir"]),
            trials_dir=Path(setup["trials_dir"]),
            on_epoch=on_epoch,
        )
    except UserError as error:
        name = type(error).__name__
        return {"kind": "user_error", "type": name, "message": str(error)}
    return {"kind": "result", "result": result.to_json()}


def _receive(
    connection: Connection, inbox: "queue.SimpleQueue[Message]"
) -> None:
    """Receives messages, and ends this process when the driver ends."""
    try:
        while True:
            inbox.put(json.loads(connection.recv_bytes()))
    except (EOFError, OSError):
        # `sys.exit` would end only this thread, not the training.
        os._exit(0)


def _send(connection: Connection, message: Message) -> None:
    try:
        connection.send_bytes(json.dumps(message).encode())
    except OSError:
        os._exit(0)
