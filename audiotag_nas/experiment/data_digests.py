"""`data.json`: the digests of an experiment's data.

A digest is the key of prepared log-mels (see `data.feature_key`). The digest
covers everything that determines the content of the log-mels. Digests are kept
apart from log-mels, so that the same data are recognized after they were moved,
or after their log-mels were computed again.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from audiotag_nas.errors import StoreError
from audiotag_nas.files import atomic_write_text, store_errors
from audiotag_nas.stored_json import read_json

SCHEMA_VERSION = 1


def read(path: Path) -> dict[str, str]:
    """Reads the digests, by `<size>/<split>`; {} if there is no file.

    Raises:
        StoreError: the file is damaged or can't be read.
    """
    try:
        value = read_json(path)
    except FileNotFoundError:
        return {}
    keys = value.get("keys") if isinstance(value, dict) else None
    if (
        not isinstance(keys, dict)
        or value.get("schema_version") != SCHEMA_VERSION
        or not all(isinstance(key, str) for key in keys.values())
    ):
        raise StoreError(
            f"{path}: damaged: must be a JSON object of schema_version "
            f"{SCHEMA_VERSION} with the field `keys`. Remove the file to store "
            "the digests of the present data."
        )
    return keys


def differing(path: Path, keys: Mapping[str, str]) -> list[str]:
    """Returns the names whose stored digest differs. For errors, see `read`."""
    kept = read(path)
    return [name for name, key in keys.items() if kept.get(name, key) != key]


def keep(path: Path, keys: Mapping[str, str], *, may_differ: bool) -> None:
    """Adds digests to the file.

    Args:
        path: the file.
        keys: the digests, by `<size>/<split>`.
        may_differ: if True, `keys` replaces all stored digests.

    Raises:
        StoreError: a digest differs from the stored digest although
            `may_differ` is False, or the file can't be read or written.
    """
    kept = {} if may_differ else read(path)
    if changed := ([] if may_differ else differing(path, keys)):
        name = changed[0]
        raise StoreError(
            f"{name}: must be the data that the finished trials were trained "
            "on. The digest of clips, annotations, sounds and library versions "
            f"is {kept[name][:12]} in {path}. Received: {keys[name][:12]}. "
            "Restore the data, or use another --workdir."
        )
    new = kept | dict(keys)
    if new == kept and path.exists():
        return
    value = {"schema_version": SCHEMA_VERSION, "keys": new}
    with store_errors(path):
        atomic_write_text(path, json.dumps(value, indent=2) + "\n")
