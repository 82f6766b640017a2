"""Handmade journal lines: changed values with a valid checksum."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any


def sealed(value: dict[str, Any]) -> str:
    """Returns `value` as a line with its checksum.

    docs/reference/journal.md defines the format.
    """
    fields = {k: v for k, v in value.items() if k != "checksum"}
    text = json.dumps(fields)
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    return f'{text[:-1]}, "checksum": "{digest}"}}'


def change_line(
    path: Path, line: int, change: Callable[[dict[str, Any]], Any]
) -> None:
    """Changes the JSON of one line, from 1, and its checksum."""
    lines = path.read_text().splitlines()
    value = json.loads(lines[line - 1])
    change(value)
    lines[line - 1] = sealed(value)
    path.write_text("\n".join(lines) + "\n")
