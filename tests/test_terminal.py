"""Text that is safe on a terminal."""

import sys
import unicodedata
from pathlib import Path

import pytest

from audiotag_nas import terminal


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain name, ä 日本 🎵 \\n 50%.wav", None),
        ("no-break\u00a0space and joiner\u200d stay", None),
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("a\nb\r\tc\x00\x7f", r"a\nb\r\tc\x00\x7f"),
        ("\x85\x9b\x9d", r"\x85\x9b\x9d"),
        ("\u2028\u2029", r"\u2028\u2029"),
        ("\u202a\u202e\u2066\u2069", r"\u202a\u202e\u2066\u2069"),
        ("\u061c\u200e\u200f", r"\u061c\u200e\u200f"),
        ("caf\udce9.wav", r"caf\udce9.wav"),
        (Path("a\nb"), r"a\nb"),
    ],
)
def test_control_characters_are_escaped_and_others_are_kept(text, expected):
    assert terminal.escaped(text) == (text if expected is None else expected)


def test_no_unescaped_character_controls_a_terminal():
    left = terminal.escaped("".join(map(chr, range(sys.maxunicode + 1))))
    directions = {"LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"}
    for character in left:
        assert unicodedata.category(character) not in ("Cc", "Cs", "Zl", "Zp")
        assert unicodedata.bidirectional(character) not in directions
    assert len(left.splitlines()) == 1
    left.encode()
