"""Text that is safe on a terminal.

File names and other untrusted texts are printed without control characters.
"""

import re
import sys
from typing import TextIO

_UNPRINTABLE = re.compile(
    r"[\x00-\x1f\x7f-\x9f"  # control characters: line breaks, ESC, CSI
    r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # text direction
    r"\u2028\u2029"  # line and paragraph separators
    r"\ud800-\udfff]"  # bytes that are not UTF-8, after decoding by Python
)


def escaped(text: object) -> str:
    """Returns `text` as one line that is safe on a terminal.

    Control characters, line breaks, characters that change the direction of
    text, and bytes that are not UTF-8 become Python escapes, e.g. `\\x1b`. All
    other characters are kept.
    """
    return _UNPRINTABLE.sub(
        lambda match: match[0].encode("unicode_escape").decode(), str(text)
    )


def escaped_text(text: str) -> str:
    """Returns a text of several lines, after escaping each line."""
    return "\n".join(map(escaped, text.split("\n")))


def print_lines(*lines: object, file: TextIO | None = None) -> None:
    """Prints each argument as one `escaped` line, and flushes."""
    for line in lines:
        print(escaped(line), file=file)
    # Without a console (pythonw), the stream is None.
    stream = sys.stdout if file is None else file
    if stream is not None:
        stream.flush()
