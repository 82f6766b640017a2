"""Pure functions that return the trials of each stage of an experiment.

`baseline` trains the CRNN baseline for as many epochs as a search trial.
`search` trains the proposed architectures. `grid` trains the found architecture
with each combination of mixup coefficient, spectrogram size and batch size.
`final` trains the baseline and the found network, usually for more epochs. On
request, `train` retrains the architecture of any trial. A trial depends only on
the config and the tokens, so a resumed experiment has the same trials.
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
from audiotag_nas.space import Choice, Decision, SearchSpace, Tokens
from audiotag_nas.trial import RewardSettings, TrainingOverrides, Trial

BASELINE_ID = "baseline"
FINAL_BASELINE_ID = "final-baseline"
FINAL_FOUND_ID = "final-found"

BASELINE_SPACE = SearchSpace((Decision("system", ("baseline",)),))
FINAL_SPACE = SearchSpace(
    (Decision("system", ("baseline", "found"), ordinal=False),)
)
"""A stage without a search is a grid of one or two points. Therefore the stage
uses the same loop, runners and journal as the search."""

_PAPER_REWARD = RewardSettings("eer", weighs_costs=False)
"""The reward 1 - EER, for the stages other than search and grid."""


def derive_seed(seed: int, name: str) -> int:
    """Returns a 31-bit seed that depends on `seed` and `name`."""
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def baseline_trial(config: ExperimentConfig, tokens: Tokens) -> Trial:
    """Returns the trial of the CRNN baseline, with a search trial's epochs."""
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
    """Returns trial `number` of the architecture search."""
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
    """Returns the rule that stops search trials early, or None."""
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
    """Returns a line for each search setting that has no effect."""
    search = config.search
    notes = [
        f"search.{setting.path} has no effect on {search.searcher}"
        for setting in search.settings()
        if "." in setting.path
        and not setting.path.startswith(f"{search.searcher}.")
        and setting.value != setting.default
    ]
    if search.early_stop == "none":
        return notes
    for name, most, what in (
        ("early_stop_min_trials", search.num_trials, "trials"),
        ("early_stop_min_epochs", search.epochs, "epochs"),
    ):
        if getattr(search, name) >= most:
            notes.append(
                f"search.early_stop has no effect: there are {most} {what} "
                f"and search.{name} is {getattr(search, name)}"
            )
    return notes


def grid_space(config: ExperimentConfig) -> SearchSpace:
    """Returns the grid's axes as a search space."""
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
    """Returns trial `number` of the grid, for the found architecture."""
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
    """Returns the final trial of the baseline or of the found network.

    Both networks have the same data, epochs, patience and seed. The found
    network has the training settings of the chosen grid point. The baseline has
    the training settings of the config.
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
    """Returns a search space whose only point describes a retraining."""
    return SearchSpace(
        (Decision("trial", (trial_id,)), Decision("epochs", (epochs,)))
    )


def train_trial(
    config: ExperimentConfig, trial: Trial, overrides: Mapping[str, Choice]
) -> Trial:
    """Returns a trial that retrains the architecture of another trial.

    Args:
        config: the experiment.
        trial: the other trial, of any stage.
        overrides: fields of `TrainingConfig`, including `epochs`, that replace
            the settings of `trial`.
    """
    space = train_space(trial.trial_id, int(overrides["epochs"]))
    tokens = (0,) * space.num_decisions
    return _trial(
        config,
        # A dot in the id would mark a generation of the new trial.
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
    """Returns the reward settings of search and grid trials."""
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
