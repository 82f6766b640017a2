"""The trials of each stage of an experiment, as pure functions.

Stages: `baseline` (the CRNN baseline at the children's budget), `search`
(architectures), `grid` (mixup coefficient, spectrogram size and batch size
of the found architecture) and `final` (baseline and found network, at the
full budget). `train` trains the architecture of any trial again, where a
user asks for it. A trial depends on the config and the tokens alone, so that a
resumed experiment asks for the same ones.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

from audiotag_nas.architecture import (
    CRNN_BASELINE,
    Architecture,
    architecture_from_tokens,
)
from audiotag_nas.config import (
    ExperimentConfig,
    FinalConfig,
    GridConfig,
    SearchConfig,
)
from audiotag_nas.search.early_stopping import EarlyStopper, make_early_stopper
from audiotag_nas.search.searcher import SEARCHERS, searcher_settings
from audiotag_nas.space import Choice, Decision, SearchSpace, Tokens
from audiotag_nas.trial import RewardSettings, TrainingOverrides, Trial

BASELINE_ID = "baseline"
FINAL_BASELINE_ID = "final-baseline"
FINAL_FOUND_ID = "final-found"

BASELINE_SPACE = SearchSpace((Decision("system", ("baseline",)),))
FINAL_SPACE = SearchSpace(
    (Decision("system", ("baseline", "found"), ordinal=False),)
)
"""The stages without a question are grids of a point or two, so that they go
through the same loop, runner and journal as the others."""

_PAPER_REWARD = RewardSettings("eer", weighs_costs=False)
"""Of the networks that are compared with each other in the end."""


def derive_seed(seed: int, name: str) -> int:
    """A 31-bit seed of its own for everything that has a name."""
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def baseline_trial(config: ExperimentConfig, tokens: Tokens) -> Trial:
    """The CRNN baseline at the search's budget, to compare children with."""
    return _trial(
        config,
        BASELINE_ID,
        stage="baseline",
        tokens=tokens,
        hparams=BASELINE_SPACE.values(tokens),
        architecture=CRNN_BASELINE,
        overrides=_budget(config.search),
    )


def search_trial(
    config: ExperimentConfig, number: int, round_number: int, tokens: Tokens
) -> Trial:
    """Child `number` of the architecture search."""
    space = config.search.space()
    return _trial(
        config,
        f"search-{number:04d}",
        stage="search",
        round_number=round_number,
        tokens=tokens,
        hparams=space.values(tokens),
        architecture=architecture_from_tokens(space, tokens),
        overrides=_budget(config.search),
        reward=_search_reward(config),
    )


def early_stopper(config: ExperimentConfig) -> EarlyStopper | None:
    """Who stops the search's children early; None if nobody does."""
    search = config.search
    return make_early_stopper(
        search.early_stop,
        num_epochs=search.epochs,
        min_trials=search.early_stop_min_trials,
        min_epochs=search.early_stop_min_epochs,
        eta=search.early_stop_eta,
        risk=search.early_stop_risk,
    )


def search_notes(config: ExperimentConfig) -> list[str]:
    """A line for each setting of the search that has no effect."""
    search, default = config.search, SearchConfig()
    used = searcher_settings(search.searcher)
    notes = [
        f"search.{name} is no setting of {search.searcher}"
        for searcher in SEARCHERS
        for name in searcher_settings(searcher)
        if name not in used and getattr(search, name) != getattr(default, name)
    ]
    if search.early_stop == "none":
        return notes
    for name, most, what in (
        ("early_stop_min_trials", search.num_trials, "children"),
        ("early_stop_min_epochs", search.epochs, "epochs"),
    ):
        if getattr(search, name) >= most:
            notes.append(
                f"search.early_stop stops nothing: there are {most} {what} "
                f"and search.{name} is {getattr(search, name)}"
            )
    return notes


def grid_space(config: ExperimentConfig) -> SearchSpace:
    """The axes of the grid, as a search space."""
    grid = config.grid
    return SearchSpace(
        (
            Decision("mixup_alpha", grid.mixup_alpha),
            Decision("spectrogram_size", grid.spectrogram_size, ordinal=False),
            Decision("batch_size", grid.batch_size),
        )
    )


def grid_trial(
    config: ExperimentConfig,
    architecture: Architecture,
    number: int,
    round_number: int,
    tokens: Tokens,
) -> Trial:
    """Point `number` of the grid, for the found architecture."""
    values = grid_space(config).values(tokens)
    return _trial(
        config,
        f"grid-{number:04d}",
        stage="grid",
        round_number=round_number,
        tokens=tokens,
        hparams=values,
        architecture=architecture,
        overrides=values | _budget(config.grid),
        reward=_search_reward(config),
    )


def final_trial(
    config: ExperimentConfig,
    tokens: Tokens,
    architecture: Architecture,
    grid_tokens: Tokens,
) -> Trial:
    """A last training, of the baseline or of the found network.

    Both have the same data, epochs, patience and seed; the found network has
    the settings that the grid found, the baseline the config's.
    """
    values = FINAL_SPACE.values(tokens)
    found = values["system"] == "found"
    chosen = grid_space(config).values(grid_tokens) if found else {}
    return _trial(
        config,
        FINAL_FOUND_ID if found else FINAL_BASELINE_ID,
        stage="final",
        tokens=tokens,
        hparams=values,
        architecture=architecture if found else CRNN_BASELINE,
        overrides=chosen | _budget(config.final),
        seed=derive_seed(config.seed, "final"),
    )


def train_space(trial_id: str, epochs: int) -> SearchSpace:
    """The one point of a further training of a trial's architecture."""
    return SearchSpace(
        (Decision("trial", (trial_id,)), Decision("epochs", (epochs,)))
    )


def train_trial(
    config: ExperimentConfig, trial: Trial, overrides: Mapping[str, Choice]
) -> Trial:
    """A further training of a trial's architecture, from the beginning.

    It has the trial's settings, except for `settings`, and nothing stops it
    early by the search's rule.

    Args:
        config: the experiment.
        trial: whose architecture; of any stage.
        settings: fields of `TrainingConfig`, `epochs` among them.
    """
    space = train_space(trial.trial_id, int(overrides["epochs"]))
    tokens = (0,) * space.num_decisions
    return _trial(
        config,
        # The mark of a generation belongs to the id of this training.
        f"train-{trial.trial_id.replace('.', '-')}",
        stage="train",
        tokens=tokens,
        hparams=space.values(tokens),
        architecture=trial.architecture,
        overrides=trial.overrides.to_json() | dict(overrides),
    )


def _budget(section: SearchConfig | GridConfig | FinalConfig) -> dict[str, int]:
    return {"epochs": section.epochs, "patience": section.patience}


def _search_reward(config: ExperimentConfig) -> RewardSettings:
    """The grid has it too: it continues with the search's choice."""
    return RewardSettings(config.search.reward, config.search.weighs_costs)


def _trial(
    config: ExperimentConfig,
    trial_id: str,
    *,
    stage: str,
    tokens: Tokens,
    hparams: dict[str, Choice],
    architecture: Architecture,
    overrides: Mapping[str, Any],
    reward: RewardSettings = _PAPER_REWARD,
    round_number: int = 0,
    seed: int | None = None,
) -> Trial:
    return Trial(
        trial_id=trial_id,
        stage=stage,
        round=round_number,
        tokens=tokens,
        hparams=hparams,
        architecture=architecture,
        overrides=TrainingOverrides(**overrides),
        reward=reward,
        seed=derive_seed(config.seed, trial_id) if seed is None else seed,
    )
