"""The config that a working directory keeps, as JSON.

This file is also what the config flags are given in place of a Python file:
`--config=stored_config.py:<path>` calls `get_config(<path>)`.
"""

import json
import os
from pathlib import Path

from audiotag_nas.config import ExperimentConfig
from audiotag_nas.errors import StoreError

CONFIG_NAME = "config.json"


def get_config(path: str | os.PathLike) -> ExperimentConfig:
    """The config in a file that `ExperimentConfig.to_json` was written to.

    Raises:
        StoreError: it can't be read, or is no such config.
    """
    try:
        value = json.loads(Path(path).read_text(encoding="utf-8"))
        return ExperimentConfig.from_json(value)
    except OSError as error:
        raise StoreError(f"{path}: can't be read ({error.strerror}).") from None
    except (ValueError, TypeError, AttributeError) as error:
        raise StoreError(f"{path}: {error}") from None


def flag_value(path: str | os.PathLike) -> str:
    """What `--config` is given for such a file."""
    return f"{Path(__file__)}:{path}"
