"""What every picture shares: its colours, and how it becomes a PNG file.

matplotlib is imported on first use and draws without a display.
"""

import io
import os
from typing import Any

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


def pyplot() -> Any:
    """matplotlib's figures, drawn in memory whatever display there is."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot

    return matplotlib.pyplot


def write_figure(figure: Any, path: str | os.PathLike, title: str) -> None:
    """Writes and closes it; the same values give the same bytes.

    A title is shown as it stands: a `$` in a file's name begins no formula.
    """
    if title:
        figure.suptitle(title, parse_math=False)
    buffer = io.BytesIO()
    try:
        # No date in the file: the same values give the same bytes.
        figure.savefig(
            buffer, format="png", dpi=_DPI, metadata={"Software": None}
        )
    finally:
        pyplot().close(figure)
    atomic_write_bytes(path, buffer.getvalue())
