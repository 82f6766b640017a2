"""Reports the scores of the rewards as text and as a picture."""

import os
from collections.abc import Sequence

from audiotag_nas.report.figures import COLORS, pyplot, write_figure
from audiotag_nas.report.tables import format_table
from audiotag_nas.training.rewards import MEASURES
from benchmarks.reward_study.measurement import (
    FOLDS,
    PAPERS_REWARD,
    TARGETS,
    Estimate,
    RewardScore,
)
from benchmarks.reward_study.noise import Noise
from benchmarks.table.reward_forms import FORMS

_TARGET_NAMES = {
    "cross": "mean final EER of the network's other trials",
    "same": "mean final EER of all the network's trials",
}
_MARKERS = "os^D"  # one marker per measure
_FORM_NAMES = {
    "": "best epoch",
    "_last": "last epoch",
    "_mean3": "mean of the last three epochs",
    "_average": "exponential moving average",
}


def reward_report(
    noise: Noise, scores: Sequence[RewardScore], *, subset_size: int
) -> str:
    """Returns the tables of noise, best rewards and all scores."""
    parts = [_noise_text(noise), _winners_text(scores, subset_size)]
    for target in _targets(scores):
        for folds in FOLDS:
            chosen = [
                s for s in scores if s.target == target and s.folds == folds
            ]
            parts += [
                f"Kendall's tau with the {_TARGET_NAMES[target]}; {folds}",
                _matrix(chosen, "tau", scale=1.0),
                f"Selection regret of {subset_size} networks in 0.01 EER, "
                f"{_TARGET_NAMES[target]}; {folds}",
                _matrix(chosen, "regret", scale=100.0),
            ]
    return "\n\n".join(parts) + "\n"


def plot_rewards(
    path: str | os.PathLike, scores: Sequence[RewardScore]
) -> None:
    """Draws tau over epochs: a row per choice of folds, a column per form.

    The target is `cross`, or `same` if `cross` was not measured.
    """
    target = _targets(scores)[0]
    figure, grid = pyplot().subplots(
        len(FOLDS),
        len(FORMS),
        figsize=(12, 6),
        layout="constrained",
        sharex=True,
        sharey=True,
        squeeze=False,
    )
    for row, folds in zip(grid, FOLDS, strict=True):
        for axes, form in zip(row, FORMS, strict=True):
            for number, measure in enumerate(MEASURES):
                curve = [
                    s
                    for s in scores
                    if (s.target, s.folds) == (target, folds)
                    and s.reward == measure + form
                ]
                axes.errorbar(
                    [s.num_epochs for s in curve],
                    [s.tau.value for s in curve],
                    [s.tau.error for s in curve],
                    color=COLORS[number],
                    marker=_MARKERS[number],
                    markersize=4,
                    capsize=2,
                    label=measure,
                )
            axes.set_title(f"{_FORM_NAMES[form]}, {folds}", fontsize=9)
            axes.grid(color="0.9")
            axes.spines[["top", "right"]].set_visible(False)
    for axes in grid[-1]:
        axes.set_xlabel("epochs")
    for row in grid:
        row[0].set_ylabel("Kendall's tau")
    grid[0][0].legend(frameon=False)
    title = f"rank correlation of rewards with the {_TARGET_NAMES[target]}"
    write_figure(figure, path, f"{title} (bars: standard errors)")


def _targets(scores: Sequence[RewardScore]) -> list[str]:
    return [t for t in TARGETS if any(s.target == t for s in scores)]


def _noise_text(noise: Noise) -> str:
    rows = [
        ["networks", f"{noise.num_networks}"],
        ["trials", f"{noise.num_trials}"],
        ["final EER, standard deviation", f"{noise.spread:.4f}"],
        ["  between seeds", _number(noise.seed_deviation, 4)],
        ["  Kendall's tau between seeds", _number(noise.seed_tau, 3)],
        *(
            [f"  tau with the evaluation EER of epoch {epoch}", f"{tau:.3f}"]
            for epoch, tau in noise.epoch_taus.items()
        ),
        ["CPU seconds per trial", f"{noise.mean_cpu_seconds:.2f}"],
        ["CPU hours in total", f"{noise.total_cpu_seconds / 3600:.2f}"],
    ]
    return format_table(rows, headers=["recorded trials", ""])


def _winners_text(scores: Sequence[RewardScore], subset_size: int) -> str:
    """Returns the reward with the best tau per target, folds and fidelity."""
    parts = []
    for target in _targets(scores):
        rows = []
        for folds in FOLDS:
            for epochs in dict.fromkeys(s.num_epochs for s in scores):
                compared = [
                    s
                    for s in scores
                    if (s.target, s.folds, s.num_epochs)
                    == (target, folds, epochs)
                ]
                best = max(compared, key=lambda s: s.tau.value)
                rows.append(
                    [
                        folds,
                        str(epochs),
                        best.reward,
                        _estimate(best.tau),
                        _estimate(best.tau_gain),
                        _estimate(best.regret, 100.0),
                        _estimate(best.regret_gain, 100.0),
                    ]
                )
        headers = [
            *("folds", "epochs", "highest tau", "tau"),
            f"gain over {PAPERS_REWARD}",
            "regret (0.01)",
            f"gain over {PAPERS_REWARD}",
        ]
        parts.append(
            f"Best rewards, {_TARGET_NAMES[target]}; selection regret of "
            f"{subset_size} networks\n\n"
            + format_table(rows, headers=headers, align="lrlrrrr")
        )
    return "\n\n".join(parts)


def _matrix(scores: Sequence[RewardScore], number: str, *, scale: float) -> str:
    """Returns a table with a row per reward and a column per fidelity."""
    epochs = list(dict.fromkeys(s.num_epochs for s in scores))
    rows = []
    for reward in dict.fromkeys(s.reward for s in scores):
        cells = [
            _estimate(getattr(s, number), scale)
            for s in scores
            if s.reward == reward
        ]
        rows.append([reward, *cells])
    headers = ["reward", *(f"{n} epochs" for n in epochs)]
    return format_table(rows, headers=headers)


def _estimate(estimate: Estimate, scale: float = 1.0) -> str:
    return f"{scale * estimate.value:.2f} ± {scale * estimate.error:.2f}"


def _number(value: float, digits: int) -> str:
    return "-" if value != value else f"{value:.{digits}f}"
