"""The measurement of the rewards as text, and as a picture."""

import io
import os
from collections.abc import Sequence

from audiotag_nas.files import atomic_write_bytes
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

_AGAINST = {
    "cross": "final EER, mean over the network's other trainings",
    "same": "final EER, mean over all the network's trainings",
}
_COLOURS = {
    "eer": "#0072B2",
    "auc": "#D55E00",
    "loss": "#009E73",
    "binormal_eer": "#CC79A7",
}
_MARKERS = {"eer": "o", "auc": "s", "loss": "^", "binormal_eer": "D"}
_FORM_NAMES = {
    "": "best epoch",
    "_last": "last epoch",
    "_mean3": "mean of the last three",
    "_average": "exponential average",
}


def reward_report(
    noise: Noise, scores: Sequence[RewardScore], *, subset_size: int
) -> str:
    """The noise, the winners, and every number."""
    parts = [_noise_text(noise), _winners_text(scores, subset_size)]
    for target in _targets(scores):
        for folds in FOLDS:
            chosen = [
                s for s in scores if s.target == target and s.folds == folds
            ]
            parts += [
                f"Kendall's tau with the {_AGAINST[target]}; {folds}",
                _matrix(chosen, "tau", scale=1.0),
                f"Regret of the pick of {subset_size}, in 0.01 of EER, by the "
                f"{_AGAINST[target]}; {folds}",
                _matrix(chosen, "regret", scale=100.0),
            ]
    return "\n\n".join(parts) + "\n"


def plot_rewards(
    path: str | os.PathLike, scores: Sequence[RewardScore]
) -> None:
    """Tau over epochs: a row for what is seen, a column a form.

    Against the other trainings where they are measured.
    """
    from matplotlib.figure import Figure

    target = _targets(scores)[0]
    figure = Figure(figsize=(12, 6), layout="constrained")
    grid = figure.subplots(
        len(FOLDS), len(FORMS), sharex=True, sharey=True, squeeze=False
    )
    for row, folds in zip(grid, FOLDS, strict=True):
        for axes, form in zip(row, FORMS, strict=True):
            for measure in MEASURES:
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
                    color=_COLOURS[measure],
                    marker=_MARKERS[measure],
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
    figure.suptitle(
        f"how well a reward tells the {_AGAINST[target]} "
        "(bars: standard errors)"
    )
    buffer = io.BytesIO()
    # No date in the file: the same values give the same bytes.
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    atomic_write_bytes(path, buffer.getvalue())


def _targets(scores: Sequence[RewardScore]) -> list[str]:
    return [t for t in TARGETS if any(s.target == t for s in scores)]


def _noise_text(noise: Noise) -> str:
    rows = [
        ["networks", f"{noise.num_networks}"],
        ["trainings", f"{noise.num_trainings}"],
        ["final EER, standard deviation", f"{noise.spread:.4f}"],
        ["  from seed to seed", _number(noise.seed_deviation, 4)],
        ["  Kendall's tau between seeds", _number(noise.seed_tau, 3)],
        *(
            [f"  tau with the evaluation EER of epoch {epoch}", f"{tau:.3f}"]
            for epoch, tau in noise.epoch_taus.items()
        ),
        ["CPU seconds of a training", f"{noise.mean_cpu_seconds:.2f}"],
        ["CPU hours of all", f"{noise.total_cpu_seconds / 3600:.2f}"],
    ]
    return format_table(rows, headers=["the recorded trainings", ""])


def _winners_text(scores: Sequence[RewardScore], subset_size: int) -> str:
    """For each target, folds and fidelity the reward of the highest tau."""
    parts = []
    for target in _targets(scores):
        rows = []
        for folds in FOLDS:
            for epochs in dict.fromkeys(s.num_epochs for s in scores):
                rivals = [
                    s
                    for s in scores
                    if (s.target, s.folds, s.num_epochs)
                    == (target, folds, epochs)
                ]
                best = max(rivals, key=lambda s: s.tau.value)
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
            *("seen", "epochs", "highest tau", "tau"),
            f"above {PAPERS_REWARD}'s",
            "regret (0.01)",
            f"below {PAPERS_REWARD}'s",
        ]
        parts.append(
            f"The best rewards, by the {_AGAINST[target]}; "
            f"regret of the pick of {subset_size}\n\n"
            + format_table(rows, headers=headers, align="lrlrrrr")
        )
    return "\n\n".join(parts)


def _matrix(scores: Sequence[RewardScore], number: str, *, scale: float) -> str:
    """A row a reward, a column a fidelity."""
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
