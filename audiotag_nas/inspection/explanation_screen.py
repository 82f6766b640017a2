"""One screen of text that tells how important each decision of a search is."""

import textwrap

from audiotag_nas.inspection.explanation import (
    SIGNIFICANT_DEVIATIONS,
    Explanation,
)
from audiotag_nas.inspection.importance import MAX_COMBINATIONS, Share
from audiotag_nas.report.tables import format_table

_MAX_FINDINGS = 3
_WIDTH = 79

_INCONCLUSIVE = (
    "Inconclusive: the surrogate fit (below) is not better than chance."
)
_SHARE = "share of variance"
_DECISION_LEGEND = [
    f"{_SHARE}: due to the decision's main effect [90 % credible interval]",
    "best, worst: the choices with the highest and the lowest mean reward",
    "best - worst: difference of these mean rewards ± its standard deviation",
    f"*: the difference exceeds {SIGNIFICANT_DEVIATIONS:.0f} standard "
    "deviations",
]
_PAIR_LEGEND = [
    f"{_SHARE}: due to the interaction [90 % credible interval]",
    "best: the two choices whose interaction effect is the largest",
    "effect: mean reward beyond both main effects ± its standard deviation",
]
_PARTS = {
    "filters": "number of filters",
    "height": "filter height",
    "width": "filter width",
}


def decision_words(name: str) -> str:
    """Turns `block3_height` into `block 3's filter height`."""
    block, _, part = name.partition("_")
    number = block.removeprefix("block")
    if block.startswith("block") and number.isdigit() and part in _PARTS:
        return f"block {number}'s {_PARTS[part]}"
    return name.replace("_", " ")


def explanation_lines(explanation: Explanation) -> list[str]:
    """Returns the screen's lines, with tables if the search is conclusive."""
    fit = explanation.fit
    lines = [
        f"{explanation.name}: importance of the search's decisions",
        f"trials: {_trials_words(explanation)}",
        f"reward: {explanation.reward}",
        f"noise: {_noise_words(explanation)}",
        # A negative R² is shown as 0: no better than predicting the mean.
        f"surrogate fit: leave-one-out R² {max(fit.r2, 0.0):.2f} ± "
        f"{fit.r2_error:.2f}, RMSE {fit.rmse:.4f}",
    ]
    if not explanation.is_conclusive:
        lines.insert(1, _INCONCLUSIVE)
        return [*lines, "", *_finding_lines(explanation)]
    found = explanation.importance
    lines += [
        *("", _decision_table(explanation)),
        f"all main effects: {_percent(found.main_share)} of the variance; "
        "interactions: the rest",
        *_DECISION_LEGEND,
    ]
    if found.pairs:
        lines += ["", _pair_table(explanation), *_PAIR_LEGEND]
    names = [decision.name for decision in explanation.space.decisions]
    lines += [
        f"not analyzed: {names[first]} x {names[second]}, a strong pair; the "
        f"limit for all pairs together is {MAX_COMBINATIONS} combinations"
        for first, second in found.skipped_pairs
    ]
    return [*lines, "", *_finding_lines(explanation)]


def _trials_words(explanation: Explanation) -> str:
    text = (
        f"{explanation.num_trials}, of {explanation.num_architectures} "
        "different architectures"
    )
    if explanation.num_stopped:
        text += f"; {explanation.num_stopped} stopped early"
    if explanation.num_failed:
        text += f"; {explanation.num_failed} failed (left out)"
    return text


def _noise_words(explanation: Explanation) -> str:
    if explanation.noise is None:
        return "unknown, since no architecture was trained twice"
    return (
        f"standard deviation {explanation.noise:.4f} between trainings of one "
        "architecture"
    )


def _decision_table(explanation: Explanation) -> str:
    significant = explanation.significant_decisions
    rows = []
    for effect in explanation.importance.effects:
        decision = explanation.space.decisions[effect.decision]
        contrast = effect.contrast
        rows.append(
            [
                decision.name
                + (" *" if effect.decision in significant else ""),
                _percent(effect.share),
                decision.choices[contrast.better],
                decision.choices[contrast.worse],
                _plus_minus(contrast.mean, contrast.deviation),
            ]
        )
    return format_table(
        rows,
        headers=["decision", _SHARE, "best", "worst", "best - worst"],
        align="lrrrr",
    )


def _pair_table(explanation: Explanation) -> str:
    rows = []
    for pair in explanation.importance.pairs:
        first, second = (explanation.space.decisions[d] for d in pair.decisions)
        best = int(pair.interaction.argmax())
        at = divmod(best, len(second.choices))
        rows.append(
            [
                f"{first.name} x {second.name}",
                _percent(pair.share),
                f"{first.choices[at[0]]}, {second.choices[at[1]]}",
                _plus_minus(
                    pair.interaction[at], pair.interaction_deviation[at]
                ),
            ]
        )
    return format_table(
        rows,
        headers=["strongest interactions", _SHARE, "best", "effect"],
        align="lrrr",
    )


def _finding_lines(explanation: Explanation) -> list[str]:
    significant = explanation.significant_decisions
    if not explanation.is_conclusive:
        reason = (
            "R² is not above 0"
            if explanation.fit.r2 <= 0
            else "R² is at most two standard errors above 0"
        )
        return _wrapped(
            f"No decision is significant: {reason}. Shares of variance, "
            "interactions and best choices are not listed, since they would "
            "reflect the model's prior. More trials may help."
        )
    if not significant:
        return _wrapped(
            "No decision is significant: no difference of best and worst "
            f"choice exceeds {SIGNIFICANT_DEVIATIONS:.0f} standard deviations. "
            "More trials may help."
        )
    lines = []
    effects = {e.decision: e for e in explanation.importance.effects}
    for number in significant[:_MAX_FINDINGS]:
        decision, contrast = (
            explanation.space.decisions[number],
            effects[number].contrast,
        )
        words = decision_words(decision.name)
        lines += _wrapped(
            f"{words[0].upper()}{words[1:]}: "
            f"{decision.choices[contrast.better]} rather than "
            f"{decision.choices[contrast.worse]} raises the reward by "
            f"{contrast.mean:.4f} ± {contrast.deviation:.4f}."
        )
    others = len(significant) - _MAX_FINDINGS
    if others > 0:
        lines.append(f"More significant decisions (marked with *): {others}.")
    return lines


def _percent(share: Share) -> str:
    values = [100 * v for v in (share.mean, share.low, share.high)]
    return "{:.1f} % [{:4.1f}, {:4.1f}]".format(*values)


def _plus_minus(mean: float, deviation: float) -> str:
    return f"{mean:+.4f} ± {deviation:.4f}"


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH)
