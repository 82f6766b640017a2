"""The picture of a tagged clip: log-mel, frame scores and events over time."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from audiotag_nas.errors import ConfigError
from audiotag_nas.report.figures import COLORS, pyplot, write_figure

TagSpan = tuple[str, float, float]
"""A tag, and the start and end of its event in seconds."""


def plot_tagged_clip(
    path: str | os.PathLike,
    *,
    log_mel: npt.ArrayLike,
    frame_seconds: float,
    tags: Sequence[str],
    frame_scores: npt.ArrayLike,
    clip_scores: npt.NDArray,
    thresholds: Sequence[float],
    events: Sequence[TagSpan],
    title: str,
) -> None:
    """Draws the log-mels above the frame scores of the tags.

    Args:
        path: path of the picture (.png, .pdf or .svg).
        log_mel: log-mels of the clip, (frames, mel bins).
        frame_seconds: time from one frame to the next.
        tags: names of the K tags.
        frame_scores: scores in [0, 1], (frames, K).
        clip_scores: scores of the clip (K,), printed beside the tags' names.
        thresholds: one threshold per tag, printed beside the clip scores.
        events: events of the tags, drawn as rectangles.
        title: title of the figure.

    Raises:
        ConfigError: the shapes do not match, or an event has an unknown tag.
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
    top.set_ylabel("mel bin")
    figure.colorbar(image, ax=top, label="log-mel energy", pad=0.01)
    heat = bottom.imshow(
        frame_scores.T,
        aspect="auto",
        cmap="Blues",
        vmin=0.0,
        vmax=1.0,
        extent=(0.0, frame_seconds * len(frame_scores), len(tags) - 0.5, -0.5),
        interpolation="nearest",
    )
    figure.colorbar(heat, ax=bottom, label="frame score", pad=0.01)
    _mark_events(bottom, list(tags), events)
    rows = [
        f"{tag}  {score:.2f}  (≥ {threshold:.2f})"
        for tag, score, threshold in zip(
            tags, clip_scores, thresholds, strict=True
        )
    ]
    bottom.set_yticks(range(len(tags)), rows, parse_math=False)
    bottom.set_ylabel("tag  clip score  (threshold)")
    bottom.set_xlabel("time (s)")
    bottom.set_xlim(0.0, seconds)
    for line in np.arange(len(tags) - 1) + 0.5:
        bottom.axhline(line, color="0.85", linewidth=0.6)
    write_figure(figure, path, title)


def _check_clip(
    log_mel: npt.NDArray,
    frame_scores: npt.NDArray,
    tags: Sequence[str],
    events: Sequence[TagSpan],
) -> None:
    if log_mel.ndim != 2 or frame_scores.shape != (len(log_mel), len(tags)):
        raise ConfigError(
            "`log_mel` must have the shape (frames, mel bins), and "
            f"`frame_scores` (frames, {len(tags)} tags). Received: "
            f"{log_mel.shape} and {frame_scores.shape}"
        )
    unknown = sorted({tag for tag, _, _ in events} - set(tags))
    if unknown:
        raise ConfigError(
            f"the tag of an event must be one of {', '.join(tags)}. "
            f"Received: {unknown[0]!r}"
        )


def _mark_events(axes: Any, tags: list[str], events: Sequence[TagSpan]) -> None:
    from matplotlib.patches import Rectangle

    for tag, start, end in events:
        axes.add_patch(
            Rectangle(
                (start, tags.index(tag) - 0.42),
                end - start,
                0.84,
                fill=False,
                edgecolor=COLORS[1],
                linewidth=1.8,
                zorder=3,
            )
        )
