"""Plots as picture files: a tagged clip, learning curves, a search, its front.

matplotlib is imported on first use and draws without a display. Colours tell
apart for colour-blind readers (Okabe and Ito 2008; the maps are perceptually
uniform), and no meaning hangs on colour alone.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from audiotag_nas.errors import ConfigError
from audiotag_nas.report.figures import COLOURS, pyplot, write_figure

_STYLES = ("-", "--", "-.", ":")
_MARKERS = "osv^D"


def plot_tagged_clip(
    path: str | os.PathLike,
    *,
    log_mel: npt.ArrayLike,
    frame_seconds: float,
    tags: Sequence[str],
    frame_scores: npt.ArrayLike,
    thresholds: Sequence[float] | npt.NDArray | None = None,
    events: Sequence[tuple[str, float, float]] = (),
    title: str = "",
    mel_hz: npt.ArrayLike | None = None,
    clip_scores: npt.ArrayLike | None = None,
) -> None:
    """What was heard, and when: the log-mel above, the tags below.

    Args:
        path: of the picture (.png, .pdf or .svg).
        log_mel: (frames, mel bins).
        frame_seconds: from one frame to the next.
        tags: K names.
        frame_scores: (frames, K), 0 to 1, at the same frames.
        thresholds: K; printed beside the tags' names.
        events: (tag, start, end) in seconds, the stretches in which a tag is
            active; drawn as frames around them.
        title: of the figure.
        mel_hz: (mel bins,) centre frequencies, for an axis in kHz.
        clip_scores: (K,); printed beside the tags' names.

    Raises:
        ConfigError: shapes that do not fit, or an event of an unknown tag.
    """
    log_mel, frame_scores = np.asarray(log_mel), np.asarray(frame_scores)
    _check_clip(log_mel, frame_scores, tags, events)
    figure, (top, bottom) = pyplot().subplots(
        2,
        1,
        figsize=(9, 3.2 + 0.32 * len(tags)),
        sharex=True,
        layout="constrained",
        height_ratios=[2.6, 0.32 * len(tags) + 0.2],
    )
    seconds = frame_seconds * len(log_mel)
    image = top.imshow(
        log_mel.T,
        origin="lower",
        aspect="auto",
        cmap="magma",
        extent=(0.0, seconds, -0.5, log_mel.shape[1] - 0.5),
        interpolation="nearest",
    )
    _label_mels(top, log_mel.shape[1], mel_hz)
    figure.colorbar(image, ax=top, label="log-mel energy", pad=0.01)
    heat = bottom.imshow(
        frame_scores.T,
        aspect="auto",
        cmap="Blues",
        vmin=0.0,
        vmax=1.0,
        extent=(
            0.0,
            frame_seconds * len(frame_scores),
            len(tags) - 0.5,
            -0.5,
        ),
        interpolation="nearest",
    )
    figure.colorbar(heat, ax=bottom, label="frame score", pad=0.01)
    _mark_events(bottom, list(tags), events)
    _label_tags(bottom, tags, thresholds, clip_scores)
    bottom.set_xlabel("time (s)")
    bottom.set_xlim(0.0, seconds)
    for line in np.arange(len(tags) - 1) + 0.5:
        bottom.axhline(line, color="0.85", linewidth=0.6)
    write_figure(figure, path, title)


def plot_learning_curves(
    path: str | os.PathLike,
    histories: Mapping[str, Sequence[float]],
    *,
    title: str = "",
    target: float | None = None,
) -> None:
    """Validation EER an epoch, one curve a network, its best epoch marked.

    Args:
        path: of the picture (.png, .pdf or .svg).
        histories: name -> validation EER of each epoch, from epoch 1.
        title: of the figure.
        target: a level to draw, e.g. the baseline's best.
    """
    figure, axes = pyplot().subplots(figsize=(8, 4.2), layout="constrained")
    for number, (name, values) in enumerate(histories.items()):
        curve = np.asarray(values, np.float64)
        epochs = np.arange(1, len(curve) + 1)
        colour = COLOURS[number % len(COLOURS)]
        style = _STYLES[number % len(_STYLES)]
        label = name
        if np.isfinite(curve).any():
            best = int(np.nanargmin(curve))
            label = f"{name} (best {curve[best]:.4f}, epoch {best + 1})"
            axes.plot(best + 1, curve[best], "o", color=colour)
        axes.plot(epochs, curve, style, color=colour, label=label)
    if target is not None:
        axes.axhline(
            target,
            color="0.4",
            linewidth=1.0,
            linestyle=":",
            label=f"baseline's best ({target:.4f})",
        )
    _grid(axes, "epoch", "validation mean EER")
    write_figure(figure, path, title)


def plot_search(
    path: str | os.PathLike,
    rewards: Sequence[float | None],
    *,
    title: str = "",
) -> None:
    """Every trial's reward in order, and the best so far.

    Args:
        path: of the picture (.png, .pdf or .svg).
        rewards: in the order of the trials; None or NaN for a failed one.
        title: of the figure.
    """
    values = np.array([np.nan if r is None else r for r in rewards], float)
    numbers = np.arange(1, len(values) + 1)
    figure, axes = pyplot().subplots(figsize=(8, 4.2), layout="constrained")
    axes.plot(
        numbers, values, "o", color=COLOURS[0], markersize=5, label="trial"
    )
    defined = np.isfinite(values)
    if defined.any():
        best = np.fmax.accumulate(values)
        axes.step(
            numbers,
            best,
            where="post",
            color=COLOURS[1],
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
    _grid(axes, "trial", "reward")
    write_figure(figure, path, title)


def plot_regrets(
    path: str | os.PathLike,
    checkpoints: Sequence[int],
    panels: Mapping[str, Mapping[str, Sequence[tuple[float, float]]]],
    *,
    title: str = "",
) -> None:
    """How good searchers' recommendations are after how many trainings.

    Args:
        path: of the picture (.png, .pdf or .svg).
        checkpoints: numbers of trainings.
        panels: title of a panel -> searcher -> (mean regret, standard error)
            at each checkpoint, NaN where there is none. Every searcher has
            the same colour, line and mark in all panels.
        title: of the figure.

    Searchers stand a little beside one another, so that none's error bars
    hide another's, and no regret at all is a line above the axis.
    """
    names = list(dict.fromkeys(name for p in panels.values() for name in p))
    places = _places_beside(checkpoints, len(names))
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
                places[number],
                means,
                yerr=np.nan_to_num(errors),
                color=COLOURS[number % len(COLOURS)],
                linestyle=_STYLES[number // len(COLOURS) % len(_STYLES)],
                marker=_MARKERS[number % len(_MARKERS)],
                markersize=4,
                linewidth=1.3,
                capsize=2,
            )
        axes.set_xscale("log")
        _grid(axes, "trainings", "mean true regret")
        _show_nought(axes)
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
    write_figure(figure, path, title)


def _places_beside(checkpoints: Sequence[int], num: int) -> npt.NDArray:
    """(num, checkpoints): of num searchers around each checkpoint.

    Over less than a third of the least distance of two, by logarithms.
    """
    logs = np.log(np.array(checkpoints, np.float64))
    width = 0.28 * np.diff(logs).min() if len(logs) > 1 else 0.1
    shifts = width * (np.arange(num) - (num - 1) / 2) / num
    return np.exp(logs + shifts[:, np.newaxis])


def _show_nought(axes: Any) -> None:
    """From a little below 0, so that marks at 0 do not lie on the axis."""
    top = axes.get_ylim()[1]
    axes.set_ylim(-0.04 * top, top)
    axes.axhline(0.0, color="0.6", linewidth=0.8, zorder=0.5)


def plot_pareto(
    path: str | os.PathLike,
    points: Sequence[tuple[float, float]],
    *,
    front: Sequence[tuple[float, float]],
    cost: str,
    reference: tuple[float, float] | None = None,
    title: str = "",
) -> None:
    """Every network's EER over what it costs, and the Pareto front.

    Args:
        path: of the picture (.png, .pdf or .svg).
        points: (cost, EER) of each network.
        front: those of them that are on the front of these two goals.
        cost: what the cost is.
        reference: (cost, EER) of the baseline.
        title: of the figure.
    """
    from matplotlib.ticker import LogLocator

    figure, axes = pyplot().subplots(figsize=(8, 4.6), layout="constrained")
    tried = np.array(points, float).reshape(-1, 2)
    best = np.array(sorted(front), float).reshape(-1, 2)
    axes.plot(*tried.T, "o", color="0.6", markersize=5, label="network")
    # What lies right of and above the steps is beaten by one of the front.
    axes.step(
        *best.T,
        where="post",
        marker="D",
        color=COLOURS[1],
        label=f"Pareto front ({len(best)} of {len(tried)})",
    )
    if reference is not None:
        axes.plot(
            *reference,
            "*",
            color=COLOURS[0],
            markersize=13,
            label="baseline",
        )
    _grid(axes, cost, "validation mean EER")
    drawn = [*points] if reference is None else [*points, reference]
    costs = [point[0] for point in drawn]
    if costs and max(costs) > 3 * min(costs):
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.xaxis.set_minor_formatter("")
    axes.xaxis.set_major_formatter("{x:,.6g}")
    write_figure(figure, path, title)


def _check_clip(
    log_mel: npt.NDArray,
    frame_scores: npt.NDArray,
    tags: Sequence[str],
    events: Sequence[tuple[str, float, float]],
) -> None:
    if log_mel.ndim != 2 or frame_scores.shape != (len(log_mel), len(tags)):
        raise ConfigError(
            "a log-mel (frames, mel bins) needs frame scores (frames, "
            f"{len(tags)} tags). Received: {log_mel.shape} and "
            f"{frame_scores.shape}"
        )
    unknown = sorted({tag for tag, _, _ in events} - set(tags))
    if unknown:
        raise ConfigError(f"an event's tag must be of the tags: {unknown[0]!r}")


def _label_mels(axes: Any, num_mels: int, mel_hz: npt.ArrayLike | None) -> None:
    if mel_hz is None:
        axes.set_ylabel("mel bin")
        return
    frequencies = np.asarray(mel_hz, np.float64)
    bins = np.linspace(0, num_mels - 1, 5).round().astype(int)
    axes.set_yticks(bins, [f"{frequencies[b] / 1000:.2g}" for b in bins])
    axes.set_ylabel("frequency (kHz, mel scale)")


def _mark_events(
    axes: Any, tags: list[str], events: Sequence[tuple[str, float, float]]
) -> None:
    from matplotlib.patches import Rectangle

    for tag, start, end in events:
        axes.add_patch(
            Rectangle(
                (start, tags.index(tag) - 0.42),
                end - start,
                0.84,
                fill=False,
                edgecolor=COLOURS[1],
                linewidth=1.8,
                zorder=3,
            )
        )


def _label_tags(
    axes: Any,
    tags: Sequence[str],
    thresholds: Sequence[float] | npt.NDArray | None,
    clip_scores: npt.ArrayLike | None,
) -> None:
    """Each row's name, with the clip's score and the threshold if given."""
    names, heading = list(tags), "tag"
    if clip_scores is not None:
        scores = np.asarray(clip_scores)
        names = [f"{n}  {scores[k]:.2f}" for k, n in enumerate(names)]
        heading += "  clip score"
    if thresholds is not None:
        names = [f"{n}  (≥ {thresholds[k]:.2f})" for k, n in enumerate(names)]
        heading += "  (threshold)"
    axes.set_yticks(range(len(tags)), names, parse_math=False)
    axes.set_ylabel(heading)


def _grid(axes: Any, xlabel: str, ylabel: str) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_xlabel(xlabel)
    axes.set_ylabel(ylabel)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(color="0.9")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False)
