"""Colors, axes and files of all pictures.

matplotlib is imported at its first use and draws without a display. Where
colors distinguish lines, line styles or markers distinguish them too.
"""

import io
import os
from pathlib import Path
from typing import Any

from audiotag_nas.errors import ConfigError
from audiotag_nas.files import atomic_write_bytes

COLORS = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#000000",
)
"""Colors that color-blind readers can distinguish (Okabe and Ito 2008)."""

LINE_STYLES = ("-", "--", "-.", ":")

_DPI = 120

# Without dates and versions, files of equal pictures have equal bytes.
_METADATA: dict[str, dict[str, None]] = {
    ".png": {"Software": None},
    ".pdf": {"CreationDate": None},
    ".svg": {"Date": None},
}


def picture_ending(path: str | os.PathLike, argument: str = "`path`") -> str:
    """Returns the ending of a picture's path in lower case, e.g. `.png`.

    Args:
        path: path of the picture.
        argument: name of the argument or flag, for the error message.

    Raises:
        ConfigError: the ending is not .png, .pdf or .svg.
    """
    ending = Path(path).suffix.lower()
    if ending not in _METADATA:
        raise ConfigError(
            f"{argument} must end in {', '.join(list(_METADATA)[:-1])} or "
            f"{list(_METADATA)[-1]}. Received: {str(path)!r}"
        )
    return ending


def pyplot() -> Any:
    """Returns `matplotlib.pyplot`, set to draw without a display."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot

    return matplotlib.pyplot


def style_axes(axes: Any, xlabel: str, ylabel: str) -> None:
    """Sets labels, grid, integer ticks on the x axis, and the legend."""
    from matplotlib.ticker import MaxNLocator

    axes.set_xlabel(xlabel)
    axes.set_ylabel(ylabel)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(color="0.9")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False)


def write_figure(figure: Any, path: str | os.PathLike, title: str) -> None:
    """Writes and closes a figure; files of equal figures have equal bytes.

    The ending of the path selects the format. A `$` in the title stays a dollar
    sign.

    Raises:
        ConfigError: the ending is not .png, .pdf or .svg.
    """
    ending = picture_ending(path)
    if title:
        figure.suptitle(title, parse_math=False)
    buffer = io.BytesIO()
    try:
        # Without this salt, matplotlib chooses random ids in an SVG.
        with pyplot().rc_context({"svg.hashsalt": "audiotag-nas"}):
            figure.savefig(
                buffer, format=ending[1:], dpi=_DPI, metadata=_METADATA[ending]
            )
    finally:
        pyplot().close(figure)
    atomic_write_bytes(path, buffer.getvalue())
