"""Copies standard input to standard error, except for known library messages.

`library_messages` runs this file as a script, without the package. It is a
separate process because TensorFlow can abort the command without a Python
exception; its last message must still be printed.
"""

import os
import re
import sys

FLUSH = b"\0flush\n"
"""Input that the relay answers with `FLUSHED` after writing all before it."""

FLUSHED = b"."

_DROPPED = re.compile(
    # TensorFlow's notices during its import.
    rb"I\d{4} |WARNING: All log messages before absl::InitializeLog"
    rb"|To enable the following instructions"
    # libsndfile's MP3 decoder, mpg123: damaged frames.
    rb"|\[src/libmpg123/|Note: Trying to resync\.\.\."
    rb"|Note: Skipped \d+ bytes in input\.|Note: Illegal Audio-MPEG-Header "
    rb"|Warning: Xing stream size off by "
    # Empty lines around the messages of both.
    rb"|\n"
)


def main() -> None:
    """Runs until every process that writes to standard input has closed it."""
    for line in sys.stdin.buffer:
        is_flush = line.endswith(FLUSH)
        text = line.removesuffix(FLUSH)
        if text and not _DROPPED.match(text):
            os.write(2, text)
        if is_flush:
            os.write(1, FLUSHED)


if __name__ == "__main__":
    main()
