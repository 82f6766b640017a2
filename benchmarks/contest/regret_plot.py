"""Plots the mean regrets of a contest over the number of trials."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from audiotag_nas.report.figures import (
    COLORS,
    LINE_STYLES,
    pyplot,
    style_axes,
    write_figure,
)

_MARKERS = "osv^D"


def plot_regrets(
    path: str | os.PathLike,
    checkpoints: Sequence[int],
    panels: Mapping[str, Mapping[str, Sequence[tuple[float, float]]]],
) -> None:
    """Draws the regret of each searcher's recommendation at each checkpoint.

    The curves are shifted sideways a little, so that their error bars do not
    overlap. A searcher has the same color, line and marker in all panels.

    Args:
        path: path of the picture (.png, .pdf or .svg).
        checkpoints: numbers of trials.
        panels: title of a panel -> searcher -> (mean regret, standard error)
            at each checkpoint. Unknown numbers are NaN.
    """
    names = list(dict.fromkeys(name for p in panels.values() for name in p))
    positions = _shifted(checkpoints, len(names))
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    figure, grid = pyplot().subplots(
        rows,
        columns,
        figsize=(4.6 * columns, 3.6 * rows + 0.3 * -(-len(names) // 4)),
        layout="constrained",
        squeeze=False,
    )
    handles = {}
    for axes, (heading, curves) in zip(grid.flat, panels.items(), strict=False):
        for name, points in curves.items():
            number = names.index(name)
            means, errors = np.array(points, np.float64).T
            handles[name] = axes.errorbar(
                positions[number],
                means,
                yerr=np.nan_to_num(errors),
                color=COLORS[number % len(COLORS)],
                linestyle=LINE_STYLES[number // len(COLORS) % len(LINE_STYLES)],
                marker=_MARKERS[number % len(_MARKERS)],
                markersize=4,
                linewidth=1.3,
                capsize=2,
            )
        axes.set_xscale("log")
        style_axes(axes, "trials", "mean true regret")
        _show_zero(axes)
        axes.set_xticks(checkpoints, list(map(str, checkpoints)), minor=False)
        axes.xaxis.set_minor_locator(pyplot().NullLocator())
        axes.set_title(heading, fontsize=10, parse_math=False)
    for axes in grid.flat[len(panels) :]:
        axes.set_visible(False)
    figure.legend(
        list(handles.values()),
        list(handles),
        loc="outside lower center",
        ncols=4,
        frameon=False,
    )
    write_figure(figure, path, "")


def _shifted(checkpoints: Sequence[int], num: int) -> npt.NDArray:
    """Returns the x positions of `num` curves, an array (num, checkpoints).

    On the logarithmic scale, the positions at one checkpoint differ by at most
    0.28 times the smallest distance between two checkpoints.
    """
    logs = np.log(np.array(checkpoints, np.float64))
    width = 0.28 * np.diff(logs).min() if len(logs) > 1 else 0.1
    shifts = width * (np.arange(num) - (num - 1) / 2) / num
    return np.exp(logs + shifts[:, np.newaxis])


def _show_zero(axes: Any) -> None:
    """Starts the y axis a little below 0, so that markers at 0 are visible."""
    top = axes.get_ylim()[1]
    axes.set_ylim(-0.04 * top, top)
    axes.axhline(0.0, color="0.6", linewidth=0.8, zorder=0.5)
