"""The picture of a search's decisions: effects, and pairs as heat maps.

One panel a decision, the most important first, all with the same scale: the
difference that each choice makes to the reward, with bands of one and two
standard deviations. Below, the joint effect of the strongest pairs.
"""

import dataclasses
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from audiotag_nas.report.figures import COLORS, pyplot, write_figure

_COLUMNS = 7
_MAX_PAIRS = 4
_PANEL_WIDTH, _PANEL_HEIGHT = 2.05, 1.75  # inches
_PAIR_HEIGHT = 3.1
_FAINT = "0.55"
_UNSURE = (0.92, 0.92, 0.92, 1.0)  # a cell that may be chance


@dataclasses.dataclass(frozen=True)
class EffectPanel:
    """A decision with n choices.

    Attributes:
        name: of the decision.
        choices: n labels.
        mean, deviation: (n,), reward less the average, and how sure.
        share: of the variance, with the ends of its interval; 0 to 1. None
            where it is not known.
        is_clear: whether it stands out.
    """

    name: str
    choices: Sequence[str]
    mean: npt.NDArray
    deviation: npt.NDArray
    share: tuple[float, float, float] | None
    is_clear: bool


@dataclasses.dataclass(frozen=True)
class PairPanel:
    """Two decisions with n and m choices.

    Attributes:
        names: of the decisions.
        choices: n and m labels.
        mean, deviation: (n, m), reward less the average, and how sure.
        is_clear: (n, m), which of them stand out.
        share: of the interaction, as in `EffectPanel`.
    """

    names: tuple[str, ...]
    choices: tuple[Sequence[str], ...]
    mean: npt.NDArray
    deviation: npt.NDArray
    is_clear: npt.NDArray
    share: tuple[float, float, float]


