"""Finds the features of a trial on whatever machine it is trained on.

A driver on another machine says by key which features a trial needs
(`PreparedSet.key`, the digest of all that decides their bytes). They are

1. at the driver's own path, where the disk is shared;
2. in this machine's cache, `<cache>/<16 digits of key>/<size>/development`;
3. made here, into the cache, from the data set that lies on this machine or
   is synthesized on it.

A training on other features than its driver's would be a silent error, so
nothing with another key is ever used.
"""

import contextlib
import fcntl
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

from audiotag_nas.config import ExperimentConfig
from audiotag_nas.data.storage import AnyPath
from audiotag_nas.data.stored_features import open_prepared
from audiotag_nas.errors import DataError, StoreError

DEFAULT_CACHE_DIR = "~/.cache/audiotag_nas"

PrepareFeatures = Callable[..., None]
"""Called as (config, size=..., split_dir=..., cache_dir=...); fills split_dir
with the development split's features, and may keep what it needs for that in
cache_dir."""


def find_features(
    config: ExperimentConfig,
    *,
    size: str,
    key: str,
    features_dir: AnyPath,
    cache_dir: Path,
    prepare: PrepareFeatures,
) -> AnyPath:
    """A directory that holds `<size>/development` of this very key.

    Args:
        config: the experiment.
        size: the spectrogram size, frames x mels.
        key: of the driver's prepared set.
        features_dir: where the driver has it.
        cache_dir: this machine's own.
        prepare: makes what is missing.

    Raises:
        DataError: what this machine makes differs from what the driver has.
        StoreError: the cache can't be written.
    """
    cached_dir = cache_dir / key[:16]
    if _is_there(features_dir, size, key):
        return features_dir
    with _locked(cache_dir, key[:16]):
        if _is_there(cached_dir, size, key):
            return cached_dir
        split_dir = cached_dir / size / "development"
        prepare(config, size=size, split_dir=split_dir, cache_dir=cache_dir)
        made = open_prepared(split_dir).key
    if made != key:
        raise DataError(
            f"{split_dir} on {socket.gethostname()}: what was prepared there "
            f"must equal the driver's features, key {key[:16]}. Received: key "
            f"{made[:16]}. Its data set, or its version of soundfile or "
            "soxr, is another."
        )
    return cached_dir


def _is_there(features_dir: AnyPath, size: str, key: str) -> bool:
    try:
        return open_prepared(features_dir / size / "development").key == key
    except StoreError:
        return False


@contextlib.contextmanager
def _locked(cache_dir: Path, name: str) -> Iterator[None]:
    """One process of this machine at a time; a dead one's lock is free."""
    try:
        cache_dir.mkdir(parents=True, exist_ok=True)
        lock = open(cache_dir / f"{name}.lock", "w")  # noqa: SIM115
    except OSError as error:
        raise StoreError(
            f"{cache_dir} on {socket.gethostname()}: can't be written "
            f"({os.strerror(error.errno or 0)})."
        ) from None
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
