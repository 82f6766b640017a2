"""The runner that trains trials in parallel in processes of this machine.

The driver is the process that calls the runner. The driver starts the workers,
and never trains or uses a GPU. Each worker is a fresh interpreter that keeps
TensorFlow loaded for the next trial. A worker is replaced before it leaks too
much memory. If a crash, a signal, a time limit or a memory limit ends a worker,
the worker's trial gets a failed result, and the other workers continue.

There is one socket per worker. With one queue for all workers, a worker that is
killed while it sends a message could affect the other workers.
"""

import collections
import dataclasses
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing import connection as connections
from pathlib import Path
from typing import IO, Any

from audiotag_nas import errors
from audiotag_nas.config import ExperimentConfig
from audiotag_nas.data.storage import AnyPath, as_path
from audiotag_nas.errors import ConfigError, SearchError
from audiotag_nas.files import store_errors
from audiotag_nas.runners import gpus
from audiotag_nas.runners.limits import (
    MAX_TRIALS_PER_WORKER,
    MEMORY_POLL_SECONDS,
    check_limits,
    resident_memory_bytes,
)
from audiotag_nas.runners.target import TARGET, OnTrialEpoch
from audiotag_nas.runners.tensorflow_log import is_log
from audiotag_nas.trial import Trial, TrialResult, TrialStatus

_START_SECONDS = 300.0  # enough to import TensorFlow from a slow disk
_MAX_FAILED_STARTS = 3
_COMMAND = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from audiotag_nas.runners import worker; worker.main(int(sys.argv[2]))"
)


@dataclasses.dataclass
class _Worker:
    """What the driver knows about a worker process.

    Attributes:
        slot: number of the worker, from 0, which determines its GPUs.
        process: the interpreter.
        connection: the driver's end of the socket.
        log: file with the output of the process.
        since: when the worker last got a trial, or was started if it got none
            (monotonic seconds).
        is_ready: whether the worker accepts trials.
        trial: the trial that the worker trains; None if it has no trial.
        num_trials: number of trials that the worker has received.
    """

    slot: int
    process: subprocess.Popen
    connection: connections.Connection
    log: IO[bytes]
    since: float
    is_ready: bool = False
    trial: Trial | None = None
    num_trials: int = 0

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.since

    def send(self, message: dict[str, Any]) -> None:
        try:
            self.connection.send_bytes(json.dumps(message).encode())
        except OSError:
            # The worker has died. The driver will read the socket's end.
            return

    def end(self) -> int:
        """Kills the process if it is alive, and returns its exit status."""
        self.connection.close()
        self.process.kill()
        return self.process.wait()

    def last_line(self, *, has_died: bool) -> str:
        """Returns the last line of the output, e.g. the text of a failed check.

        Lines of TensorFlow's log are skipped. If the process has died, errors
        in the log are not skipped.
        """
        with self.log as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - 4096))
            lines = [line.strip() for line in log.read().split(b"\n")]
        kept = [
            line
            for line in lines
            if line and not is_log(line, with_errors=not has_died)
        ]
        return kept[-1].decode(errors="replace")[:300] if kept else ""


