"""`data.json`: the digests of the data that an experiment's trials learn from.

The key of prepared log-mels is the digest of all that decides their content
(`data.tfrecords`). It is kept apart from the log-mels, so that data which
moved, or log-mels that are made again elsewhere, are known to be the same.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from audiotag_nas.errors import StoreError
from audiotag_nas.files import atomic_write_text, store_errors
from audiotag_nas.stored_json import read_json

SCHEMA_VERSION = 1


def read(path: Path) -> dict[str, str]:
    """The kept keys by `<size>/<split>`; none where there is no file.

    Raises:
        StoreError: it can't be read, or is damaged.
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
            f"{SCHEMA_VERSION} with `keys`. Remove it to keep the digests of "
            "the present data."
        )
    return keys


def differing(path: Path, keys: Mapping[str, str]) -> list[str]:
    """Which of `keys` are kept with another value; raises as `read`."""
    kept = read(path)
    return [name for name, key in keys.items() if kept.get(name, key) != key]


def keep(path: Path, keys: Mapping[str, str], *, may_differ: bool) -> None:
    """Adds `keys` to those that are kept.

    Args:
        path: of the file.
        keys: by `<size>/<split>`.
        may_differ: whether other values are replaced.

    Raises:
        StoreError: a key is kept with another value and must not differ, or
            the file can't be read or written.
    """
    kept = {} if may_differ else read(path)
    if changed := ([] if may_differ else differing(path, keys)):
        name = changed[0]
        raise StoreError(
            f"{name}: the data must be those that the finished trials were "
            f"trained on: the digest of clips, annotations, sounds and "
            f"library versions is {keys[name][:12]} here, {kept[name][:12]} "
            f"in {path}. Restore the data, or take another --workdir."
        )
    new = kept | dict(keys)
    if new == kept and path.exists():
        return
    value = {"schema_version": SCHEMA_VERSION, "keys": new}
    with store_errors(path):
        atomic_write_text(path, json.dumps(value, indent=2) + "\n")
