"""`--config`, its overrides and what is short for them, as they are typed.

The config flags of ml_collections take a file and `--config.a.b=<literal>`.
Here the names of shipped configs become files, values are checked against the
fields' types and written as literals, and `--early_stop` becomes the override
that it is short for. Where no `--config` is given, a working directory goes
on with the config that it keeps: with the default one it would be refused.
"""

import os
import re
import typing
from pathlib import Path
from typing import Any

from audiotag_nas.config import ExperimentConfig, stored
from audiotag_nas.config.shipped import config_path, is_stored, list_configs
from audiotag_nas.errors import ConfigError
from audiotag_nas.fields import field_type, type_name

DEFAULT_CONFIG = "demo"
EARLY_STOP = "early_stop"

_CONFIG = "--config="
_ITEM = re.compile(
    r"""\s*(?:"(?P<double>(?:[^"]|"")*)"|'(?P<single>[^']*)'|(?P<bare>[^,]*?))
    \s*(?:,|$)""",
    re.VERBOSE,
)


def resolved(
    argv: list[str], *, has_config: bool, has_early_stop: bool
) -> tuple[list[str], str]:
    """The command line as the config flags read it.

    Args:
        argv: as typed, the program's name first.
        has_config: the tool has `--config`; where none is given, it gets
            that of `--workdir`, or else the default one.
        has_early_stop: the tool has `--early_stop`.

    Returns:
        The command line; and the file, where the config is that of
        `--workdir` without having been asked for, else an empty string.

    Raises:
        ConfigError: an unknown config or field, or a value not of its type.
    """
    result = []
    pending: str | None = None
    if has_early_stop:
        argv = _with_early_stop_as_field(argv)
    for argument in argv:
        if argument.startswith(("-config=", "-config.")):
            argument = f"-{argument}"
        if pending is not None:
            argument, pending = f"{pending}={argument}", None
        elif argument in ("--config", "-config"):
            pending = "--config"
            continue
        if argument.startswith(_CONFIG):
            argument = _config_flag(argument.removeprefix(_CONFIG))
        elif argument.startswith("--config."):
            argument = _override(argument)
        result.append(argument)
    if pending is not None:
        raise ConfigError(
            f"--config: give a file or one of {', '.join(list_configs())}"
        )
    if not has_config or any(a.startswith(_CONFIG) for a in result):
        return result, ""
    kept = _kept_config(argv)
    result.insert(1, _config_flag(kept or DEFAULT_CONFIG))
    return result, kept


def _config_flag(name: str) -> str:
    path = config_path(name, argument="--config:")
    return _CONFIG + (stored.flag_value(path) if is_stored(path) else path)


def _kept_config(argv: list[str]) -> str:
    """The config's file in the directory that --workdir names, if any."""
    workdir = ""
    for argument, following in zip(argv, [*argv[1:], ""], strict=True):
        name, equals, value = argument.partition("=")
        if name in ("--workdir", "-workdir"):
            workdir = value if equals else following
    path = Path(os.path.expanduser(workdir)) / stored.CONFIG_NAME
    return str(path) if workdir and path.is_file() else ""


def _with_early_stop_as_field(argv: list[str]) -> list[str]:
    """`--early_stop=NAME` as the override that it is short for."""
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
    several = item is not hint
    parts = _split(_within(text), path) if several else [text]
    for part in parts:
        if not _reads_as(item, part):
            raise ConfigError(
                f"config.{path}: must be {type_name(hint)}. Received: {text!r}"
            )
    if several:
        values = [repr(part) if item is str else part for part in parts]
        text = "(" + "".join(f"{value}," for value in values) + ")"
    return f"--config.{path}={text}"


def _within(text: str) -> str:
    """`text` without the parentheses or brackets around all of it."""
    text = text.strip()
    if text[:1] + text[-1:] not in ("()", "[]"):
        return text
    depth = 0
    for index, character in enumerate(text):
        depth += (character == text[0]) - (character == text[-1])
        if depth == 0:
            # Those of `(loud) dog,rain (light)` are not around all of it.
            return text[1:-1] if index == len(text) - 1 else text
    return text


def _split(text: str, path: str) -> list[str]:
    """The values between the commas, but for commas within quotes.

    As in a CSV file, a quote within double quotes is written twice.

    Raises:
        ConfigError: a double quote has no end.
    """
    values, position = [], 0
    while position < len(text):
        match = _ITEM.match(text, position)
        if match is None or (match["bare"] or "").startswith('"'):
            raise ConfigError(
                f"config.{path}: a value that begins with a double quote must "
                f"end with one. Received: {text!r}"
            )
        position = match.end()
        quoted = match["double"]
        if quoted is not None:
            values.append(quoted.replace('""', '"'))
        else:
            values.append(match["bare"] or match["single"] or "")
    return [value for value in values if value]


def _reads_as(item: Any, text: str) -> bool:
    if item is bool:
        return text.lower() in ("true", "false", "1", "0", "t", "f")
    if item in (int, float):
        try:
            item(text)
        except ValueError:
            return False
    return True
