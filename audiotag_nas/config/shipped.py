"""What comes with the package beside its code: the tools and the configs.

In a checkout they stand at its top, in an installed package inside it.
"""

import ast
import runpy
from pathlib import Path

from audiotag_nas.config import ExperimentConfig, stored
from audiotag_nas.errors import ConfigError


def _room(name: str) -> Path:
    """`tools/` or `configs/`: inside the installed package, or beside it."""
    package = Path(__file__).parents[1]
    installed = package / name
    return installed if installed.is_dir() else package.parent / name


def tool_path(name: str) -> Path:
    """The file of a tool."""
    return _room("tools") / f"{name}.py"


def list_tools() -> dict[str, str]:
    """The tools and the first line of what each says of itself."""
    summaries = {}
    for path in sorted(_room("tools").glob("[a-z]*.py")):
        docstring = ast.get_docstring(ast.parse(path.read_text())) or ""
        summaries[path.stem] = docstring.partition("\n")[0]
    return summaries


def list_configs() -> list[str]:
    """The names of the configs that come with the package."""
    return sorted(path.stem for path in _room("configs").glob("[a-z]*.py"))


def config_path(name: str, *, argument: str = "`name`") -> str:
    """The file of a shipped config (`demo`), or `name` if it is a file.

    Args:
        name: what was given.
        argument: what it was given as, for the error: an argument or a flag.

    Raises:
        ConfigError: neither.
    """
    shipped = _room("configs") / f"{name}.py"
    if shipped.is_file():
        return str(shipped)
    if Path(name).is_file():
        return name
    looks_like_path = "/" in name or Path(name).suffix
    what = "no such file" if looks_like_path else "no such name"
    raise ConfigError(
        f"{argument} must be a Python file, a working directory's "
        f"{stored.CONFIG_NAME} or one of {', '.join(list_configs())}. "
        f"Received: {name!r}, {'a directory' if Path(name).is_dir() else what}"
    )


def is_stored(path: str) -> bool:
    """Whether a config's file is one that a working directory keeps."""
    return path.endswith(".json")


def load_config(name: str) -> ExperimentConfig:
    """The experiment of a shipped config, or of a file of your own.

    Change its fields before it is used; `validate` checks them.

    Args:
        name: of a shipped config, or a Python file, or the config.json of a
            working directory.

    Raises:
        ConfigError: there is no such config, or the file gives none.
        StoreError: a config.json can't be read.
    """
    path = config_path(name)
    if is_stored(path):
        return stored.get_config(path)
    get_config = runpy.run_path(path).get("get_config")
    config = get_config() if callable(get_config) else None
    if not isinstance(config, ExperimentConfig):
        raise ConfigError(
            f"{path}: must define get_config() that returns an "
            f"audiotag_nas.ExperimentConfig. Received: {config!r}"
        )
    return config
