"""Separates current trials of grid and final training from superseded trials.

A trial is current if exactly this trial follows from the present config and the
results of the earlier stages. Otherwise it is superseded.

The journal is append-only, and its trial ids are unique. If the settings of a
trial change, the new trial is a generation with its own id: `final-found`, then
`final-found.2`. If a generation already has the new settings, it is reused.
"""

import dataclasses
import itertools
from collections.abc import Callable, Sequence

from audiotag_nas.architecture import Architecture
from audiotag_nas.config import ExperimentConfig
from audiotag_nas.experiment import stages
from audiotag_nas.experiment.running_file import (
    Session,
    read_session,
    recommended_id,
)
from audiotag_nas.experiment.workspace import Workspace
from audiotag_nas.search.journal import JournalEntry, read_entries
from audiotag_nas.space import Tokens
from audiotag_nas.trial import Trial

_MARK = "."


@dataclasses.dataclass(frozen=True)
class Generations:
    """The entries of a journal, in the order of the journal.

    Attributes:
        current: the entries of current trials.
        superseded: the entries of superseded trials.
    """

    current: list[JournalEntry]
    superseded: list[JournalEntry]

    def of_stage(self, stage: str) -> "Generations":
        """Returns the entries of one stage."""
        return Generations(
            *(
                [entry for entry in entries if entry.trial.stage == stage]
                for entries in (self.current, self.superseded)
            )
        )


def base_id(trial_id: str) -> str:
    """Returns the id without its generation (`.2` in `final-found.2`)."""
    return trial_id.partition(_MARK)[0]


def with_generation(
    trial: Trial, get_entry: Callable[[str], JournalEntry | None]
) -> Trial:
    """Returns the trial with the id of the generation that has its settings.

    If the journal has no such generation, the id is new.

    Args:
        trial: the trial, with the id of the first generation.
        get_entry: trial id -> its journal entry, if any.
    """
    for generation in itertools.count(2):
        entry = get_entry(trial.trial_id)
        if entry is None or not entry.differences(trial):
            break
        trial = dataclasses.replace(
            trial, trial_id=f"{base_id(trial.trial_id)}{_MARK}{generation}"
        )
    return trial


def read_generations(workspace: Workspace) -> Generations:
    """Reads the entries of a working directory's journal.

    Raises:
        StoreError: the config or the journal can't be read.
    """
    entries = read_entries(workspace.journal_path)
    later = [e for e in entries if e.trial.stage in ("grid", "final")]
    if not later:
        return Generations(entries, [])
    return split_generations(
        entries, workspace.read_config(), read_session(workspace.running_path)
    )


def split_generations(
    entries: Sequence[JournalEntry],
    config: ExperimentConfig,
    session: Session | None,
) -> Generations:
    """Separates current from superseded entries.

    Args:
        entries: all entries of the journal.
        config: the experiment.
        session: the last session, with the id of the trial that the search
            recommends. Without a session, the architecture of the last grid
            trial counts as recommended.
    """
    architecture = _found_architecture(entries, session)
    grid = {} if architecture is None else _grid_trials(config, architecture)
    in_grid = [e for e in entries if _is_one_of(e, grid)]
    is_whole = bool(grid) and len(in_grid) == len(grid)
    final = _final_trials(
        config,
        architecture or stages.CRNN_BASELINE,
        _chosen_tokens(in_grid, session) if is_whole else None,
    )
    asked = {"grid": grid, "final": final}
    result = Generations([], [])
    for entry in entries:
        trials = asked.get(entry.trial.stage)
        is_current = trials is None or _is_one_of(entry, trials)
        (result.current if is_current else result.superseded).append(entry)
    return result


def find_entry(
    generations: Generations, trial_id: str
) -> tuple[JournalEntry | None, bool]:
    """Returns an entry by its trial id, and whether the entry is superseded.

    `final-found` means the current entry or, without a current entry, the
    superseded entry of the first generation. If the id includes a generation
    (`final-found.1`), the second value is False. An unknown id gives None.
    """
    for entry in generations.current:
        if trial_id in (entry.trial.trial_id, base_id(entry.trial.trial_id)):
            return entry, False
    first = trial_id.removesuffix(f"{_MARK}1")
    for entry in (*generations.current, *generations.superseded):
        if entry.trial.trial_id == first:
            return entry, first == trial_id and base_id(first) == first
    return None, False


def _found_architecture(
    entries: Sequence[JournalEntry], session: Session | None
) -> Architecture | None:
    recommended = recommended_id(session, "search")
    for entry in entries:
        if entry.trial.trial_id == recommended:
            return entry.trial.architecture
    in_grid = [entry for entry in entries if entry.trial.stage == "grid"]
    return in_grid[-1].trial.architecture if in_grid else None


def _grid_trials(
    config: ExperimentConfig, architecture: Architecture
) -> dict[str, Trial]:
    """Returns the grid's trials under the present config, by base id."""
    points = itertools.product(
        *map(range, stages.grid_space(config).num_choices)
    )
    trials = (
        stages.grid_trial(config, architecture, number, 0, tokens)
        for number, tokens in enumerate(points)
    )
    return {trial.trial_id: trial for trial in trials}


def _final_trials(
    config: ExperimentConfig,
    architecture: Architecture,
    grid_tokens: Tokens | None,
) -> dict[str, Trial]:
    """Returns the final trials under the present config, by base id.

    Without `grid_tokens`, only the baseline is returned, which needs no grid.
    """
    systems: list[Tokens] = [(0,)] if grid_tokens is None else [(0,), (1,)]
    trials = (
        stages.final_trial(config, tokens, architecture, grid_tokens or ())
        for tokens in systems
    )
    return {trial.trial_id: trial for trial in trials}


def _is_one_of(entry: JournalEntry, trials: dict[str, Trial]) -> bool:
    trial_id = entry.trial.trial_id
    trial = trials.get(base_id(trial_id))
    if trial is None or trial.stage != entry.trial.stage:
        return False
    return not entry.differences(dataclasses.replace(trial, trial_id=trial_id))


def _chosen_tokens(
    in_grid: Sequence[JournalEntry], session: Session | None
) -> Tokens | None:
    """Returns the chosen point of the grid; None if every trial failed."""
    recommended = recommended_id(session, "grid")
    for entry in in_grid:
        if entry.trial.trial_id == recommended:
            return entry.trial.tokens
    whole = [entry for entry in in_grid if entry.result.is_whole]
    best = min(
        whole,
        key=lambda e: (-(e.result.reward or 0.0), e.trial.tokens),
        default=None,
    )
    return None if best is None else best.trial.tokens
