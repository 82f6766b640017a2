"""Makes the paths in a config absolute, and recognizes equivalent paths.

`./data`, `data/`, `~/work/data` and `/home/me/work/data` may be one directory.
Remote paths (`s3://...`) are compared as strings.
"""

import copy
import os

from audiotag_nas.config import ExperimentConfig
from audiotag_nas.data.storage import is_remote

FIELDS = (
    ("data", "dataset_dir"),
    ("data", "manifest_path"),
    ("data", "features_dir"),
    ("final", "export_dir"),
)
"""(section, name) of each path field. The value "" means the default path."""

DATA_PATHS = frozenset(
    f"{section}.{name}" for section, name in FIELDS if section == "data"
)
"""The fields that locate the data, named as in `differences`."""


def absolute(config: ExperimentConfig) -> ExperimentConfig:
    """Returns a copy of `config` with absolute paths.

    `~` is expanded here, because a shell does not expand `~` after `=`.
    """
    config = copy.deepcopy(config)
    for section, name in FIELDS:
        value = getattr(getattr(config, section), name)
        if value and not is_remote(value):
            value = os.path.abspath(os.path.expanduser(value))
            setattr(getattr(config, section), name, value)
    return config


def with_data_of(
    config: ExperimentConfig, other: ExperimentConfig
) -> ExperimentConfig:
    """Returns a copy of `config` with the data paths of `other`."""
    config = copy.deepcopy(config)
    for section, name in FIELDS:
        if section == "data":
            setattr(config.data, name, getattr(other.data, name))
    return config


def differences(config: ExperimentConfig, kept: ExperimentConfig) -> list[str]:
    """Returns `config.differences(kept)` without equivalent paths."""
    kept = copy.deepcopy(kept)
    for section, name in FIELDS:
        value = getattr(getattr(config, section), name)
        if _is_same(value, getattr(getattr(kept, section), name)):
            setattr(getattr(kept, section), name, value)
    return config.differences(kept)


def _is_same(first: str, second: str) -> bool:
    if not first or not second or is_remote(first) or is_remote(second):
        return first == second
    return _resolved(first) == _resolved(second)


def _resolved(path: str) -> str:
    return os.path.realpath(os.path.expanduser(path))
