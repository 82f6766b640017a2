"""Copies standard input to standard error, except for known library messages.

`library_messages` runs this file as a script, without the package. TensorFlow
can abort the command without a Python exception. As a separate process, the
relay can still print TensorFlow's last message.
"""

import os
import re
import sys

FLUSH = b"\0flush\n"
"""After writing all earlier input, the relay answers this with `FLUSHED`."""

FLUSHED = b"."

_DROPPED = re.compile(
    # Notices that TensorFlow writes during its import.
    rb"I\d{4} |WARNING: All log messages before absl::InitializeLog"
    rb"|To enable the following instructions"
    # Reports by mpg123, the MP3 decoder of libsndfile, of damaged frames.
    rb"|\[src/libmpg123/|Note: Trying to resync\.\.\."
    rb"|Note: Skipped \d+ bytes in input\.|Note: Illegal Audio-MPEG-Header "
    rb"|Warning: Xing stream size off by "
    # Empty lines around the messages of these libraries.
    rb"|\n"
)


def main() -> None:
    """Runs until every writer has closed the standard input."""
    for line in sys.stdin.buffer:
        is_flush = line.endswith(FLUSH)
        text = line.removesuffix(FLUSH)
        if text and not _DROPPED.match(text):
            os.write(2, text)
        if is_flush:
            os.write(1, FLUSHED)


if __name__ == "__main__":
    main()
