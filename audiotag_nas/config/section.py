"""Sections of a config: dataclasses with a default, rule and help per field.

Each field is described once, in a call of `setting`. This description is also
used in checks, errors, the `config` command and docs/reference/config.md.
"""

import dataclasses
import difflib
from collections.abc import Iterator
from typing import Any, TypeVar, get_args, get_type_hints

from audiotag_nas.errors import ConfigError
from audiotag_nas.fields import check_types, type_name

_T = TypeVar("_T")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rule:
    """The values that a field accepts, in addition to its type.

    If the value is a tuple, the rule holds for each item, and the tuple must
    have at least one item and no item twice. A bound of None has no effect.
    """

    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    below: float | None = None
    choices: tuple[Any, ...] = ()
    not_empty: bool = False

    def accepts(self, value: Any) -> bool:
        if isinstance(value, tuple):
            distinct = len(set(value)) == len(value)
            return bool(value) and distinct and all(map(self.accepts, value))
        return (
            (self.at_least is None or value >= self.at_least)
            and (self.above is None or value > self.above)
            and (self.at_most is None or value <= self.at_most)
            and (self.below is None or value < self.below)
            and (not self.choices or value in self.choices)
            and (not self.not_empty or value != "")
        )

    def __str__(self) -> str:
        """The rule of one item, e.g. `above 0 and at most 1`; may be empty."""
        if self.choices:
            names = ", ".join(map(str, self.choices))
            return f"one of {names}" if len(self.choices) > 1 else names
        bounds = [
            f"{name.replace('_', ' ')} {bound:.15g}"
            for name in ("at_least", "above", "at_most", "below")
            if (bound := getattr(self, name)) is not None
        ]
        return "not empty" if self.not_empty else " and ".join(bounds)


@dataclasses.dataclass(frozen=True)
class Setting:
    """One field of a section, with its value.

    Attributes:
        path: path of the field from the root section: `training.epochs`.
        hint: type of the field.
        value: current value of the field.
        default: value of the field in a new section.
        rule: the rule of the field's values.
        help: meaning of the field, with the unit.
    """

    path: str
    hint: Any
    value: Any
    default: Any
    rule: Rule
    help: str

    @property
    def rule_text(self) -> str:
        """The rule of the value, for error messages; may be empty."""
        if not get_args(self.hint):
            return str(self.rule)
        each = f", each {self.rule}" if str(self.rule) else ""
        return f"different values, at least one{each}"

    @property
    def allowed(self) -> str:
        """The type and the rule, e.g. `an int, at least 1`."""
        if self.rule.choices:
            return str(self.rule)
        item = (get_args(self.hint) or [self.hint])[0]
        each = ", ".join(filter(None, (type_name(item), str(self.rule))))
        if item is self.hint:
            return each
        return f"different values, at least one, each {each}"


@dataclasses.dataclass
class Section:
    """Base class of a config's dataclasses. Only existing fields can be set.

    Without this check, a misspelled name would become an unused attribute.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        fields = setting_names(type(self))
        if name not in fields:
            near = difflib.get_close_matches(name, fields)
            names = f"{'Nearest' if near else 'Allowed'}: " + ", ".join(
                near or fields
            )
            raise ConfigError(
                f"{type(self).__name__}: no field named {name!r}. {names}"
            )
        super().__setattr__(name, value)

    def settings(self, path: str = "") -> Iterator[Setting]:
        """Yields all fields in order, including the fields of nested sections.

        Args:
            path: path of this section, the beginning of each field's path.
        """
        hints = get_type_hints(type(self))
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            where = f"{path}.{field.name}" if path else field.name
            if isinstance(value, Section):
                yield from value.settings(where)
            else:
                yield Setting(
                    path=where,
                    hint=hints[field.name],
                    value=value,
                    default=field.default,
                    rule=field.metadata["rule"],
                    help=field.metadata["help"],
                )

    def check(self, path: str) -> None:
        """Checks the type and the rule of every field.

        Args:
            path: path of this section, for the error.

        Raises:
            ConfigError: a value breaks a rule. The error names field and rule.
        """
        check_types(self, path)
        for setting in self.settings(path):
            if not setting.rule.accepts(setting.value):
                raise ConfigError(
                    f"{setting.path}: must be {setting.rule_text}. "
                    f"Received: {setting.value!r}"
                )


def setting_names(section: type[Section]) -> tuple[str, ...]:
    """Returns the names of a section's fields, in order."""
    return tuple(field.name for field in dataclasses.fields(section))


def setting(default: _T, help: str, **rule: Any) -> _T:
    """Defines a field of a `Section`.

    Args:
        default: value of the field in a new section.
        help: meaning of the field, with the unit, as a sentence.
        **rule: the arguments of `Rule`.
    """
    metadata = {"help": help, "rule": Rule(**rule)}
    return dataclasses.field(default=default, metadata=metadata)
