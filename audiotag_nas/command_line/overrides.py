"""Translates `--config` and its overrides into the form of ml_collections.

ml_collections accepts `--config=<file>` and `--config.a.b=<literal>`. This
module replaces the name of a shipped config by its file, checks each override
against the type of its field, writes the value as a Python literal, and expands
`--early_stop`. `--config` is set to the config.json in `--workdir` by default.
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
    """Returns the command line in the form that ml_collections reads.

    Args:
        argv: the typed command line, which begins with the program's name.
        has_config: whether the tool has `--config`. If `argv` lacks the flag,
            it is set to the config.json in `--workdir` or, without that file,
            to the default config.
        has_early_stop: whether the tool has `--early_stop`.

    Returns:
        The command line; and the path of the config.json if `--config` was set
        to it by default, else an empty string.

    Raises:
        ConfigError: a config or field is unknown, or a value has a wrong type.
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
            f"--config: must be a file or one of {', '.join(list_configs())}"
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
    """Returns the config.json in `--workdir`, or '' if there is none."""
    workdir = ""
    for argument, following in zip(argv, [*argv[1:], ""], strict=True):
        name, equals, value = argument.partition("=")
        if name in ("--workdir", "-workdir"):
            workdir = value if equals else following
    path = Path(os.path.expanduser(workdir)) / stored.CONFIG_NAME
    return str(path) if workdir and path.is_file() else ""


def _with_early_stop_as_field(argv: list[str]) -> list[str]:
    """Replaces `--early_stop=NAME` by `--config.search.early_stop=NAME`."""
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
    """Checks `--config.section.field=value` and makes `value` a literal."""
    path, equals, text = argument.removeprefix("--config.").partition("=")
    hint = field_type(ExperimentConfig, path)
    item = typing.get_args(hint)[0] if typing.get_args(hint) else hint
    if not equals and item is not bool:
        raise ConfigError(
            f"config.{path}: must have a value: --config.{path}=VALUE"
        )
    if not equals:
        return argument
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
    """Removes parentheses or brackets that enclose the whole text."""
    text = text.strip()
    if text[:1] + text[-1:] not in ("()", "[]"):
        return text
    depth = 0
    for index, character in enumerate(text):
        depth += (character == text[0]) - (character == text[-1])
        if depth == 0:
            # In `(loud) dog,rain (light)`, no pair encloses all the text.
            return text[1:-1] if index == len(text) - 1 else text
    return text


def _split(text: str, path: str) -> list[str]:
    """Splits `text` at each comma outside of double quotes.

    Within double quotes, a double quote is written twice, as in a CSV file.

    Raises:
        ConfigError: a double quote is not closed.
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
