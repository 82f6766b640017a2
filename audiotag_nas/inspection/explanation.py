"""The explanation of a search: the importance of its decisions, and a picture.

The reward model is fitted to the trials of the search, which any searcher may
have chosen. `importance` defines the method, `explanation_screen` writes the
text, and docs/guide/explain.md tells how to read it. TensorFlow is not
imported.

If a trial was stopped early, its final reward is estimated from its learning
curve (`search.early_stopping`). Without such trials, poor architectures would
be missing, and every effect would look smaller than it is. Failed trials are
left out, because a penalty is not a measurement.
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
    LeaveOneOutFit,
    importance,
    leave_one_out_fit,
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
"""The minimum number of trials that were trained in full."""

_MAX_ITERATIONS = 200
SIGNIFICANT_DEVIATIONS = 3.0
"""A larger difference between best and worst choice is significant. Three is
this project's choice: in every fifth search, irrelevant decisions exceed 2."""

_CONCLUSIVE_ERRORS = 2.0
"""R² is above chance beyond so many standard errors (this project's choice)."""

_MEASURES = {
    "eer": "1 - mean EER",
    "auc": "mean AUC",
    "loss": "exp(-loss)",
    "binormal_eer": "1 - binormal EER",
}


@dataclasses.dataclass(frozen=True)
class Explanation:
    """The importance of a search's decisions, and how certain it is.

    Attributes:
        name: the name of the experiment.
        space: the search space.
        reward: the definition of the reward, in words.
        num_whole, num_stopped, num_failed: the numbers of trials that were
            trained in full, that were stopped early, and that failed.
        num_architectures: the number of different architectures among the
            trials that did not fail.
        noise: the standard deviation of the rewards of one architecture that is
            trained repeatedly; None if no architecture was trained twice.
        fit: the leave-one-out fit of the reward model.
        importance: the main effects and the interactions.
    """

    name: str
    space: SearchSpace
    reward: str
    num_whole: int
    num_stopped: int
    num_failed: int
    num_architectures: int
    noise: float | None
    fit: LeaveOneOutFit
    importance: Importance

    @property
    def num_trials(self) -> int:
        """The number of trials that did not fail."""
        return self.num_whole + self.num_stopped

    @property
    def significant_decisions(self) -> list[int]:
        """Indices of decisions with a significant difference between choices.

        The difference in mean reward exceeds `SIGNIFICANT_DEVIATIONS` standard
        deviations. If R² is 0 or less, no decision is significant.
        """
        if self.fit.r2 <= 0:
            return []
        return [
            effect.decision
            for effect in self.importance.effects
            if effect.contrast.mean
            > SIGNIFICANT_DEVIATIONS * effect.contrast.deviation
        ]

    @property
    def is_conclusive(self) -> bool:
        """True if R² is above chance or at least one decision is significant.

        If False, shares of variance reflect the model's prior, not the search.
        """
        above_chance = self.fit.r2 > _CONCLUSIVE_ERRORS * self.fit.r2_error
        return above_chance or bool(self.significant_decisions)


@one_blas_thread()
def explain(workdir: str | os.PathLike) -> Explanation:
    """Explains the search in `workdir`.

    Raises:
        StoreError: `workdir` contains no experiment, or the experiment's
            journal is damaged or has too few trials.
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
            f"{MIN_WHOLE} trials must have been trained in full. Received: "
            f"{num_whole} ({num_stopped} stopped early, {num_failed} failed)"
        )
    space = config.search.space()
    for entry in entries:
        _check_entry(entry, space, workspace)
    rewards = final_rewards(config, entries)
    model = RewardModel(space)
    model.learn(rewards, max_iterations=_MAX_ITERATIONS)
    is_repeated = bool((model.num_rewards > 1).any())
    return Explanation(
        name=config.name,
        space=space,
        reward=reward_words(config.search),
        num_whole=num_whole,
        num_stopped=num_stopped,
        num_failed=num_failed,
        num_architectures=len(rewards),
        noise=model.scale * model.noise_variance**0.5 if is_repeated else None,
        fit=leave_one_out_fit(model),
        importance=importance(
            model, space, seed=stages.derive_seed(config.seed, "explain")
        ),
    )


def _check_entry(
    entry: JournalEntry, space: SearchSpace, workspace: Workspace
) -> None:
    """Raises StoreError if the tokens or the reward of a trial are invalid."""
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


def final_rewards(
    config: ExperimentConfig, entries: list[JournalEntry]
) -> dict[Tokens, list[float]]:
    """Returns each point's final rewards, with estimates for stopped trials."""
    stopper = stages.early_stopper(config)
    if stopper is not None:
        stopper.tell([entry.result for entry in entries])
    rewards = collections.defaultdict(list)
    for entry in entries:
        reward = entry.result.reward
        if reward is None:
            continue
        if stopper is not None and not entry.result.is_whole:
            reward = stopper.estimated_final_reward(entry.result)
        rewards[entry.trial.tokens].append(reward)
    return dict(rewards)


def reward_words(search: SearchConfig) -> str:
    """Returns the reward in words, e.g. `mean AUC, minus costs`."""
    costs = ", minus costs" if search.weighs_costs else ""
    return _MEASURES[search.reward] + costs


def draw_explanation(explanation: Explanation, path: str | os.PathLike) -> None:
    """Draws main effects and, if the search is conclusive, interactions.

    Raises:
        StoreError: the picture can't be written.
    """
    space, significant = explanation.space, explanation.significant_decisions
    is_conclusive = explanation.is_conclusive
    effects = [
        EffectPanel(
            name=space.decisions[e.decision].name,
            choices=[str(c) for c in space.decisions[e.decision].choices],
            mean=e.mean,
            deviation=e.deviation,
            share=(e.share.mean, e.share.low, e.share.high)
            if is_conclusive
            else None,
            is_significant=e.decision in significant,
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
            is_significant=np.abs(pair.mean)
            > SIGNIFICANT_DEVIATIONS * pair.deviation,
            share=(pair.share.mean, pair.share.low, pair.share.high),
        )
        for pair in explanation.importance.pairs
        if is_conclusive
    ]
    try:
        plot_importance(
            path,
            effects,
            pairs,
            reward=explanation.reward,
            title=f"{explanation.name}: main effects and interactions "
            f"({explanation.num_trials} trials)"
            + ("" if is_conclusive else " - inconclusive"),
        )
    except OSError as error:
        raise StoreError(
            f"{path}: can't be written ({error.strerror})."
        ) from error
