"""Finds the features of a trial on the machine where it is trained.

The driver names the features by their key (`PreparedSet.key`, the digest of
everything that decides their bytes). They are

1. at the driver's path, if the disk is shared;
2. in this machine's cache, `<cache>/<16 digits of key>/<size>/development`;
3. prepared here, in the cache, from the data set on this machine or from a
   synthesized one.

Training on other features than the driver's would be a silent error, so
features with another key are never used.
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
"""Called as (config, size=..., split_dir=..., cache_dir=...); writes the
development split's features to split_dir, and may keep intermediate files in
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
    """Returns a directory that holds `<size>/development` with this key.

    Args:
        config: the experiment.
        size: the spectrogram size, frames x mels.
        key: of the driver's prepared set.
        features_dir: the driver's directory.
        cache_dir: this machine's cache.
        prepare: prepares missing features.

    Raises:
        DataError: the features prepared here differ from the driver's.
        StoreError: the cache can't be written.
    """
    cached_dir = cache_dir / key[:16]
    if _has_key(features_dir, size, key):
        return features_dir
    with _locked(cache_dir, key[:16]):
        if _has_key(cached_dir, size, key):
            return cached_dir
        split_dir = cached_dir / size / "development"
        prepare(config, size=size, split_dir=split_dir, cache_dir=cache_dir)
        made = open_prepared(split_dir).key
    if made != key:
        raise DataError(
            f"{split_dir} on {socket.gethostname()}: the features prepared "
            f"there must equal the driver's features, key {key[:16]}. "
            f"Received: key {made[:16]}. Its data set, or its version of "
            "soundfile or soxr, differs."
        )
    return cached_dir


def _has_key(features_dir: AnyPath, size: str, key: str) -> bool:
    try:
        return open_prepared(features_dir / size / "development").key == key
    except StoreError:
        return False


@contextlib.contextmanager
def _locked(cache_dir: Path, name: str) -> Iterator[None]:
    """Excludes other processes of this machine; ends with the process."""
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
