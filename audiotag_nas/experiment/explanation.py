"""Which decisions mattered in a search: one screen, and a picture.

Reads the journal and learns the reward model from it anew, whatever searcher
chose the children. `search.importance` has the method, docs/explain.md how to
read the outcome. No TensorFlow.

A child that was stopped early is counted with the final reward that its curve
is typical of (`search.early_stopping`), by all children of the search. To
leave these out would be to choose children by their outcome: with the poor
ones gone, every effect looks smaller than it is. Failed children are left out:
the penalty that the searcher was told is not a measurement.
"""

import collections
import dataclasses
import os
import textwrap

import numpy as np

from audiotag_nas.config import ExperimentConfig, SearchConfig
from audiotag_nas.errors import StoreError
from audiotag_nas.experiment import stages
from audiotag_nas.experiment.workspace import Workspace
from audiotag_nas.report.explain_plot import (
    EffectPanel,
    PairPanel,
    plot_importance,
)
from audiotag_nas.report.tables import format_table
from audiotag_nas.search.importance import (
    MAX_CELLS,
    Importance,
    Share,
    explained_share,
    importance,
)
from audiotag_nas.search.journal import JournalEntry, read_entries
from audiotag_nas.search.one_thread import one_blas_thread
from audiotag_nas.search.reward_model import RewardModel
from audiotag_nas.space import SearchSpace, Tokens
from audiotag_nas.trial import TrialStatus

MIN_WHOLE = 8
"""Children that must have been trained whole."""

_MAX_ITERATIONS = 200
_CLEAR_DEVIATIONS = 3.0
"""[own]: by chance, in every fifth search the best choice of some decision that
does not matter lies two deviations over its worst."""

_MAX_FINDINGS = 3
_WIDTH = 79

_MEASURES = {
    "eer": "1 - mean EER",
    "auc": "mean AUC",
    "loss": "exp(-loss)",
    "binormal_eer": "1 - binormal EER",
}
_FORMS = {
    "_last": " of the last epoch",
    "_mean3": " over the last three epochs",
    "_average": " averaged over epochs",
}
_PARTS = {
    "filters": "number of filters",
    "height": "filter height",
    "width": "filter width",
}


@dataclasses.dataclass(frozen=True)
class Explanation:
    """What a search says about its decisions.

    Attributes:
        name: of the experiment.
        space: the decisions.
        reward: what it is, in words.
        num_whole, num_stopped, num_failed: children.
        num_networks: different ones among those that did not fail.
        noise: standard deviation of the reward from training to training of
            a network; None where none was trained twice.
        error: root mean square of the leave-one-out predictions' errors.
        explained: R^2 of the leave-one-out predictions.
        importance: of the decisions and pairs.
    """

    name: str
    space: SearchSpace
    reward: str
    num_whole: int
    num_stopped: int
    num_failed: int
    num_networks: int
    noise: float | None
    error: float
    explained: float
    importance: Importance

    @property
    def num_children(self) -> int:
        """Those that count."""
        return self.num_whole + self.num_stopped

    @property
    def clear_decisions(self) -> list[int]:
        """Those whose best choice is clearly better than the worst.

        By more than three standard deviations; none where the model foretells
        nothing.
        """
        if self.explained <= 0:
            return []
        return [
            effect.decision
            for effect in self.importance.effects
            if effect.contrast.mean
            > _CLEAR_DEVIATIONS * effect.contrast.deviation
        ]


@one_blas_thread()
def explain(workdir: str | os.PathLike) -> Explanation:
    """Learns from the children of the search in `workdir`.

    Raises:
        StoreError: no experiment was begun there, its journal is damaged, or
            there are too few children.
    """
    workspace = Workspace(workdir)
    config = workspace.read_config()
    entries = [
        entry
        for entry in read_entries(workspace.journal_path)
        if entry.trial.stage == "search"
    ]
    num_whole = sum(entry.result.is_whole for entry in entries)
    num_stopped = sum(entry.result.stopped_epoch > 0 for entry in entries)
    num_failed = sum(
        entry.result.status is TrialStatus.FAILED for entry in entries
    )
    if num_whole < MIN_WHOLE:
        raise StoreError(
            f"{workspace.journal_path}: to explain a search, at least "
            f"{MIN_WHOLE} children must have been trained whole. Received: "
            f"{num_whole} ({num_stopped} stopped early, {num_failed} failed)"
        )
    space = config.search.space()
    rewards = fair_rewards(config, entries)
    model = RewardModel(space)
    model.learn(rewards, max_iterations=_MAX_ITERATIONS)
    predicted, told = model.leave_one_out()
    is_repeated = bool((model.num_rewards > 1).any())
    return Explanation(
        name=config.name,
        space=space,
        reward=reward_words(config.search),
        num_whole=num_whole,
        num_stopped=num_stopped,
        num_failed=num_failed,
        num_networks=len(rewards),
        noise=model.scale * model.noise_variance**0.5 if is_repeated else None,
        error=model.scale * float(np.mean((predicted - told) ** 2)) ** 0.5,
        explained=explained_share(model),
        importance=importance(
            model, space, seed=stages.derive_seed(config.seed, "explain")
        ),
    )


