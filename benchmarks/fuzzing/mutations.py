"""Damages files in the ways in which disks, tools and attackers damage them.

`mutate_bytes` damages any file. `mutate_json` changes a JSON document; the
result is always valid JSON. `hostile_csv` changes a cell or a row of a CSV
file. All randomness comes from the argument `generator`.
"""

import copy
import random
import struct
from collections.abc import Callable
from typing import Any

HOSTILE_VALUES: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    2**63,
    10**400,
    1e308,
    "",
    "16",
    "../../etc/passwd",
    "a\nb\x1b[31m",
    [],
    [None],
    {},
    {"a": {"b": [1]}},
)
"""JSON values that are wrong in most fields."""

HOSTILE_CELLS = (
    "",
    " ",
    '"',
    "=1+1",
    "../../../etc/passwd",
    "/dev/zero",
    "inf",
    "1e999",
    "1_0",
    "\u0663",
    "\x1b[31mred",
    "\u202egnp.exe",
    "a;;b",
    "x" * 5000,
)
"""CSV cells that can cause errors in spreadsheets, terminals and parsers."""

_MOST_NOISE_BYTES = 8
_NESTING = 100_000


def mutate_bytes(data: bytes, generator: random.Random) -> bytes:
    """Returns `data` with damage in one to three random places.

    Half of the places are drawn from the first 128 bytes, where headers are.

    Example:
        >>> mutate_bytes(b"RIFF....WAVE", random.Random(1)) != b"RIFF....WAVE"
        True
    """
    for _ in range(generator.randint(1, 3)):
        damage = generator.choice(_DAMAGES)
        data = damage(data, _place(data, generator), generator)
    return data


def mutate_json(document: Any, generator: random.Random) -> Any:
    """Returns a copy with one value replaced, removed or added."""
    document = copy.deepcopy(document)
    container = _random_container(document, generator)
    hostile = copy.deepcopy(generator.choice(HOSTILE_VALUES))
    if isinstance(container, dict):
        name = generator.choice([*container, "unknown"])
        if name in container and generator.random() < 0.2:
            del container[name]
        else:
            container[name] = hostile
    elif isinstance(container, list):
        index = generator.randrange(len(container))
        container[index] = hostile
    else:
        return hostile
    return document


def deeply_nested_json() -> str:
    """Returns valid JSON whose nesting exceeds every parser's limit."""
    return "[" * _NESTING + "]" * _NESTING


def hostile_csv(text: str, generator: random.Random) -> str:
    """Returns `text` with one cell replaced, or one row cut or repeated."""
    rows = [line.split(",") for line in text.splitlines()]
    row = generator.randrange(len(rows))
    kind = generator.random()
    if kind < 0.7:
        rows[row][generator.randrange(len(rows[row]))] = generator.choice(
            HOSTILE_CELLS
        )
    elif kind < 0.85:
        rows[row] = rows[row][: generator.randrange(len(rows[row]) + 1)]
    else:
        rows.insert(row, list(rows[row]))
    return "".join(",".join(cells) + "\n" for cells in rows)


def _place(data: bytes, generator: random.Random) -> int:
    end = len(data) if generator.random() < 0.5 else min(128, len(data))
    return generator.randrange(max(1, end))


def _flip(data: bytes, place: int, generator: random.Random) -> bytes:
    flipped = bytearray(data)
    for index in range(place, min(place + generator.randint(1, 4), len(data))):
        flipped[index] ^= 1 << generator.randrange(8)
    return bytes(flipped)


def _set_integer(data: bytes, place: int, generator: random.Random) -> bytes:
    """Writes a 32-bit integer at an even offset, where headers have numbers."""
    place -= place % 2
    value = generator.choice((0, 1, 2**15, 2**31 - 1, 2**31, 2**32 - 1))
    written = struct.pack(generator.choice(("<I", ">I")), value)
    return data[:place] + written + data[place + 4 :]


def _cut(data: bytes, place: int, generator: random.Random) -> bytes:
    return data[:place]


def _remove(data: bytes, place: int, generator: random.Random) -> bytes:
    return data[:place] + data[place + generator.randint(1, 4096) :]


def _repeat(data: bytes, place: int, generator: random.Random) -> bytes:
    end = place + generator.randint(1, 4096)
    return data[:end] + data[place:]


def _zero(data: bytes, place: int, generator: random.Random) -> bytes:
    length = min(generator.randint(1, 1024), len(data) - place)
    return data[:place] + bytes(length) + data[place + length :]


def _insert_noise(data: bytes, place: int, generator: random.Random) -> bytes:
    noise = generator.randbytes(generator.randint(1, _MOST_NOISE_BYTES))
    return data[:place] + noise + data[place:]


_DAMAGES: tuple[Callable[[bytes, int, random.Random], bytes], ...] = (
    _flip,
    _set_integer,
    _cut,
    _remove,
    _repeat,
    _zero,
    _insert_noise,
)


def _random_container(document: Any, generator: random.Random) -> Any:
    """Returns a random dict or nonempty list in `document`, or None."""
    found: list[Any] = []

    def collect(value: Any) -> None:
        if isinstance(value, dict) or (isinstance(value, list) and value):
            found.append(value)
            for item in (
                value.values() if isinstance(value, dict) else list(value)
            ):
                collect(item)

    collect(document)
    return generator.choice(found) if found else None
