"""The fields of an experiment config, as a screen and as a reference page."""

import functools
import itertools
import textwrap
from collections.abc import Iterator
from typing import Any

from audiotag_nas.config import ExperimentConfig
from audiotag_nas.config.section import Setting
from audiotag_nas.report.tables import format_table

_PATH_WIDTH = 40


def config_lines(config: ExperimentConfig) -> list[str]:
    """Returns the lines of the screen, at least two per field.

    A star marks a value that differs from the default.
    """
    lines = ["* marks values that differ from the default"]
    for title, settings in _sections(config):
        lines += ["", title]
        for setting in settings:
            is_default = setting.value == setting.default
            mark = " " if is_default else "*"
            note = "" if is_default else f"; default {_text(setting.default)}"
            lines.append(
                f"{mark} {setting.path:<{_PATH_WIDTH}} {_text(setting.value)}"
            )
            lines += textwrap.wrap(
                f"{setting.help} ({setting.allowed}{note})",
                width=80,
                initial_indent=" " * 6,
                subsequent_indent=" " * 6,
            )
    return lines


def reference_page() -> str:
    """Returns docs/reference/config.md, the default config as Markdown."""
    parts = [
        "# Configuration",
        "This page describes every field of an experiment config. It was "
        "written by `audiotag-nas config --reference > "
        "docs/reference/config.md`. On the command line, "
        "`--config.FIELD=VALUE` sets a field. Commas separate several values.",
    ]
    for title, settings in _sections(ExperimentConfig()):
        rows = [
            (
                f"`{setting.path}`",
                f"`{_text(setting.default)}`",
                setting.allowed,
                setting.help.replace("<", "\\<"),
            )
            for setting in settings
        ]
        headers = ("field", "default", "allowed", "meaning")
        table = format_table(rows, headers=headers, align="llll", markdown=True)
        parts += [f"## {title.rstrip('.')}", table]
    return "\n\n".join(parts) + "\n"


def _sections(config: ExperimentConfig) -> Iterator[tuple[str, list[Setting]]]:
    """Yields each section's title and fields."""
    for path, settings in itertools.groupby(
        config.settings(), key=lambda setting: setting.path.rpartition(".")[0]
    ):
        names = path.split(".") if path else []
        section = functools.reduce(getattr, names, config)
        summary = (section.__doc__ or "").partition("\n")[0]
        yield f"{path}: {summary}" if path else summary, list(settings)


def _text(value: Any) -> str:
    """Returns a value in the form that the command line accepts."""
    if isinstance(value, tuple):
        return ",".join(map(_text, value))
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if value != "" else "''"