def fair_rewards(
    config: ExperimentConfig, entries: list[JournalEntry]
) -> dict[Tokens, list[float]]:
    """The rewards of every network of the search, those of whole trainings.

    Of a child that was stopped early, the one that its curve is typical of.
    """
    stopper = stages.early_stopper(config)
    if stopper is not None:
        stopper.tell([entry.result for entry in entries])
    rewards = collections.defaultdict(list)
    for entry in entries:
        reward = entry.result.reward
        if reward is None:
            continue
        if stopper is not None and not entry.result.is_whole:
            reward = stopper.fair_reward(entry.result)
        rewards[entry.trial.tokens].append(reward)
    return dict(rewards)


def reward_words(search: SearchConfig) -> str:
    """`1 - binormal EER`, `mean AUC of the last epoch, less costs`."""
    for suffix, words in _FORMS.items():
        if search.reward.endswith(suffix):
            text = _MEASURES[search.reward.removesuffix(suffix)] + words
            break
    else:
        text = _MEASURES[search.reward]
    return text + (", less costs" if search.weighs_costs else "")


def decision_words(name: str) -> str:
    """`block3_height` as `block 3's filter height`."""
    block, _, part = name.partition("_")
    number = block.removeprefix("block")
    if block.startswith("block") and number.isdigit() and part in _PARTS:
        return f"block {number}'s {_PARTS[part]}"
    return name.replace("_", " ")


def explanation_lines(explanation: Explanation) -> list[str]:
    """The screen."""
    lines = [
        f"{explanation.name}: which decisions of the search mattered",
        f"children: {_children_words(explanation)}",
        f"reward: {explanation.reward}",
        f"noise: {_noise_words(explanation)}",
        "model: of networks left out it foretells "
        f"{100 * max(explanation.explained, 0.0):.0f} % of the variance; it "
        f"is {explanation.error:.4f} off",
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


def draw_explanation(explanation: Explanation, path: str | os.PathLike) -> None:
    """The picture: every decision, and the strongest pairs."""
    space, clear = explanation.space, explanation.clear_decisions
    effects = [
        EffectPanel(
            name=decision_words(space.decisions[e.decision].name),
            choices=[str(c) for c in space.decisions[e.decision].choices],
            mean=e.mean,
            deviation=e.deviation,
            share=(e.share.mean, e.share.low, e.share.high),
            is_clear=e.decision in clear,
        )
        for e in explanation.importance.effects
    ]
    pairs = [
        PairPanel(
            names=tuple(
                decision_words(space.decisions[d].name) for d in pair.decisions
            ),
            choices=tuple(
                [str(c) for c in space.decisions[d].choices]
                for d in pair.decisions
            ),
            mean=pair.mean,
            deviation=pair.deviation,
            share=(pair.share.mean, pair.share.low, pair.share.high),
        )
        for pair in explanation.importance.pairs
    ]
    try:
        plot_importance(
            path,
            effects,
            pairs,
            reward=explanation.reward,
            title=f"{explanation.name}: how the reward depends on each "
            f"decision, by {explanation.num_children} children",
        )
    except OSError as error:
        raise StoreError(
            f"{path}: can't be written ({error.strerror})."
        ) from error


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
    if explanation.explained <= 0:
        return _wrapped(
            "No decision stands out: the model foretells networks left out "
            "no better than their mean does. More children may tell."
        )
    if not clear:
        return _wrapped(
            "No decision stands out: none has a choice that is better than "
            f"its others by more than {_CLEAR_DEVIATIONS:.0f} standard "
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
