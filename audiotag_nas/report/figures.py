"""What every picture shares: its colours, and how it becomes a file.

matplotlib is imported on first use and draws without a display.
"""

import io
import os
from pathlib import Path
from typing import Any

from audiotag_nas.errors import ConfigError
from audiotag_nas.files import atomic_write_bytes

COLOURS = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#000000",
)
"""Told apart by colour-blind readers (Okabe and Ito 2008)."""

_DPI = 120

# No date in a file, nor anything else that differs from time to time.
_METADATA: dict[str, dict[str, None]] = {
    ".png": {"Software": None},
    ".pdf": {"CreationDate": None},
    ".svg": {"Date": None},
}


def picture_ending(path: str | os.PathLike, argument: str = "`path`") -> str:
    """The ending of a picture's file, which says its format: `.png`.

    Args:
        path: the file.
        argument: what it was given as, for the error: an argument or a flag.

    Raises:
        ConfigError: no format that pictures are written in.
    """
    ending = Path(path).suffix.lower()
    if ending not in _METADATA:
        raise ConfigError(
            f"{argument} must end in {', '.join(list(_METADATA)[:-1])} or "
            f"{list(_METADATA)[-1]}. Received: {str(path)!r}"
        )
    return ending


def pyplot() -> Any:
    """matplotlib's figures, drawn in memory whatever display there is."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot

    return matplotlib.pyplot


def write_figure(figure: Any, path: str | os.PathLike, title: str) -> None:
    """Writes and closes it; the same values give the same bytes.

    The format is that of the path's ending. A title is shown as it stands: a
    `$` in a file's name begins no formula.

    Raises:
        ConfigError: as `picture_ending`.
    """
    ending = picture_ending(path)
    if title:
        figure.suptitle(title, parse_math=False)
    buffer = io.BytesIO()
    try:
        # An SVG's ids are drawn by chance without a salt.
        with pyplot().rc_context({"svg.hashsalt": "audiotag-nas"}):
            figure.savefig(
                buffer,
                format=ending[1:],
                dpi=_DPI,
                metadata=_METADATA[ending],
            )
    finally:
        pyplot().close(figure)
    atomic_write_bytes(path, buffer.getvalue())
