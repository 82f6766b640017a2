"""`data.json`: the digests of the data that an experiment is trained on.

A digest is the key of prepared log-mels (`data.feature_key`): it covers all
that determines their content. It is stored apart from them, to recognize data
that moved and log-mels that were made again elsewhere.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from audiotag_nas.errors import StoreError
from audiotag_nas.files import atomic_write_text, store_errors
from audiotag_nas.stored_json import read_json

SCHEMA_VERSION = 1


def read(path: Path) -> dict[str, str]:
    """Reads the digests by `<size>/<split>`; empty if there is no file.

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
            f"{SCHEMA_VERSION} with `keys`. Remove it to store the digests of "
            "the present data."
        )
    return keys


def differing(path: Path, keys: Mapping[str, str]) -> list[str]:
    """Returns the names whose stored digest differs; raises as `read`."""
    kept = read(path)
    return [name for name, key in keys.items() if kept.get(name, key) != key]


def keep(path: Path, keys: Mapping[str, str], *, may_differ: bool) -> None:
    """Adds `keys` to the file.

    Args:
        path: the file.
        keys: digests by `<size>/<split>`.
        may_differ: replace the stored digests instead.

    Raises:
        StoreError: a digest differs from the stored one and may not, or the
            file can't be read or written.
    """
    kept = {} if may_differ else read(path)
    if changed := ([] if may_differ else differing(path, keys)):
        name = changed[0]
        raise StoreError(
            f"{name}: the data must be those that the finished trials were "
            f"trained on: the digest of clips, annotations, sounds and "
            f"library versions is {keys[name][:12]} here, {kept[name][:12]} "
            f"in {path}. Restore the data, or use another --workdir."
        )
    new = kept | dict(keys)
    if new == kept and path.exists():
        return
    value = {"schema_version": SCHEMA_VERSION, "keys": new}
    with store_errors(path):
        atomic_write_text(path, json.dumps(value, indent=2) + "\n")
