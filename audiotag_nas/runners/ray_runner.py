"""The runner that trains trials on a Ray cluster; see docs/guide/ray.md.

Ray assigns each trial to a node with enough free CPUs and GPUs, and reports
when a process or a node has ended. If a process dies, its trial is retried at
most `retries` times, and then fails. If a node is lost, its trials are retried
on other nodes. If the cluster is lost, the search stops and no trial fails
(`RayConnection`). Ray stores nothing of a search; the journal has its state.

The driver is the process that calls the runner. Each trial is a Ray task that
streams messages to the driver (`ray_worker`). TensorFlow is not imported for
each trial, because Ray uses a process for `MAX_TRIALS_PER_WORKER` trials (only
one if trials use GPUs).
"""

import collections
import contextlib
import dataclasses
import json
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from audiotag_nas import errors
from audiotag_nas.config import ExperimentConfig
from audiotag_nas.data.storage import AnyPath, as_path
from audiotag_nas.data.stored_features import open_prepared
from audiotag_nas.errors import ConfigError, SearchError
from audiotag_nas.files import atomic_write_bytes
from audiotag_nas.runners import ray_worker
from audiotag_nas.runners.limits import MAX_TRIALS_PER_WORKER, check_limits
from audiotag_nas.runners.node_features import DEFAULT_CACHE_DIR
from audiotag_nas.runners.ray_connection import (
    CHECK_SECONDS,
    RayConnection,
    import_ray,
)
from audiotag_nas.runners.target import TARGET, OnTrialEpoch
from audiotag_nas.training.trial_settings import spectrogram_size
from audiotag_nas.trial import Trial, TrialResult, TrialStatus

DEFAULT_ADDRESS = "auto"

# The search stops if the nodes of one trial were lost this number of times.
_MAX_NODES_LOST = 5


@dataclasses.dataclass
class _Task:
    """The state of a Ray task, which trains one trial.

    Attributes:
        trial: the trial.
        node_id: the node that trains the trial; None if not yet known.
        since: when the training began (monotonic seconds); None if it has not.
    """

    trial: Trial
    node_id: str | None = None
    since: float | None = None

    @property
    def seconds(self) -> float:
        return 0.0 if self.since is None else time.monotonic() - self.since


