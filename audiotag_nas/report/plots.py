"""Pictures of an experiment: learning curves, rewards, Pareto front."""

import os
from collections.abc import Mapping, Sequence

import numpy as np

from audiotag_nas.report.figures import (
    COLORS,
    LINE_STYLES,
    pyplot,
    style_axes,
    write_figure,
)


def plot_learning_curves(
    path: str | os.PathLike,
    histories: Mapping[str, Sequence[float]],
    *,
    title: str = "",
    target: float,
) -> None:
    """Draws each network's validation EER per epoch and marks the best epoch.

    Args:
        path: path of the picture (.png, .pdf or .svg).
        histories: name of a network -> validation EER per epoch, from epoch 1.
        title: title of the figure.
        target: the baseline's best validation EER, drawn as a line.
    """
    figure, axes = pyplot().subplots(figsize=(8, 4.2), layout="constrained")
    for number, (name, values) in enumerate(histories.items()):
        curve = np.asarray(values, np.float64)
        epochs = np.arange(1, len(curve) + 1)
        color = COLORS[number % len(COLORS)]
        style = LINE_STYLES[number % len(LINE_STYLES)]
        label = name
        if np.isfinite(curve).any():
            best = int(np.nanargmin(curve))
            label = f"{name} (best {curve[best]:.4f}, epoch {best + 1})"
            axes.plot(best + 1, curve[best], "o", color=color)
        axes.plot(epochs, curve, style, color=color, label=label)
    axes.axhline(
        target,
        color="0.4",
        linewidth=1.0,
        linestyle=":",
        label=f"best EER of the baseline ({target:.4f})",
    )
    style_axes(axes, "epoch", "validation mean EER")
    write_figure(figure, path, title)


def plot_search(
    path: str | os.PathLike, rewards: Sequence[float | None], *, title: str = ""
) -> None:
    """Draws the reward of each trial, and the best reward so far.

    Args:
        path: path of the picture (.png, .pdf or .svg).
        rewards: one reward per trial, in order; None or NaN for a failed trial.
        title: title of the figure.
    """
    values = np.array([np.nan if r is None else r for r in rewards], float)
    numbers = np.arange(1, len(values) + 1)
    figure, axes = pyplot().subplots(figsize=(8, 4.2), layout="constrained")
    axes.plot(
        numbers, values, "o", color=COLORS[0], markersize=5, label="trial"
    )
    defined = np.isfinite(values)
    if defined.any():
        best = np.fmax.accumulate(values)
        axes.step(
            numbers,
            best,
            where="post",
            color=COLORS[1],
            label=f"best so far ({best[-1]:.4f})",
        )
        lowest = float(values[defined].min())
        axes.plot(
            numbers[~defined],
            np.full((~defined).sum(), lowest),
            "x",
            color="0.3",
            label=f"failed ({(~defined).sum()})",
        )
    style_axes(axes, "trial", "reward")
    write_figure(figure, path, title)


def plot_pareto(
    path: str | os.PathLike,
    points: Sequence[tuple[float, float]],
    *,
    front: Sequence[tuple[float, float]],
    cost: str,
    reference: tuple[float, float] | None = None,
    title: str = "",
) -> None:
    """Draws the EER and cost of each network, and the Pareto front.

    Args:
        path: path of the picture (.png, .pdf or .svg).
        points: (cost, EER) of each network.
        front: (cost, EER) of each network on the Pareto front.
        cost: name of the cost, for the label of the axis.
        reference: (cost, EER) of the baseline.
        title: title of the figure.
    """
    from matplotlib.ticker import LogLocator

    figure, axes = pyplot().subplots(figsize=(8, 4.6), layout="constrained")
    tried = np.array(points, float).reshape(-1, 2)
    best = np.array(sorted(front), float).reshape(-1, 2)
    axes.plot(*tried.T, "o", color="0.6", markersize=5, label="network")
    # No network lies below these steps or to the left of them.
    axes.step(
        *best.T,
        where="post",
        marker="D",
        color=COLORS[1],
        label=f"Pareto front ({len(best)} of {len(tried)})",
    )
    if reference is not None:
        axes.plot(
            *reference, "*", color=COLORS[0], markersize=13, label="baseline"
        )
    style_axes(axes, cost, "validation mean EER")
    drawn = [*points] if reference is None else [*points, reference]
    costs = [point[0] for point in drawn]
    if costs and max(costs) > 3 * min(costs):
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.xaxis.set_minor_formatter("")
    axes.xaxis.set_major_formatter("{x:,.6g}")
    write_figure(figure, path, title)