class ProcessRunner:
    """A `TrialRunner` that uses worker processes.

    Args:
        config: the experiment.
        features_dir: directory with the prepared features, in
            `<size>/development`.
        trials_dir: directory that gets one subdirectory per trial.
        num_workers: number of trials in parallel.
        trial_timeout_seconds: a training that takes longer is killed, unless
            it has ended before the driver checks the time.
        gpus_per_trial: number of GPUs that train one trial; 0 means the CPU.
        memory_limit_bytes: a worker with more resident memory is killed
            (Linux).
        max_trials_per_worker: number of trials after which a worker is
            replaced.
        retries: number of times that a trial is retried if its worker died or
            exceeded a limit. A training that raised an error is not retried,
            because the same seed would cause the same error.
        on_epoch: called by `next_result` with (trial, epoch from 1, numbers of
            the epoch).
        target: name of the function that trains a trial (`runners.target`).

    Raises:
        ConfigError: an argument is out of its range, or there are too few
            GPUs.
    """

    def __init__(
        self,
        config: ExperimentConfig,
        *,
        features_dir: AnyPath,
        trials_dir: Path,
        num_workers: int,
        trial_timeout_seconds: float | None = None,
        gpus_per_trial: int = 0,
        memory_limit_bytes: int | None = None,
        max_trials_per_worker: int = MAX_TRIALS_PER_WORKER,
        retries: int = 0,
        on_epoch: OnTrialEpoch | None = None,
        target: str = TARGET,
    ) -> None:
        check_limits(
            num_workers=num_workers,
            trial_timeout_seconds=trial_timeout_seconds,
            gpus_per_trial=gpus_per_trial,
            memory_limit_bytes=memory_limit_bytes,
            max_trials_per_worker=max_trials_per_worker,
            retries=retries,
        )
        if memory_limit_bytes is not None and not Path("/proc/self").exists():
            raise ConfigError(
                "`memory_limit_bytes`: needs /proc, which Linux has."
            )
        self._gpus = gpus.share_gpus(num_workers, gpus_per_trial)
        self._setup = {
            "target": target,
            "config": config.to_json(),
            "features_dir": str(as_path(features_dir).absolute()),
            "trials_dir": str(Path(trials_dir).absolute()),
        }
        self._num_threads = config.threads_per_trial
        self._num_workers = num_workers
        self._timeout_seconds = trial_timeout_seconds
        self._memory_limit_bytes = memory_limit_bytes
        self._max_trials = max_trials_per_worker
        self._retries = retries
        self._on_epoch = on_epoch
        self._workers: list[_Worker] = []
        self._waiting: collections.deque[Trial] = collections.deque()
        self._done: collections.deque[TrialResult] = collections.deque()
        self._num_lost: collections.Counter[str] = collections.Counter()
        self._num_failed_starts = 0

    @property
    def num_slots(self) -> int:
        return self._num_workers

    def submit(self, trial: Trial) -> None:
        self._waiting.append(trial)
        self._dispatch()

    def next_result(self) -> TrialResult:
        """Blocks until a trial has ended.

        Raises:
            UserError: a worker reported an error that would stop every trial,
                e.g. damaged features; or several workers died at their start.
            RuntimeError: no trial was submitted.
        """
        while not self._done:
            self._dispatch()
            if not self._workers:
                raise RuntimeError("next_result: no trial was submitted.")
            waiting_for = {w.connection: w for w in self._workers}
            for end in connections.wait(
                list(waiting_for), self._seconds_to_next_check()
            ):
                self._receive(waiting_for[end])  # type: ignore[index]
            for worker in tuple(self._workers):
                self._check_limits(worker)
        return self._done.popleft()

    def close(self) -> None:
        """Kills all workers, even if they train. May be called twice."""
        self._waiting.clear()
        self._done.clear()
        while self._workers:
            worker = self._workers.pop()
            worker.end()
            worker.log.close()

    # Workers

    def _dispatch(self) -> None:
        """Gives waiting trials to free workers, and starts missing workers."""
        free = [w for w in self._workers if w.is_ready and w.trial is None]
        for worker in free:
            if not self._waiting:
                return
            if worker.process.poll() is not None:
                # The worker was killed while it had no trial.
                self._lose(worker, _describe_exit)
                continue
            worker.trial = self._waiting.popleft()
            worker.since = time.monotonic()
            worker.num_trials += 1
            worker.send({"trial": worker.trial.to_json()})
        num_starting = sum(not worker.is_ready for worker in self._workers)
        num_wanted = len(self._waiting) - num_starting
        num_missing = self._num_workers - len(self._workers)
        for _ in range(min(num_wanted, num_missing)):
            self._start_worker()

    def _start_worker(self) -> None:
        taken = {worker.slot for worker in self._workers}
        slot = min(set(range(self._num_workers)) - taken)
        mine, theirs = connections.Pipe()
        with store_errors("a temporary file (TMPDIR)"):
            # The file is closed when the worker is ended.
            log = tempfile.TemporaryFile()  # noqa: SIM115
        with theirs:
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-c",
                    _COMMAND,
                    json.dumps(sys.path),
                    str(theirs.fileno()),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment(slot),
                pass_fds=[theirs.fileno()],
                # Only the driver receives Ctrl-C. It then ends the workers.
                process_group=0,
            )
        worker = _Worker(slot, process, mine, log, time.monotonic())
        self._workers.append(worker)
        worker.send(self._setup)

    def _environment(self, slot: int) -> dict[str, str]:
        threads = str(self._num_threads)
        return {
            "TF_CPP_MIN_LOG_LEVEL": "2",
            **os.environ,
            # TensorFlow reads these variables once, at its start.
            "TF_NUM_INTRAOP_THREADS": threads,
            "TF_NUM_INTEROP_THREADS": threads,
            "CUDA_VISIBLE_DEVICES": self._gpus[slot],
        }

    def _receive(self, worker: _Worker) -> None:
        """Handles one message of a worker, or the end of the worker."""
        try:
            message = json.loads(worker.connection.recv_bytes())
        except (EOFError, OSError):
            self._lose(worker, _describe_exit)
            return
        kind, trial = message["kind"], worker.trial
        if kind == "unusable":
            raise RuntimeError(f"a worker can't start: {message['reason']}")
        if kind == "user_error":
            error_class = getattr(errors, message["type"], errors.UserError)
            raise error_class(message["message"])
        if kind == "ready":
            worker.is_ready = True
            self._num_failed_starts = 0
        elif kind == "epoch":
            if self._on_epoch is not None and trial is not None:
                self._on_epoch(trial, message["epoch"], message["numbers"])
        else:
            self._done.append(TrialResult.from_json(message["result"]))
            worker.trial = None
            if worker.num_trials >= self._max_trials:
                self._remove(worker)
                worker.log.close()

    def _seconds_to_next_check(self) -> float | None:
        """Returns the time until the next check; None if there is no limit."""
        checks = [
            limit - worker.seconds
            for worker in self._workers
            if (limit := self._time_limit(worker)) is not None
        ]
        if self._memory_limit_bytes is not None:
            checks.append(MEMORY_POLL_SECONDS)
        return max(0.0, min(checks)) if checks else None

    def _time_limit(self, worker: _Worker) -> float | None:
        if not worker.is_ready:
            return _START_SECONDS
        return None if worker.trial is None else self._timeout_seconds

    def _check_limits(self, worker: _Worker) -> None:
        if not self._exceeded_limit(worker):
            return
        # If the driver was busy, the socket may already contain the result,
        # after messages about epochs.
        while worker in self._workers and worker.connection.poll():
            self._receive(worker)
        if worker in self._workers and (reason := self._exceeded_limit(worker)):
            self._lose(worker, lambda status: reason)

    def _exceeded_limit(self, worker: _Worker) -> str:
        """Returns text about an exceeded limit; empty if there is none."""
        time_limit = self._time_limit(worker)
        if time_limit is not None and worker.seconds >= time_limit:
            return f"took longer than its limit of {time_limit:g} s"
        if worker.trial is not None and self._memory_limit_bytes is not None:
            used = resident_memory_bytes(worker.process.pid)
            limit = self._memory_limit_bytes
            if used > limit:
                return (
                    f"used {used / 2**30:.2f} GiB of memory, more than its "
                    f"limit of {limit / 2**30:.2f} GiB"
                )
        return ""

    def _lose(self, worker: _Worker, describe: Callable[[int], str]) -> None:
        """Ends a worker, and retries its trial or records the failure."""
        trial, seconds = worker.trial, worker.seconds
        reason = describe(self._remove(worker))
        last_line = worker.last_line(has_died=describe is _describe_exit)
        if last_line:
            reason += f"; last output line: {last_line}"
        if not worker.is_ready:
            self._num_failed_starts += 1
            if self._num_failed_starts == _MAX_FAILED_STARTS:
                raise SearchError(
                    f"{_MAX_FAILED_STARTS} worker processes in a row ended at "
                    f"their start: {reason}."
                )
        if trial is None:
            return
        self._num_lost[trial.trial_id] += 1
        if self._num_lost[trial.trial_id] <= self._retries:
            self._waiting.appendleft(trial)
            return
        self._done.append(
            TrialResult(
                trial_id=trial.trial_id,
                status=TrialStatus.FAILED,
                reward=None,
                seconds=seconds,
                reason=f"its process {reason}",
            )
        )

    def _remove(self, worker: _Worker) -> int:
        self._workers.remove(worker)
        return worker.end()


def _describe_exit(status: int) -> str:
    """Returns text for a process's exit status."""
    if status >= 0:
        return f"ended with exit status {status}"
    name = signal.Signals(-status).name
    if name == "SIGKILL":
        return f"was killed by {name} (the kernel does so if memory runs out)"
    return f"was killed by {name}"
