"""The tools and configs that are shipped with the package.

In a checkout, `tools/` and `configs/` are in the root directory. In an
installation, both are inside the package.
"""

import ast
import runpy
from pathlib import Path

from audiotag_nas.config import ExperimentConfig, stored
from audiotag_nas.errors import ConfigError


def _shipped_dir(name: str) -> Path:
    """Returns the directory `tools/` or `configs/`."""
    package = Path(__file__).parents[1]
    installed = package / name
    return installed if installed.is_dir() else package.parent / name


def tool_path(name: str) -> Path:
    """Returns the file of a tool."""
    return _shipped_dir("tools") / f"{name}.py"


def list_tools() -> dict[str, str]:
    """Returns the name of each tool and the first line of its docstring."""
    summaries = {}
    for path in sorted(_shipped_dir("tools").glob("[a-z]*.py")):
        docstring = ast.get_docstring(ast.parse(path.read_text())) or ""
        summaries[path.stem] = docstring.partition("\n")[0]
    return summaries


def list_configs() -> list[str]:
    """Returns the names of the shipped configs."""
    return sorted(
        path.stem for path in _shipped_dir("configs").glob("[a-z]*.py")
    )


def config_path(name: str, *, argument: str = "`name`") -> str:
    """Returns the path of a config's file.

    Args:
        name: name of a shipped config, e.g. `demo`, or path of a file.
        argument: the argument or flag with this value, for the error.

    Raises:
        ConfigError: there is no such config and no such file.
    """
    shipped = _shipped_dir("configs") / f"{name}.py"
    if shipped.is_file():
        return str(shipped)
    if Path(name).is_file():
        return name
    looks_like_path = "/" in name or Path(name).suffix
    what = "no such file" if looks_like_path else "no such config"
    raise ConfigError(
        f"{argument} must be a Python file, a working directory's "
        f"{stored.CONFIG_NAME} or one of {', '.join(list_configs())}. "
        f"Received: {name!r}, {'a directory' if Path(name).is_dir() else what}"
    )


def is_stored(path: str) -> bool:
    """Returns whether `path` is the config.json of a working directory."""
    return path.endswith(".json")


def load_config(name: str) -> ExperimentConfig:
    """Returns a shipped config, or the config of your own file.

    Args:
        name: name of a shipped config, path of a Python file, or path of the
            config.json in a working directory.

    Raises:
        ConfigError: there is no such config, or the file defines no config.
        StoreError: the config.json can't be read.

    Example:
        >>> from audiotag_nas import load_config
        >>> config = load_config("smoke")
        >>> config.search.num_trials = 4
        >>> config.validate().name
        'smoke'
    """
    path = config_path(name)
    if is_stored(path):
        return stored.get_config(path)
    get_config = runpy.run_path(path).get("get_config")
    config = get_config() if callable(get_config) else None
    if not isinstance(config, ExperimentConfig):
        raise ConfigError(
            f"{path}: must define a function get_config() that returns an "
            f"audiotag_nas.ExperimentConfig. Received: {config!r}"
        )
    return config
