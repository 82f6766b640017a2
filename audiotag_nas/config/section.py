"""Sections of a config: dataclasses whose fields carry default, rule and help.

`setting` is the one home of what is known about a field. The checks, the error
messages, the `config` command and docs/reference/config.md derive from it.
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

    The rule of a tuple holds for each of its items, which must also be
    different and at least one. None means no bound.
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
        """The rule of one value, e.g. `above 0 and at most 1`; or empty."""
        if self.choices:
            return f"one of {list(self.choices)}"
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
        path: from the root section, e.g. `training.epochs`.
        hint: its type.
        value: the current one.
        default: the value of a section that nothing was set in.
        rule: what it accepts.
        help: its meaning, with the unit.
    """

    path: str
    hint: Any
    value: Any
    default: Any
    rule: Rule
    help: str

    @property
    def rule_text(self) -> str:
        """The rule of the whole value, for error messages; or empty."""
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
    """Base of a config's dataclasses. Only existing fields can be set.

    A misspelled name would otherwise create an attribute that nothing reads.
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
        """Yields all fields, with those of nested sections, in order.

        Args:
            path: of this section; the start of the fields' paths.
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
            path: of this section, for the error.

        Raises:
            ConfigError: names the field, the rule and the value.
        """
        check_types(self, path)
        for setting in self.settings(path):
            if not setting.rule.accepts(setting.value):
                raise ConfigError(
                    f"{setting.path}: must be {setting.rule_text}. "
                    f"Received: {setting.value!r}"
                )


def setting_names(section: type[Section]) -> tuple[str, ...]:
    """The names of a section's fields, in order."""
    return tuple(field.name for field in dataclasses.fields(section))


def setting(default: _T, help: str, **rule: Any) -> _T:
    """A field of a `Section`.

    Args:
        default: its value where none is given.
        help: its meaning, with the unit; a sentence for the reference page.
        **rule: the fields of its `Rule`.
    """
    metadata = {"help": help, "rule": Rule(**rule)}
    return dataclasses.field(default=default, metadata=metadata)
