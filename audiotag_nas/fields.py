"""Checks the types of dataclass fields, and reads dataclasses from JSON.

`audiotag_nas.config` is a tree of dataclasses. Each leaf is a bool, int, float
or str, or a tuple of one of these types. The journal and the other files of a
working directory hold dataclasses as JSON. Errors name a field by its path from
the root, e.g. `config.training.epochs`.
"""

import dataclasses
import enum
import functools
import reprlib
import sys
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from audiotag_nas.errors import ConfigError

_MAX_INT = 2**63
"""An int must be below this limit, because NumPy and TensorFlow use 64 bits."""

_MAX_FLOAT = sys.float_info.max

_SHORT = reprlib.Repr()
"""Shortens long values and deeply nested values in error messages."""
_SHORT.maxlevel = 3
_SHORT.maxstring = _SHORT.maxother = 80


def _allowed(names: Iterable[str]) -> str:
    return f"Allowed: {', '.join(names)}"


def field_type(section: Any, path: str) -> Any:
    """Returns the type of the field at a dotted path, e.g. `training.epochs`.

    Raises:
        ConfigError: there is no such field. The error lists the allowed ones.
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
            f"{where}: is a section. Give one of its fields: "
            f"{', '.join(_hints(hint))}"
        )
    return hint


def type_name(hint: Any) -> str:
    """Describes a field's type, for error messages."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is dict or origin in (dict, Mapping):
        return "an object with named fields"
    if origin in (list, Sequence, tuple):
        return f"several values, each {type_name(arguments[0])}"
    if origin in (typing.Union, types.UnionType):
        return " or ".join(type_name(argument) for argument in arguments)
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return f"one of {', '.join(str(member) for member in hint)}"
    names = {
        int: "an int",
        float: "a finite number",
        bool: "true or false",
        types.NoneType: "null",
    }
    return names.get(hint, "a string")


def check_types(section: Any, path: str) -> None:
    """Checks that every field's value has the field's type.

    In a field of type tuple, a list is replaced by a tuple.

    Raises:
        ConfigError: a value has a wrong type. The error names the field.
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
                    f"{where}: must be of type {hint.__name__}. "
                    f"Received: {value!r}"
                )
            check_types(value, where)
        elif not _fits(value, hint):
            raise ConfigError(
                f"{where}: must be {type_name(hint)}. Received: {value!r}"
            )


def from_json(hint: Any, value: Any, path: str = "") -> Any:
    """Rebuilds a value from the JSON of `dataclasses.asdict`.

    Args:
        hint: type of the value. Allowed are a dataclass, an enumeration of
            strings, `bool`, `int`, `float`, `str`, a union of these, and a
            `dict`, `Mapping`, `list`, `Sequence` or `tuple` of one type.
        value: the JSON value, as `json.loads` returns it.
        path: path of the field, for error messages.

    Raises:
        ConfigError: a field is missing, unknown or has another type. The error
            names the field.
    """
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return _dataclass_from_json(hint, value, path)
    if origin in (dict, Mapping) and isinstance(value, dict):
        return {
            name: from_json(arguments[1], item, _joined(path, name))
            for name, item in value.items()
        }
    elif origin in (list, Sequence, tuple) and isinstance(value, list):
        # A path for each number of a long learning curve would be slow.
        if not all(_fits(item, arguments[0]) for item in value):
            value = [
                from_json(arguments[0], item, f"{path}[{index}]")
                for index, item in enumerate(value)
            ]
        return tuple(value) if origin is tuple else value
    elif isinstance(hint, type) and issubclass(hint, enum.Enum):
        try:
            return hint(value)
        except ValueError:
            raise _unfit(value, hint, path) from None
    elif not _fits(value, hint):
        raise _unfit(value, hint, path)
    return value


def _dataclass_from_json(cls: Any, value: Any, path: str) -> Any:
    if not isinstance(value, dict):
        raise _unfit(value, dict, path)
    hints = _hints(cls)
    where = f"{path}: " if path else ""
    unknown = sorted(set(value) - set(hints))
    if unknown:
        raise ConfigError(
            f"{where}no field named {_SHORT.repr(unknown[0])}. "
            f"{_allowed(hints)}"
        )
    for field in dataclasses.fields(cls):
        if (
            field.name not in value
            and field.default is dataclasses.MISSING
            and field.default_factory is dataclasses.MISSING
        ):
            raise ConfigError(f"{where}must have a field {field.name!r}.")
    fields = {
        name: from_json(hints[name], item, _joined(path, name))
        for name, item in value.items()
    }
    try:
        return cls(**fields)
    except ConfigError as error:
        raise ConfigError(f"{where}{error}") from None


def _unfit(value: Any, hint: Any, path: str) -> ConfigError:
    where = f"{path}: " if path else ""
    return ConfigError(
        f"{where}must be {type_name(hint)}. Received: {_SHORT.repr(value)}"
    )


def _joined(path: str, name: str) -> str:
    if not name.isprintable() or len(name) > 60:
        name = _SHORT.repr(name)
    return f"{path}.{name}" if path else name


def flatten(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flattens nested dicts: `{"a": {"b": 1}}` -> `{"a.b": 1}`."""
    flat: dict[str, Any] = {}
    for name, item in value.items():
        if isinstance(item, dict):
            flat |= flatten(item, f"{prefix}{name}.")
        else:
            flat[prefix + name] = item
    return flat


def _hints(section: Any) -> dict[str, Any]:
    return _cached_hints(section)


@functools.cache
def _cached_hints(section: Any) -> dict[str, Any]:
    return typing.get_type_hints(section)


def _fits(value: Any, hint: Any) -> bool:
    """Returns True if a value has a field's type. An int counts as a float."""
    if isinstance(hint, types.GenericAlias):
        item = typing.get_args(hint)[0]
        return isinstance(value, tuple) and all(_fits(v, item) for v in value)
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return any(_fits(value, each) for each in typing.get_args(hint))
    if isinstance(value, bool):
        return hint is bool
    if hint is float:
        # `float(value)` would raise for an int above the largest float.
        return isinstance(value, int | float) and abs(value) <= _MAX_FLOAT
    if hint is int:
        return isinstance(value, int) and -_MAX_INT <= value < _MAX_INT
    return isinstance(hint, type) and isinstance(value, hint)
