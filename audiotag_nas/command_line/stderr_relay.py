"""Copies standard input to standard error, except for known library messages.

`quiet.without_library_messages` runs this file as a script, without the
package. It is a process of its own because TensorFlow can end the command at
once, without a Python exception; its last message must still be printed.
"""

import os
import re
import sys

FLUSH = b"\0flush\n"
"""Input that is answered with `FLUSHED` once all before it is written."""

FLUSHED = b"."

_DROPPED = re.compile(
    # TensorFlow's notices while it is imported, before its log level counts.
    rb"I\d{4} |WARNING: All log messages before absl::InitializeLog"
    rb"|To enable the following instructions"
    # mpg123, which libsndfile decodes MP3 with: damaged frames.
    rb"|\[src/libmpg123/|Note: Trying to resync\.\.\."
    rb"|Note: Skipped \d+ bytes in input\.|Note: Illegal Audio-MPEG-Header "
    rb"|Warning: Xing stream size off by "
    # Both print empty lines around their messages.
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
