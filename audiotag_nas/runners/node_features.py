"""Finds the features of a trial on the machine that trains it.

The driver is the process that runs the search. It sends the key of its features
(`PreparedSet.key`, a digest of everything that determines the features' bytes).
Features with another key are never used, because nobody would notice a training
on wrong features. These places are searched in order:

1. the driver's directory, which exists on this machine if the disk is shared;
2. the machine's cache, `<cache>/<16 digits of key>/<size>/development`;
3. the same cache, after the features have been prepared there from the
   machine's data set or from a synthesized data set.
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
"""A function of (config, size=..., split_dir=..., cache_dir=...).

The function writes the development split's features to split_dir, and may keep
intermediate files in cache_dir."""


def find_features(
    config: ExperimentConfig,
    *,
    size: str,
    key: str,
    features_dir: AnyPath,
    cache_dir: Path,
    prepare: PrepareFeatures,
) -> AnyPath:
    """Returns a directory whose `<size>/development` has features of `key`.

    Args:
        config: the experiment.
        size: the spectrogram size, frames x mels.
        key: the key of the driver's prepared set.
        features_dir: the driver's directory.
        cache_dir: this machine's cache.
        prepare: function that prepares missing features.

    Raises:
        DataError: this machine's prepared features differ from the driver's.
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
            f"Received: key {made[:16]}. The data set there, or the version "
            "of soundfile or soxr, differs from the driver's."
        )
    return cached_dir


def _has_key(features_dir: AnyPath, size: str, key: str) -> bool:
    try:
        return open_prepared(features_dir / size / "development").key == key
    except StoreError:
        return False


@contextlib.contextmanager
def _locked(cache_dir: Path, name: str) -> Iterator[None]:
    """Blocks other processes of this machine that request the same lock."""
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
