"""Journal lines made by hand: changed values under a valid checksum."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any


def sealed(value: dict[str, Any]) -> str:
    """`value` as a line whose checksum is right, by docs/journal.md."""
    fields = {k: v for k, v in value.items() if k != "checksum"}
    text = json.dumps(fields)
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    return f'{text[:-1]}, "checksum": "{digest}"}}'


def change_line(
    path: Path, line: int, change: Callable[[dict[str, Any]], Any]
) -> None:
    """Lets `change` edit the JSON of one line, from 1, and seals it."""
    lines = path.read_text().splitlines()
    value = json.loads(lines[line - 1])
    change(value)
    lines[line - 1] = sealed(value)
    path.write_text("\n".join(lines) + "\n")