class RayRunner:
    """A `TrialRunner` that uses a Ray cluster.

    Args:
        config: the experiment.
        features_dir: directory with the prepared features, in
            `<size>/development`.
        trials_dir: directory on the driver's machine that gets one
            subdirectory per trial.
        address: `host:port` of the cluster; `auto` for the cluster of this
            machine or of RAY_ADDRESS; or `local`, which starts a cluster on
            this machine.
        num_workers: number of trials in parallel. None means as many as the
            nodes have room for, including nodes that join later.
        trial_timeout_seconds: a training that takes longer is killed, unless
            it has ended before the driver checks the time. The time that a
            trial waits for a node or for features does not count.
        gpus_per_trial: number of GPUs requested from Ray for each trial.
        memory_limit_bytes: a process with more resident memory is killed.
        retries: number of times that a trial is retried if its process died
            or exceeded a limit. Retries after a node's loss do not count.
        on_epoch: called by `next_result` with (trial, epoch from 1, numbers of
            the epoch).
        target: name of the function that trains a trial (`runners.target`).
        prepare: `module:function` that prepares features on a node without
            features (`node_features.PrepareFeatures`); None if every node can
            read `features_dir`.
        cache_dir: directory on each node's own disk for the features that are
            prepared there.

    Raises:
        ConfigError: Ray is not installed, an argument is out of its range,
            or no node has enough CPUs and GPUs for one trial.
        SearchError: no cluster answers at `address`.
    """

    def __init__(
        self,
        config: ExperimentConfig,
        *,
        features_dir: AnyPath,
        trials_dir: Path,
        address: str = DEFAULT_ADDRESS,
        num_workers: int | None = None,
        trial_timeout_seconds: float | None = None,
        gpus_per_trial: int = 0,
        memory_limit_bytes: int | None = None,
        retries: int = 0,
        on_epoch: OnTrialEpoch | None = None,
        target: str = TARGET,
        prepare: str | None = None,
        cache_dir: str = DEFAULT_CACHE_DIR,
    ) -> None:
        check_limits(
            num_workers=num_workers,
            trial_timeout_seconds=trial_timeout_seconds,
            gpus_per_trial=gpus_per_trial,
            memory_limit_bytes=memory_limit_bytes,
            retries=retries,
        )
        self._config = config
        self._features_dir = as_path(features_dir).absolute()
        self._trials_dir = Path(trials_dir)
        self._num_workers = num_workers
        self._timeout_seconds = trial_timeout_seconds
        self._retries = retries
        self._on_epoch = on_epoch
        self._needs = {"CPU": config.threads_per_trial, "GPU": gpus_per_trial}
        self._prepare = prepare
        self._setup: dict[str, Any] = {
            "target": target,
            "config": _with_absolute_paths(config).to_json(),
            "features_dir": str(self._features_dir),
            "prepare": prepare,
            "cache_dir": cache_dir,
            "memory_limit_bytes": memory_limit_bytes,
            "versions": ray_worker.versions(),
            "environment": ray_worker.environment(
                num_threads=config.threads_per_trial,
                has_gpus=gpus_per_trial > 0,
            ),
        }
        # Spectrogram size -> key of the features.
        self._keys: dict[str, str] = {}
        self._tasks: dict[Any, _Task] = {}
        self._done: collections.deque[TrialResult] = collections.deque()
        self._num_lost: collections.Counter[str] = collections.Counter()
        self._num_nodes_lost: collections.Counter[str] = collections.Counter()
        self._ray = import_ray()
        self._connection = RayConnection(self._ray, address)
        try:
            self._check_room()
        except BaseException:
            self.close()
            raise
        self._train = self._ray.remote(
            num_returns="streaming",
            # Ray must not retry tasks, because the runner retries them.
            max_retries=0,
            # TensorFlow can't change the GPUs of a running process.
            max_calls=1 if gpus_per_trial else MAX_TRIALS_PER_WORKER,
            num_cpus=self._needs["CPU"],
            num_gpus=self._needs["GPU"],
        )(_train_on_node)

    @property
    def num_slots(self) -> int:
        if self._num_workers is not None:
            return self._num_workers
        return max(1, self._num_rooms())

    def submit(self, trial: Trial) -> None:
        """Submits a trial to Ray, where it waits until a node has room.

        Raises:
            StoreError: the driver's features are missing or damaged.
            SearchError: the cluster is lost.
        """
        request = self._setup | {"trial": trial.to_json()}
        request |= self._features_of(trial)
        task = self._connection.call(self._train.remote, json.dumps(request))
        self._tasks[task] = _Task(trial)

    def next_result(self) -> TrialResult:
        """Blocks until a trial has ended.

        Raises:
            SearchError: the cluster is lost.
            UserError: a node reported an error that would stop every trial.
            RuntimeError: no trial was submitted.
        """
        while not self._done:
            if not self._tasks:
                raise RuntimeError("next_result: no trial was submitted.")
            ready, _ = self._connection.call(
                self._ray.wait,
                list(self._tasks),
                timeout=self._seconds_to_next_check(),
            )
            if not ready:
                self._connection.check()
            for task in ready:
                self._receive(task)
            for task in tuple(self._tasks):
                self._check_time(task)
        return self._done.popleft()

    def close(self) -> None:
        """Kills all trials and leaves the cluster. May be called twice."""
        # If the cluster is lost, its tasks need not be cancelled.
        with contextlib.suppress(SearchError):
            while self._tasks:
                self._cancel(self._tasks.popitem()[0])
        self._tasks.clear()
        self._done.clear()
        self._connection.close()

    def _features_of(self, trial: Trial) -> dict[str, str | None]:
        if self._prepare is None:
            return {"spectrogram_size": None, "features_key": None}
        size = spectrogram_size(trial, self._config)
        if size not in self._keys:
            split_dir = self._features_dir / size / "development"
            self._keys[size] = open_prepared(split_dir).key
        return {"spectrogram_size": size, "features_key": self._keys[size]}

    def _receive(self, task: Any) -> None:
        """Handles one message of a task, or the end of the task."""
        exceptions = self._ray.exceptions
        try:
            text, files = self._connection.call(self._next_message, task)
        except StopIteration:
            self._lose(task, "ended without a result")
        except exceptions.RayTaskError as error:
            # A RayError or OSError means that Ray or a connection failed.
            if isinstance(error.cause, (exceptions.RayError, OSError)):
                self._lose_node(task, str(error.cause))
            else:
                raise SearchError(
                    "a node can't train. Is audiotag-nas installed on it? "
                    f"{error}"
                ) from None
        except exceptions.OutOfMemoryError:
            self._lose(
                task, "was ended by Ray because its node ran out of memory"
            )
        except exceptions.WorkerCrashedError:
            self._lose(task, "ended without a message, as if it was killed")
        except exceptions.RayError as error:
            self._lose_node(task, str(error))
        else:
            self._handle(task, json.loads(text), files)

    def _next_message(self, task: Any) -> tuple[str, ray_worker.Files]:
        return self._ray.get(next(task))

    def _has_node(self, task: Any) -> bool:
        """True if the task's node answers or is not yet known."""
        node_id = self._tasks[task].node_id
        return node_id is None or self._connection.node_answers(node_id)

    def _handle(
        self, task: Any, message: dict[str, Any], files: ray_worker.Files
    ) -> None:
        state, kind = self._tasks[task], message["kind"]
        if kind == "node":
            state.node_id = message["node_id"]
        elif kind == "training":
            state.since = time.monotonic()
        elif kind == "epoch":
            if self._on_epoch is not None:
                numbers = message["numbers"]
                self._on_epoch(state.trial, message["epoch"], numbers)
        elif kind == "memory":
            limit = self._setup["memory_limit_bytes"]
            self._kill(
                task,
                f"used {message['bytes'] / 2**30:.2f} GiB of memory, more "
                f"than its limit of {limit / 2**30:.2f} GiB",
            )
        elif kind == "user_error":
            error_class = getattr(errors, message["type"], errors.UserError)
            raise error_class(message["message"])
        else:
            del self._tasks[task]
            for name, data in files.items():
                path = self._trials_dir / state.trial.trial_id / name
                atomic_write_bytes(path, data)
            self._done.append(TrialResult.from_json(message["result"]))

    def _check_time(self, task: Any) -> None:
        limit = self._timeout_seconds
        if limit is None or self._tasks[task].seconds < limit:
            return
        # If the driver was busy, the result may already have arrived, after
        # messages about epochs.
        while task in self._tasks and self._has_message(task):
            self._receive(task)
        if task in self._tasks:
            self._kill(task, f"took longer than its limit of {limit:g} s")

    def _has_message(self, task: Any) -> bool:
        # With `fetch_local`, `wait` would copy the files of a result first.
        ready, _ = self._connection.call(
            self._ray.wait, [task], timeout=0, fetch_local=False
        )
        return bool(ready)

    def _kill(self, task: Any, reason: str) -> None:
        self._cancel(task)
        self._lose(task, reason)

    def _cancel(self, task: Any) -> None:
        try:
            self._connection.call(self._ray.cancel, task, force=True)
        except self._ray.exceptions.RayError as error:
            logging.getLogger(__name__).info("can't be cancelled: %s", error)

    def _lose(self, task: Any, reason: str) -> None:
        """Retries a trial whose process has ended, or records a failed result.

        If the cluster or the node is lost, the trial does not fail.
        """
        self._connection.wait_for_answer()
        if not self._has_node(task):
            self._lose_node(task, "its node does not answer")
            return
        trial = self._tasks[task].trial
        self._num_lost[trial.trial_id] += 1
        if self._num_lost[trial.trial_id] <= self._retries:
            self._resubmit(task)
        else:
            self._fail(task, f"its process {reason}")

    def _lose_node(self, task: Any, reason: str) -> None:
        """Retries a trial whose node is lost, or stops the search."""
        trial = self._tasks[task].trial
        self._num_nodes_lost[trial.trial_id] += 1
        if self._num_nodes_lost[trial.trial_id] < _MAX_NODES_LOST:
            self._resubmit(task)
            return
        text = " ".join(reason.split())[:300]
        raise SearchError(
            f"{trial.trial_id}: the node that trained this trial was lost "
            f"{_MAX_NODES_LOST} times. The last reason is: {text}. Every "
            "finished trial is in the journal. See `ray status`, then run the "
            "same command, which continues."
        )

    def _resubmit(self, task: Any) -> None:
        self.submit(self._tasks.pop(task).trial)

    def _fail(self, task: Any, reason: str) -> None:
        state = self._tasks.pop(task)
        self._done.append(
            TrialResult(
                trial_id=state.trial.trial_id,
                status=TrialStatus.FAILED,
                reward=None,
                seconds=state.seconds,
                reason=reason,
            )
        )

    def _seconds_to_next_check(self) -> float:
        if self._timeout_seconds is None:
            return CHECK_SECONDS
        # The limit for a waiting task starts with its training, at any time.
        left = [self._timeout_seconds - s.seconds for s in self._tasks.values()]
        return max(0.0, min(CHECK_SECONDS, *left))

    def _num_rooms(self) -> int:
        """Returns how many trials the nodes together can run in parallel."""
        return sum(
            min(
                int(node["Resources"].get(name, 0) // amount)
                for name, amount in self._needs.items()
                if amount
            )
            for node in self._connection.alive_nodes()
        )

    def _check_room(self) -> None:
        if self._num_rooms() == 0:
            raise ConfigError(
                f"--runner=ray: a trial needs one node with "
                f"{self._needs['CPU']} CPUs (threads_per_trial) and "
                f"{self._needs['GPU']} GPUs (--gpus_per_trial). "
                "The nodes have: "
                f"{[n['Resources'] for n in self._connection.alive_nodes()]}"
            )


def _train_on_node(request: str) -> Iterator[tuple[str, ray_worker.Files]]:
    """Yields the node's id, then the messages of `train_messages`."""
    node_id = import_ray().get_runtime_context().get_node_id()
    yield json.dumps({"kind": "node", "node_id": node_id}), {}
    yield from ray_worker.train_messages(request)


def _with_absolute_paths(config: ExperimentConfig) -> ExperimentConfig:
    """Returns the config for nodes, whose working directories may differ."""
    paths: dict[str, Any] = {
        name: str(Path(value).absolute())
        for name in ("dataset_dir", "manifest_path")
        if (value := getattr(config.data, name))
    }
    return dataclasses.replace(
        config, data=dataclasses.replace(config.data, **paths)
    )
