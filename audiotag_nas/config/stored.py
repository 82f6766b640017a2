"""The config of a working directory, stored as JSON.

The flag `--config` of ml_collections needs a Python file. For the value
`config/stored.py:<path>`, the flag calls `get_config(<path>)` of this file.
"""

import os
from pathlib import Path

from audiotag_nas.config import ExperimentConfig
from audiotag_nas.errors import ConfigError, StoreError
from audiotag_nas.stored_json import read_json

CONFIG_NAME = "config.json"


def get_config(path: str | os.PathLike) -> ExperimentConfig:
    """Reads a config from the JSON of `ExperimentConfig.to_json`.

    Raises:
        StoreError: the file can't be read, or is not a valid config.
    """
    try:
        return ExperimentConfig.from_json(read_json(path))
    except FileNotFoundError as error:
        raise StoreError(f"{path}: can't be read ({error.strerror}).") from None
    except ConfigError as error:
        raise StoreError(f"{path}: {error}") from None


def flag_value(path: str | os.PathLike) -> str:
    """Returns the value of `--config` that selects a stored config."""
    return f"{Path(__file__)}:{path}"
