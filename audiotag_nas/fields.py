"""Typed dataclasses as trees of named fields: check, find, read from JSON.

What `audiotag_nas.config` needs of a tree of dataclasses whose leaves are
bool, int, float, str or tuples of one of them. Errors name a field by its
path from the root, e.g. `config.training.epochs`.
"""

import dataclasses
import difflib
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any

from audiotag_nas.errors import ConfigError


class Section:
    """Base of such dataclasses: a field that there is not can't be set.

    A misspelled one would else be kept and never looked at.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        fields = [field.name for field in dataclasses.fields(self)]  # type: ignore[arg-type]
        if name not in fields:
            near = difflib.get_close_matches(name, fields)
            names = f"Nearest: {', '.join(near)}" if near else _allowed(fields)
            raise ConfigError(
                f"{type(self).__name__}: no field named {name!r}. {names}"
            )
        super().__setattr__(name, value)


def _allowed(names: Iterable[str]) -> str:
    return f"Allowed: {', '.join(names)}"


def field_type(section: Any, path: str) -> Any:
    """The type of the field at a dotted path, e.g. `training.epochs`.

    Raises:
        ConfigError: naming the part that is no field, and those that are.
    """
    hint = section
    where = "config"
    for name in path.split("."):
        hints = _hints(hint) if dataclasses.is_dataclass(hint) else {}
        if not hints:
            raise ConfigError(f"{where}: has no fields. Received: {path!r}")
        if name not in hints:
            raise ConfigError(
                f"{where}: no field named {name!r}. {_allowed(hints)}"
            )
        hint = hints[name]
        where = f"{where}.{name}"
    if dataclasses.is_dataclass(hint):
        raise ConfigError(
            f"{where}: is a section; give one of its fields: "
            f"{', '.join(_hints(hint))}"
        )
    return hint


def type_name(hint: Any) -> str:
    """A field's type in words, for error messages."""
    if isinstance(hint, types.GenericAlias):
        return f"several values, each {type_name(typing.get_args(hint)[0])}"
    names = {int: "an int", float: "a finite number", bool: "true or false"}
    return names.get(hint, "a string")


def check_types(section: Any, path: str) -> None:
    """Checks that every field's value is of its type.

    A list where a tuple belongs becomes one: many would write a list.

    Raises:
        ConfigError: naming the first field whose value is not.
    """
    for name, hint in _hints(type(section)).items():
        value = getattr(section, name)
        if isinstance(hint, types.GenericAlias) and isinstance(value, list):
            value = tuple(value)
            setattr(section, name, value)
        where = f"{path}.{name}"
        if isinstance(hint, type) and dataclasses.is_dataclass(hint):
            if not isinstance(value, hint):
                raise ConfigError(
                    f"{where}: must be a {hint.__name__}. Received: {value!r}"
                )
            check_types(value, where)
        elif not _fits(value, hint):
            raise ConfigError(
                f"{where}: must be {type_name(hint)}. Received: {value!r}"
            )


def from_json(cls: Any, value: Mapping[str, Any], path: str) -> Any:
    """The dataclass that `dataclasses.asdict` and JSON turned to `value`.

    Raises:
        ConfigError: a field that `cls` does not have.
    """
    hints = _hints(cls)
    unknown = sorted(set(value) - set(hints))
    if unknown:
        raise ConfigError(
            f"{path}: no field named {unknown[0]!r}. {_allowed(hints)}"
        )
    fields = {}
    for name, item in value.items():
        if dataclasses.is_dataclass(hints[name]) and isinstance(item, dict):
            item = from_json(hints[name], item, f"{path}.{name}")
        elif isinstance(item, list):
            item = tuple(item)
        fields[name] = item
    return cls(**fields)


def flatten(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested dicts as one: `{"a": {"b": 1}}` -> `{"a.b": 1}`."""
    flat: dict[str, Any] = {}
    for name, item in value.items():
        if isinstance(item, dict):
            flat |= flatten(item, f"{prefix}{name}.")
        else:
            flat[prefix + name] = item
    return flat


def _hints(section: Any) -> dict[str, Any]:
    return typing.get_type_hints(section)


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value is of a field's type; an int will do for a float."""
    if isinstance(hint, types.GenericAlias):
        item = typing.get_args(hint)[0]
        return isinstance(value, tuple) and all(_fits(v, item) for v in value)
    if isinstance(value, bool):
        return hint is bool
    if hint is float:
        return isinstance(value, int | float) and abs(value) < float("inf")
    return isinstance(value, hint)
