"""Which decisions mattered in a search, and a picture of it.

Reads the journal and learns the reward model from it anew, whatever searcher
chose the children. `search.importance` has the method, `explanation_screen`
the words, docs/explain.md how to read them. No TensorFlow.

A child that was stopped early is counted with the final reward that its curve
is typical of (`search.early_stopping`), by all children of the search. To
leave these out would be to choose children by their outcome: with the poor
ones gone, every effect looks smaller than it is. Failed children are left out:
the penalty that the searcher was told is not a measurement.
"""

import collections
import dataclasses
import os

import numpy as np

from audiotag_nas.config import ExperimentConfig, SearchConfig
from audiotag_nas.errors import ConfigError, StoreError
from audiotag_nas.experiment import stages
from audiotag_nas.experiment.workspace import Workspace
from audiotag_nas.inspection.importance import (
    Importance,
    explained_error,
    explained_share,
    importance,
)
from audiotag_nas.report.explain_plot import (
    EffectPanel,
    PairPanel,
    plot_importance,
)
from audiotag_nas.search.journal import JournalEntry, read_entries
from audiotag_nas.search.one_thread import one_blas_thread
from audiotag_nas.search.reinforce.reward_model import RewardModel
from audiotag_nas.space import SearchSpace, Tokens
from audiotag_nas.trial import MAX_REWARD, TrialStatus

MIN_WHOLE = 8
"""Children that must have been trained whole."""

_MAX_ITERATIONS = 200
CLEAR_DEVIATIONS = 3.0
"""[own]: by chance, in every fifth search the best choice of some decision that
does not matter lies two deviations over its worst."""

_KNOWN_ERRORS = 2.0
"""[own]: how many standard errors above 0 R^2 must be to say something."""

_MEASURES = {
    "eer": "1 - mean EER",
    "auc": "mean AUC",
    "loss": "exp(-loss)",
    "binormal_eer": "1 - binormal EER",
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
        explained_error: its standard error.
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
    explained_error: float
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
            > CLEAR_DEVIATIONS * effect.contrast.deviation
        ]

    @property
    def is_known(self) -> bool:
        """Whether the model foretells more than chance would, or one decision.

        Shares of the variance of a model that does not say what it was made
        with, and nothing of the search: that no decision is known to differ
        from any other.
        """
        beyond_chance = self.explained > _KNOWN_ERRORS * self.explained_error
        return beyond_chance or bool(self.clear_decisions)


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
    for entry in entries:
        _check_entry(entry, space, workspace)
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
        explained_error=explained_error(model),
        importance=importance(
            model, space, seed=stages.derive_seed(config.seed, "explain")
        ),
    )


def _check_entry(
    entry: JournalEntry, space: SearchSpace, workspace: Workspace
) -> None:
    """Raises StoreError where a trial is not one of the config's search."""
    where = f"{workspace.journal_path}, line {entry.line_number}"
    try:
        space.validate(entry.trial.tokens)
    except ConfigError as error:
        raise StoreError(f"{where}: {error}") from None
    reward = entry.result.reward
    if reward is not None and abs(reward) > MAX_REWARD:
        raise StoreError(
            f"{where}: a reward must be at most {MAX_REWARD:g} in magnitude. "
            f"Received: {reward:g}"
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
    """`1 - binormal EER`, `mean AUC, less costs`."""
    costs = ", less costs" if search.weighs_costs else ""
    return _MEASURES[search.reward] + costs


def draw_explanation(explanation: Explanation, path: str | os.PathLike) -> None:
    """The picture: every decision, and the strongest pairs.

    Without pairs and shares where the model knows nothing.
    """
    space, clear = explanation.space, explanation.clear_decisions
    is_known = explanation.is_known
    effects = [
        EffectPanel(
            name=space.decisions[e.decision].name,
            choices=[str(c) for c in space.decisions[e.decision].choices],
            mean=e.mean,
            deviation=e.deviation,
            share=(e.share.mean, e.share.low, e.share.high)
            if is_known
            else None,
            is_clear=e.decision in clear,
        )
        for e in explanation.importance.effects
    ]
    pairs = [
        PairPanel(
            names=tuple(space.decisions[d].name for d in pair.decisions),
            choices=tuple(
                [str(c) for c in space.decisions[d].choices]
                for d in pair.decisions
            ),
            mean=pair.mean,
            deviation=pair.deviation,
            is_clear=np.abs(pair.mean) > CLEAR_DEVIATIONS * pair.deviation,
            share=(pair.share.mean, pair.share.low, pair.share.high),
        )
        for pair in explanation.importance.pairs
        if is_known
    ]
    try:
        plot_importance(
            path,
            effects,
            pairs,
            reward=explanation.reward,
            title=f"{explanation.name}: how the reward depends on each "
            f"decision, by {explanation.num_children} children"
            + ("" if is_known else " - not known yet"),
        )
    except OSError as error:
        raise StoreError(
            f"{path}: can't be written ({error.strerror})."
        ) from error