def plot_importance(
    path: str | os.PathLike,
    effects: Sequence[EffectPanel],
    pairs: Sequence[PairPanel],
    *,
    reward: str,
    title: str = "",
) -> None:
    """Draws every effect in the order given, and the first pairs.

    Args:
        path: of the picture; its ending says the format.
        effects: at least one.
        pairs: as many as are to be drawn, up to four.
        reward: what it is, for the axes.
        title: of the figure.
    """
    pairs = pairs[:_MAX_PAIRS]
    columns = min(_COLUMNS, len(effects))
    rows = -(-len(effects) // columns)
    heights = [_PANEL_HEIGHT * rows + 0.3] + [_PAIR_HEIGHT] * bool(pairs)
    width = max(_PANEL_WIDTH * columns, 3.4 * len(pairs), 5.0) + 0.4
    figure = pyplot().figure(
        figsize=(width, sum(heights) + 0.5), layout="constrained"
    )
    figure.get_layout_engine().set(w_pad=0.07, h_pad=0.08)
    figures = figure.subfigures(
        len(heights), 1, height_ratios=heights, squeeze=False
    )[:, 0]
    _draw_effects(figures[0], effects, rows, columns, reward)
    if pairs:
        _draw_pairs(figures[1], pairs, reward)
    write_figure(figure, path, title)


def _draw_effects(
    figure: Any,
    effects: Sequence[EffectPanel],
    rows: int,
    columns: int,
    reward: str,
) -> None:
    grid = figure.subplots(rows, columns, sharey=True, squeeze=False)
    for axes, effect in zip(grid.flat, effects, strict=False):
        _draw_effect(axes, effect)
    for axes in grid.flat[len(effects) :]:
        axes.set_visible(False)
    figure.supylabel(f"reward less its average ({reward})", fontsize=9)
    shares = "share of the variance [90 % interval]; "
    figure.suptitle(
        (shares if any(effect.share for effect in effects) else "")
        + "bands: one and two standard deviations; grey: may be chance",
        fontsize=9,
        color="0.35",
    )


def _draw_effect(axes: Any, effect: EffectPanel) -> None:
    at = np.arange(len(effect.mean))
    colour = COLORS[0] if effect.is_clear else _FAINT
    for deviations, alpha in ((2, 0.16), (1, 0.28)):
        axes.fill_between(
            at,
            effect.mean - deviations * effect.deviation,
            effect.mean + deviations * effect.deviation,
            color=colour,
            alpha=alpha,
            linewidth=0,
        )
    axes.axhline(0.0, color="0.5", linewidth=0.7, linestyle=":")
    axes.plot(
        at, effect.mean, "o-", color=colour, markersize=3.5, linewidth=1.4
    )
    axes.set_xticks(at, effect.choices)
    axes.set_xlim(-0.35, len(at) - 0.65)
    _quiet(axes)
    share = "" if effect.share is None else f"\n{_share_text(effect.share)}"
    axes.set_title(
        effect.name + share,
        fontsize=8,
        fontweight="bold" if effect.is_clear else "normal",
    )


def _draw_pairs(figure: Any, pairs: Sequence[PairPanel], reward: str) -> None:
    figure.suptitle(
        "strongest pairs: reward less its average with both chosen (± one "
        "standard deviation; grey: may be chance); share of what the two do "
        "beyond their own effects",
        fontsize=9,
        color="0.35",
    )
    limit = max(float(np.abs(pair.mean).max()) for pair in pairs) or 1.0
    colours = pyplot().cm.ScalarMappable(
        pyplot().Normalize(-limit, limit), "PuOr_r"
    )
    grid = figure.subplots(1, len(pairs), squeeze=False)[0]
    for axes, pair in zip(grid, pairs, strict=True):
        cells = colours.to_rgba(pair.mean)
        cells[~pair.is_clear] = _UNSURE
        axes.imshow(cells, origin="lower", aspect="auto")
        _write_cells(axes, pair, limit)
        axes.set_xticks(range(len(pair.choices[1])), pair.choices[1])
        axes.set_yticks(range(len(pair.choices[0])), pair.choices[0])
        axes.set_ylabel(pair.names[0], fontsize=8)
        axes.set_xlabel(pair.names[1], fontsize=8)
        axes.tick_params(labelsize=7.5, length=0)
        axes.spines[:].set_visible(False)
        axes.set_title(_share_text(pair.share), fontsize=8)
        axes.set_xticks(np.arange(0.5, pair.mean.shape[1] - 1), minor=True)
        axes.set_yticks(np.arange(0.5, pair.mean.shape[0] - 1), minor=True)
        axes.grid(which="minor", color="white", linewidth=1.0)
        axes.tick_params(which="minor", length=0)
    if not any(pair.is_clear.any() for pair in pairs):
        return
    bar = figure.colorbar(colours, ax=list(grid), pad=0.01, aspect=30)
    bar.set_label(reward, fontsize=8)
    bar.ax.tick_params(labelsize=7.5)
    bar.outline.set_visible(False)


def _write_cells(axes: Any, pair: PairPanel, limit: float) -> None:
    """The numbers, where they have room."""
    if max(pair.mean.shape) > 5:
        return
    for row, column in np.ndindex(*pair.mean.shape):
        value = float(pair.mean[row, column])
        axes.text(
            column,
            row,
            f"{_signed(value)}\n± {pair.deviation[row, column]:.3f}",
            ha="center",
            va="center",
            fontsize=6.5,
            color="white"
            if pair.is_clear[row, column] and abs(value) > 0.6 * limit
            else "0.15",
        )


def _signed(value: float) -> str:
    """With a minus sign as on the axes, and none where it rounds to 0."""
    text = f"{round(value, 3) + 0.0:+.3f}"
    return text.replace("-", "\N{MINUS SIGN}")


def _quiet(axes: Any) -> None:
    axes.tick_params(labelsize=7.5, length=2.5, color="0.6")
    axes.grid(axis="y", color="0.92")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("0.6")


def _share_text(share: tuple[float, float, float]) -> str:
    mean, low, high = (100 * value for value in share)
    return f"{mean:.1f} % [{low:.1f}, {high:.1f}]"
