"""Copies standard input to standard error, except for known library messages.

`library_messages` runs this file as a script, without the package. The relay is
a separate process, because TensorFlow can abort the command without a Python
exception. The last message of TensorFlow must still be printed.
"""

import os
import re
import sys

FLUSH = b"\0flush\n"
"""Input that the relay answers with `FLUSHED`, once all before is written."""

FLUSHED = b"."

_DROPPED = re.compile(
    # TensorFlow's notices during its import.
    rb"I\d{4} |WARNING: All log messages before absl::InitializeLog"
    rb"|To enable the following instructions"
    # Reports of damaged frames by mpg123, the MP3 decoder of libsndfile.
    rb"|\[src/libmpg123/|Note: Trying to resync\.\.\."
    rb"|Note: Skipped \d+ bytes in input\.|Note: Illegal Audio-MPEG-Header "
    rb"|Warning: Xing stream size off by "
    # Empty lines around the messages of these libraries.
    rb"|\n"
)


def main() -> None:
    """Runs until all writers of the standard input have closed it."""
    for line in sys.stdin.buffer:
        is_flush = line.endswith(FLUSH)
        text = line.removesuffix(FLUSH)
        if text and not _DROPPED.match(text):
            os.write(2, text)
        if is_flush:
            os.write(1, FLUSHED)


if __name__ == "__main__":
    main()
