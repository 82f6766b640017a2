"""The connection of a driver to a Ray cluster.

The driver is the process that submits tasks to Ray. The driver gets no report
of the loss of a cluster. A raylet is the Ray process that manages a node. If
the driver's raylet dies, each task fails some seconds after it was submitted.
The GCS, on the head node, is the Ray process that knows all nodes. If the GCS
dies, calls block for a minute, and then Ray ends the driver. When a call takes
long or fails, the connection therefore checks whether raylet and GCS answer.
"""

import concurrent.futures
import enum
import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from audiotag_nas.errors import ConfigError, SearchError

_T = TypeVar("_T")

CHECK_SECONDS = 2.0
"""Time between two checks of the cluster."""

# A GCS with external storage may be restarted within this time. Ray ends this
# process after 60 s without a GCS.
_GRACE_SECONDS = 10.0
_PROBE_SECONDS = 5.0
# A process that is ending may still answer for a short time.
_SETTLE_SECONDS = 1.0


def import_ray() -> Any:
    """Returns the module `ray`.

    Raises:
        ConfigError: Ray is not installed.
    """
    # The value 0 stops usage reports to the makers of Ray. Ray reads this
    # variable when a cluster is started.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Otherwise Ray prints messages of raylets, e.g. the last lines of a log, to
    # this process's standard output. Ray reads this variable when imported.
    os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".")
    # Otherwise Ray prints a message for each cancelled task.
    os.environ.setdefault("RAY_IGNORE_UNHANDLED_ERRORS", "1")
    try:
        import ray
    except ImportError:
        raise ConfigError(
            '--runner=ray needs Ray: pip install "audiotag-nas[ray]"'
        ) from None
    return ray


class RayConnection:
    """The cluster that this process has joined.

    Args:
        ray: the module `ray`.
        address: `auto`, `local` or host:port; ignored if this process has
            already joined a cluster.

    Raises:
        ConfigError: the address has none of these forms.
        SearchError: no cluster answers at the address.
    """

    def __init__(self, ray: Any, address: str) -> None:
        self._ray = ray
        self._owns_ray = _join(ray, address)
        context = ray.get_runtime_context()
        self._gcs = _host_and_port(context.gcs_address)
        own_id = context.get_node_id()
        [own] = [node for node in ray.nodes() if node["NodeID"] == own_id]
        self._raylet = _raylet_of(own)
        self._silent_since: float | None = None
        self._lost: str | None = None

    def call(
        self, function: Callable[..., _T], *args: Any, **kwargs: Any
    ) -> _T:
        """Calls a function that uses Ray.

        If the function raises an exception, this method raises the same
        exception, except if the cluster is lost.

        Raises:
            SearchError: the cluster is lost.
        """
        if self._lost is not None:
            self._raise_lost(self._lost)
        future: concurrent.futures.Future[_T] = concurrent.futures.Future()

        def work() -> None:
            try:
                future.set_result(function(*args, **kwargs))
            except BaseException as error:
                future.set_exception(error)

        # The function runs in a thread, because it blocks if the GCS is lost.
        threading.Thread(target=work, daemon=True).start()
        while not future.done():
            concurrent.futures.wait([future], timeout=CHECK_SECONDS)
            if not future.done():
                self.check()
        if future.exception() is not None:
            time.sleep(_SETTLE_SECONDS)
            self.wait_for_answer()
        return future.result()

    def wait_for_answer(self) -> None:
        """Blocks until the cluster answers.

        Raises:
            SearchError: the cluster is lost.
        """
        while not self.check():
            time.sleep(_SETTLE_SECONDS)

    def check(self) -> bool:
        """Returns whether the cluster answers.

        Raises:
            SearchError: the cluster is lost: the driver's raylet has ended, or
                the raylet or the GCS has not answered for some time.
        """
        raylet = _probe(self._raylet)
        if raylet is _Answer.REFUSES:
            # Waiting is useless, because a restarted raylet is a new node.
            self._raise_lost(f"the driver's raylet ({_text(self._raylet)})")
        if raylet is _Answer.SILENCE:
            silent = f"the driver's raylet ({_text(self._raylet)})"
        elif _probe(self._gcs) is not _Answer.ANSWERS:
            silent = f"the GCS on the head node ({_text(self._gcs)})"
        else:
            self._silent_since = None
            return True
        now = time.monotonic()
        if self._silent_since is None:
            self._silent_since = now
        if now - self._silent_since >= _GRACE_SECONDS:
            self._raise_lost(silent)
        return False

    def alive_nodes(self) -> list[dict[str, Any]]:
        """Returns Ray's descriptions of the nodes that are alive."""
        return [node for node in self.call(self._ray.nodes) if node["Alive"]]

    def node_answers(self, node_id: str) -> bool:
        """True if the node is in the cluster and the node's raylet answers."""
        return any(
            _probe(_raylet_of(node)) is _Answer.ANSWERS
            for node in self.alive_nodes()
            if node["NodeID"] == node_id
        )

    @property
    def is_lost(self) -> bool:
        return self._lost is not None

    def close(self) -> None:
        """Leaves the cluster if this object joined it."""
        # If the cluster is lost, `shutdown` would block or end this process.
        if self._owns_ray and not self.is_lost:
            self._owns_ray = False
            self._ray.shutdown()

    def _raise_lost(self, what: str) -> NoReturn:
        self._lost = what
        raise SearchError(
            f"the Ray cluster is lost: {what} does not answer. Every finished "
            "trial is in the journal. Start the cluster again and run the "
            "same command, which continues."
        )


def _join(ray: Any, address: str) -> bool:
    """Joins the cluster. Returns False if the process had joined before."""
    if ray.is_initialized():
        return False
    if "://" in address:
        raise ConfigError(
            "--ray_address: must be auto, local or host:port. This command "
            "must run on a machine of the cluster. Received: "
            f"{address!r}"
        )
    options = {"include_dashboard": False} if address == "local" else {}
    try:
        if ":" in address:
            # Without an answer, `ray.init` would wait for many minutes.
            socket.create_connection(
                _host_and_port(address), timeout=10
            ).close()
        ray.init(
            address=address,
            log_to_driver=False,
            logging_level=logging.ERROR,
            **options,
        )
    except Exception as error:
        text = " ".join(str(error).split())[:300]
        raise SearchError(
            f"--ray_address={address}: no Ray cluster can be joined there "
            f"({text}). `ray start --head` starts one on this machine, and "
            "--ray_address=local starts one for this command only."
        ) from None
    return True


class _Answer(enum.Enum):
    """The result of connecting to a port."""

    ANSWERS = enum.auto()
    REFUSES = enum.auto()  # the machine answers, but no process uses the port
    SILENCE = enum.auto()


def _probe(address: tuple[str, int]) -> _Answer:
    try:
        socket.create_connection(address, timeout=_PROBE_SECONDS).close()
    except ConnectionRefusedError:
        return _Answer.REFUSES
    except OSError:
        return _Answer.SILENCE
    return _Answer.ANSWERS


def _raylet_of(node: dict[str, Any]) -> tuple[str, int]:
    return node["NodeManagerAddress"], int(node["NodeManagerPort"])


def _host_and_port(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def _text(address: tuple[str, int]) -> str:
    return f"{address[0]}:{address[1]}"
