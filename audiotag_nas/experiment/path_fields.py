"""Files and directories that a config names: the same place, however spelled.

`./data`, `data/`, `~/work/data` and `/home/me/work/data` may be one directory.
Remote places (`s3://...`) stay as they are spelled.
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
"""Section and name of each field that is a place; "" is the default one."""


DATA_PATHS = frozenset(
    f"{section}.{name}" for section, name in FIELDS if section == "data"
)
"""The paths of those that say where the data are, as in `differences`."""


def absolute(config: ExperimentConfig) -> ExperimentConfig:
    """A copy whose places are absolute, so that they hold in any directory.

    `~` is expanded: no shell does so after a `=`.
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
    """A copy of `config` whose data are where `other` says."""
    config = copy.deepcopy(config)
    for section, name in FIELDS:
        if section == "data":
            setattr(config.data, name, getattr(other.data, name))
    return config


def differences(config: ExperimentConfig, kept: ExperimentConfig) -> list[str]:
    """`config.differences(kept)`, less the places that are the same."""
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
