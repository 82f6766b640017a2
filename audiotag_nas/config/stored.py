"""The config that a working directory keeps, as JSON.

This file is also what the config flags are given in place of a Python file:
`--config=config/stored.py:<path>` calls `get_config(<path>)`.
"""

import os
from pathlib import Path

from audiotag_nas.config import ExperimentConfig
from audiotag_nas.errors import ConfigError, StoreError
from audiotag_nas.stored_json import read_json

CONFIG_NAME = "config.json"


def get_config(path: str | os.PathLike) -> ExperimentConfig:
    """The config in a file that `ExperimentConfig.to_json` was written to.

    Raises:
        StoreError: it can't be read, or is no such config.
    """
    try:
        return ExperimentConfig.from_json(read_json(path))
    except FileNotFoundError as error:
        raise StoreError(f"{path}: can't be read ({error.strerror}).") from None
    except ConfigError as error:
        raise StoreError(f"{path}: {error}") from None


def flag_value(path: str | os.PathLike) -> str:
    """What `--config` is given for such a file."""
    return f"{Path(__file__)}:{path}"
