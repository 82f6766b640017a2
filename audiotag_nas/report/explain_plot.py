"""A picture of a search's main effects, and heat maps of pairs of decisions.

Each decision has a panel, which shows the effect of each choice on the reward
and bands of one and two standard deviations. The most important decision comes
first, and all panels have the same scale. Heat maps below the panels show the
joint effects of the strongest pairs.
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
_GRAY = "0.55"
_CELL_GRAY = (0.92, 0.92, 0.92, 1.0)


@dataclasses.dataclass(frozen=True)
class EffectPanel:
    """The main effect of a decision with n choices.

    Attributes:
        name: the name of the decision.
        choices: the labels of the n choices.
        mean, deviation: (n,), the posterior mean and the posterior standard
            deviation of each choice's effect.
        share: the effect's share of the variance, 0 to 1, and the two ends of
            its credible interval; None for an inconclusive search.
        is_significant: whether the panel is drawn in color instead of gray.
    """

    name: str
    choices: Sequence[str]
    mean: npt.NDArray
    deviation: npt.NDArray
    share: tuple[float, float, float] | None
    is_significant: bool


@dataclasses.dataclass(frozen=True)
class PairPanel:
    """The joint effect of two decisions with n and m choices.

    Attributes:
        names: the names of the two decisions.
        choices: the labels of the n choices and of the m choices.
        mean, deviation: (n, m), the posterior mean and the posterior standard
            deviation of each joint effect, which includes both main effects.
        is_significant: (n, m), whether each cell is drawn in color.
        share: the interaction's share of the variance, as in `EffectPanel`.
    """

    names: tuple[str, ...]
    choices: tuple[Sequence[str], ...]
    mean: npt.NDArray
    deviation: npt.NDArray
    is_significant: npt.NDArray
    share: tuple[float, float, float]


def plot_importance(
    path: str | os.PathLike,
    effects: Sequence[EffectPanel],
    pairs: Sequence[PairPanel],
    *,
    reward: str,
    title: str = "",
) -> None:
    """Draws all effects in the given order, and the first four pairs.

    Args:
        path: the path of the picture; its suffix determines the format.
        effects: the panels of the decisions, at least one.
        pairs: the heat maps, possibly none.
        reward: the definition of the reward, for the labels.
        title: the title of the figure.
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
    figure.supylabel(f"main effect on the reward ({reward})", fontsize=9)
    shares = "share of variance [90 % credible interval]; "
    figure.suptitle(
        (shares if any(effect.share for effect in effects) else "")
        + "bands: ± one and two standard deviations; gray: not significant",
        fontsize=9,
        color="0.35",
    )


def _draw_effect(axes: Any, effect: EffectPanel) -> None:
    at = np.arange(len(effect.mean))
    color = COLORS[0] if effect.is_significant else _GRAY
    for deviations, alpha in ((2, 0.16), (1, 0.28)):
        axes.fill_between(
            at,
            effect.mean - deviations * effect.deviation,
            effect.mean + deviations * effect.deviation,
            color=color,
            alpha=alpha,
            linewidth=0,
        )
    axes.axhline(0.0, color="0.5", linewidth=0.7, linestyle=":")
    axes.plot(at, effect.mean, "o-", color=color, markersize=3.5, linewidth=1.4)
    axes.set_xticks(at, effect.choices)
    axes.set_xlim(-0.35, len(at) - 0.65)
    _style(axes)
    share = "" if effect.share is None else f"\n{_share_text(effect.share)}"
    axes.set_title(
        effect.name + share,
        fontsize=8,
        fontweight="bold" if effect.is_significant else "normal",
    )


def _draw_pairs(figure: Any, pairs: Sequence[PairPanel], reward: str) -> None:
    figure.suptitle(
        "joint effects of the strongest pairs (± one standard deviation; gray: "
        "not significant); above: the interaction's share of variance "
        "[90 % credible interval]",
        fontsize=9,
        color="0.35",
    )
    limit = max(float(np.abs(pair.mean).max()) for pair in pairs) or 1.0
    color_map = pyplot().cm.ScalarMappable(
        pyplot().Normalize(-limit, limit), "PuOr_r"
    )
    grid = figure.subplots(1, len(pairs), squeeze=False)[0]
    for axes, pair in zip(grid, pairs, strict=True):
        cells = color_map.to_rgba(pair.mean)
        cells[~pair.is_significant] = _CELL_GRAY
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
    if not any(pair.is_significant.any() for pair in pairs):
        return
    bar = figure.colorbar(color_map, ax=list(grid), pad=0.01, aspect=30)
    bar.set_label(f"joint effect ({reward})", fontsize=8)
    bar.ax.tick_params(labelsize=7.5)
    bar.outline.set_visible(False)


def _write_cells(axes: Any, pair: PairPanel, limit: float) -> None:
    """Writes the numbers into the cells, if the map is at most 5 by 5."""
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
            if pair.is_significant[row, column] and abs(value) > 0.6 * limit
            else "0.15",
        )


def _signed(value: float) -> str:
    """Returns three decimals with a typographic minus sign, and +0 for -0."""
    text = f"{round(value, 3) + 0.0:+.3f}"
    return text.replace("-", "\N{MINUS SIGN}")


def _style(axes: Any) -> None:
    axes.tick_params(labelsize=7.5, length=2.5, color="0.6")
    axes.grid(axis="y", color="0.92")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("0.6")


def _share_text(share: tuple[float, float, float]) -> str:
    mean, low, high = (100 * value for value in share)
    return f"{mean:.1f} % [{low:.1f}, {high:.1f}]"
