"""How a driver joins a Ray cluster, or is told why it can't."""

import logging
import os
import socket
from typing import Any

from audiotag_nas.errors import ConfigError, SearchError


def import_ray() -> Any:
    """The module.

    Raises:
        ConfigError: it is not installed.
    """
    # Nobody's training is Ray's business; read when a cluster is started.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError:
        raise ConfigError(
            '--runner=ray needs Ray: pip install "audiotag-nas[ray]"'
        ) from None
    return ray


def connect(ray: Any, address: str) -> bool:
    """Joins the cluster; False if this process had done so already.

    Args:
        ray: the module.
        address: `auto`, `local` or host:port.

    Raises:
        ConfigError: the address is of another kind.
        SearchError: no cluster answers there.
    """
    if ray.is_initialized():
        return False
    if "://" in address:
        raise ConfigError(
            "--ray_address: must be auto, local or host:port, and the driver "
            f"run on a machine of the cluster. Received: {address!r}"
        )
    options = {"include_dashboard": False} if address == "local" else {}
    try:
        if ":" in address:
            # Ray itself would try for many minutes.
            host, _, port = address.rpartition(":")
            socket.create_connection((host, int(port)), timeout=10).close()
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
            "--ray_address=local one for this command alone."
        ) from None
    return True
