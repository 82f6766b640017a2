"""Overrides of a config on the command line, as the config flags read them.

`--config=demo` becomes the file's path, `--config.data.tags=dog,rain` a tuple
in Python's writing; a wrong field or value is refused here, by name.
"""

import typing
from typing import Any

from absl import flags

from audiotag_nas.config import ExperimentConfig
from audiotag_nas.errors import ConfigError
from audiotag_nas.fields import field_type, type_name
from audiotag_nas.shipped import config_path, list_configs

DEFAULT_CONFIG = "demo"
EARLY_STOP = "early_stop"
"""A flag that is short for the field of `config.search` of that name."""


def with_config_resolved(argv: list[str]) -> list[str]:
    """Names of configs as paths, and overrides as the config flags read them.

    Raises:
        ConfigError: an unknown config or field, or a value not of its type.
    """
    result = []
    pending: str | None = None
    for argument in _with_early_stop_as_field(argv):
        if pending is not None:
            argument, pending = f"{pending}={argument}", None
        elif argument in ("--config", "-config"):
            pending = "--config"
            continue
        if argument.startswith("--config="):
            name = argument.removeprefix("--config=")
            argument = f"--config={config_path(name)}"
        elif argument.startswith("--config."):
            argument = _override(argument)
        result.append(argument)
    if pending is not None:
        raise ConfigError(
            f"--config: give a file or one of {', '.join(list_configs())}"
        )
    if "config" in flags.FLAGS and not any(
        argument.startswith("--config=") for argument in result
    ):
        result.insert(1, f"--config={config_path(DEFAULT_CONFIG)}")
    return result


def _with_early_stop_as_field(argv: list[str]) -> list[str]:
    """`--early_stop=NAME` as the override that it is short for."""
    if EARLY_STOP not in flags.FLAGS:
        return argv
    field = f"--config.search.{EARLY_STOP}"
    result: list[str] = []
    for argument in argv:
        name, equals, value = argument.partition("=")
        if result and result[-1] == field:
            result[-1] = f"{field}={argument}"
        elif name in (f"--{EARLY_STOP}", f"-{EARLY_STOP}"):
            result.append(f"{field}{equals}{value}")
        else:
            result.append(argument)
    return result


def _override(argument: str) -> str:
    """Checks one `--config.section.field=value`."""
    path, equals, text = argument.removeprefix("--config.").partition("=")
    hint = field_type(ExperimentConfig, path)
    item = typing.get_args(hint)[0] if typing.get_args(hint) else hint
    if not equals and item is not bool:
        raise ConfigError(f"config.{path}: give a value, --config.{path}=VALUE")
    if not equals:
        return argument
    # One value of a field that takes several is a tuple of one.
    parts = [part.strip(" '\"") for part in _within(text).split(",")]
    several = item is not hint
    for part in [p for p in parts if p] if several else [text]:
        if not _reads_as(item, part):
            raise ConfigError(
                f"config.{path}: must be {type_name(hint)}. Received: {text!r}"
            )
    if several:
        values = [repr(p) if item is str else p for p in parts if p]
        text = "(" + "".join(f"{value}," for value in values) + ")"
    return f"--config.{path}={text}"


def _within(text: str) -> str:
    """`text` without the parentheses or brackets around all of it."""
    text = text.strip()
    return text[1:-1] if text[:1] + text[-1:] in ("()", "[]") else text


def _reads_as(item: Any, text: str) -> bool:
    if item is bool:
        return text.lower() in ("true", "false", "1", "0", "t", "f")
    if item in (int, float):
        try:
            item(text)
        except ValueError:
            return False
    return True
