"""Which decisions mattered in a search, as one screen of text."""

import textwrap

from audiotag_nas.inspection.explanation import CLEAR_DEVIATIONS, Explanation
from audiotag_nas.inspection.importance import MAX_CELLS, Share
from audiotag_nas.report.tables import format_table

_MAX_FINDINGS = 3
_WIDTH = 79

_NOT_KNOWN = (
    "Not known yet: what the model foretells may be chance (see model, below)."
)
_PARTS = {
    "filters": "number of filters",
    "height": "filter height",
    "width": "filter width",
}


def decision_words(name: str) -> str:
    """`block3_height` as `block 3's filter height`."""
    block, _, part = name.partition("_")
    number = block.removeprefix("block")
    if block.startswith("block") and number.isdigit() and part in _PARTS:
        return f"block {number}'s {_PARTS[part]}"
    return name.replace("_", " ")


def explanation_lines(explanation: Explanation) -> list[str]:
    """The screen; where the model knows nothing, that and no tables."""
    lines = [
        f"{explanation.name}: which decisions of the search mattered",
        f"children: {_children_words(explanation)}",
        f"reward: {explanation.reward}",
        f"noise: {_noise_words(explanation)}",
        f"model: {_model_words(explanation)}",
    ]
    if not explanation.is_known:
        lines.insert(1, _NOT_KNOWN)
        return [*lines, "", *_finding_lines(explanation)]
    lines += [
        "",
        _decision_table(explanation),
        f"all main effects: {_percent(explanation.importance.main_share)}; "
        "the rest is pairs and more",
    ]
    if explanation.importance.pairs:
        lines += ["", _pair_table(explanation)]
    names = [decision.name for decision in explanation.space.decisions]
    lines += [
        f"left out: {names[first]} x {names[second]}, of the strongest pairs; "
        f"together they may have {MAX_CELLS} combinations"
        for first, second in explanation.importance.left_out
    ]
    return [*lines, "", *_finding_lines(explanation)]


def _children_words(explanation: Explanation) -> str:
    text = f"{explanation.num_children} of {explanation.num_networks} networks"
    if explanation.num_stopped:
        text += (
            f", {explanation.num_stopped} of them stopped early and counted "
            "by what their curves are typical of"
        )
    if explanation.num_failed:
        text += f"; {explanation.num_failed} failed and are left out"
    return text


def _noise_words(explanation: Explanation) -> str:
    if explanation.noise is None:
        return "not known, since no network was trained twice"
    return (
        "from training to training of a network the reward varies by "
        f"{explanation.noise:.4f}"
    )


def _model_words(explanation: Explanation) -> str:
    """Of how much it foretells, and how far off it is: up to 79 letters."""
    percent = 100 * max(explanation.explained, 0.0)
    error = 100 * explanation.explained_error
    return (
        f"foretells {percent:.0f} % (+- {error:.0f}) of the variance of "
        f"networks left out; {explanation.error:.4f} off"
    )


def _decision_table(explanation: Explanation) -> str:
    clear = explanation.clear_decisions
    rows = []
    for effect in explanation.importance.effects:
        decision = explanation.space.decisions[effect.decision]
        contrast = effect.contrast
        rows.append(
            [
                decision.name + (" *" if effect.decision in clear else ""),
                _percent(effect.share),
                decision.choices[contrast.better],
                decision.choices[contrast.worse],
                _plus_minus(contrast.mean, contrast.deviation),
            ]
        )
    return format_table(
        rows,
        headers=[
            *("decision", "share [90 % int.]"),
            *("best", "worst", "best over worst"),
        ],
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
        headers=[
            *("strongest pairs", "share [90 % int.]"),
            *("best", "beyond each"),
        ],
        align="lrrr",
    )


def _finding_lines(explanation: Explanation) -> list[str]:
    clear = explanation.clear_decisions
    if not explanation.is_known:
        reason = (
            "no better than their mean does"
            if explanation.explained <= 0
            else "better than their mean does by at most two standard errors"
        )
        return _wrapped(
            "No decision stands out: the model foretells networks left out "
            f"{reason}. Shares, pairs and best choices are not listed, since "
            "they would be the model's guesses. More children may tell."
        )
    if not clear:
        return _wrapped(
            "No decision stands out: none has a choice that is better than "
            f"its others by more than {CLEAR_DEVIATIONS:.0f} standard "
            "deviations. More children may tell."
        )
    lines = []
    effects = {e.decision: e for e in explanation.importance.effects}
    for number in clear[:_MAX_FINDINGS]:
        decision, contrast = (
            explanation.space.decisions[number],
            effects[number].contrast,
        )
        words = decision_words(decision.name)
        lines += _wrapped(
            f"{words[0].upper()}{words[1:]}: "
            f"{decision.choices[contrast.better]} rather than "
            f"{decision.choices[contrast.worse]} raises the reward by "
            f"{contrast.mean:.4f} +- {contrast.deviation:.4f}."
        )
    others = len(clear) - _MAX_FINDINGS
    if others > 0:
        lines.append(f"{others} more decisions stand out (*).")
    return lines


def _percent(share: Share) -> str:
    values = [100 * v for v in (share.mean, share.low, share.high)]
    return "{:.1f} % [{:4.1f}, {:4.1f}]".format(*values)


def _plus_minus(mean: float, deviation: float) -> str:
    return f"{mean:+.4f} +- {deviation:.4f}"


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH)
