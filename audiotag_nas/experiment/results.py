"""Finds, ranks and describes the finished trials of a working directory.

This module does not import TensorFlow.
"""

import math
from collections.abc import Iterable, Mapping

from audiotag_nas.errors import ConfigError, StoreError
from audiotag_nas.experiment.generations import find_entry, read_generations
from audiotag_nas.experiment.running_file import read_session, recommended_id
from audiotag_nas.experiment.workspace import Workspace
from audiotag_nas.search.journal import JournalEntry
from audiotag_nas.trial import Trial, TrialStatus


def ranked_entries(workspace: Workspace, stage: str) -> list[JournalEntry]:
    """Returns the current trials of a stage, sorted by `entry_rank`."""
    entries = read_generations(workspace).of_stage(stage).current
    return sorted(entries, key=entry_rank)


def entry_rank(entry: JournalEntry) -> tuple[bool, float, int]:
    """Returns a sort key that puts the best trial first.

    Trials that were trained to the end come first, by decreasing reward. Trials
    that were stopped early come next, because their rewards are from fewer
    epochs. Failed trials come last.
    """
    reward = entry.result.reward
    value = math.inf if reward is None else -reward
    return not entry.result.is_whole, value, entry.order


def completed_entries(workspace: Workspace, stage: str) -> list[JournalEntry]:
    """Returns the completed trials of `ranked_entries`.

    Raises:
        StoreError: no trial has completed.
    """
    entries = [
        entry
        for entry in ranked_entries(workspace, stage)
        if entry.result.status is TrialStatus.COMPLETED
    ]
    if not entries:
        raise StoreError(
            f"{workspace.workdir}: no trial of the stage {stage!r} has "
            "completed yet."
        )
    return entries


def completed_entry(workspace: Workspace, trial_id: str) -> JournalEntry:
    """Returns the completed trial with the id `trial_id`; see `find_entry`.

    Raises:
        ConfigError: there is no such trial, or the trial is superseded and
            `trial_id` includes no generation.
        StoreError: the config or the journal can't be read.
    """
    entry, is_superseded = find_entry(read_generations(workspace), trial_id)
    if entry is None or entry.result.status is not TrialStatus.COMPLETED:
        raise ConfigError(
            f"--trial: must be a completed trial of {workspace.workdir}; "
            f"`results` lists these trials. Received: {trial_id!r}"
        )
    if is_superseded:
        raise ConfigError(
            f"--trial: {trial_id} is superseded by later settings. `run` "
            f"retrains it. The id {trial_id}.1 means the earlier trial. "
            f"Received: {trial_id!r}"
        )
    return entry


def results_lines(
    entries: list[JournalEntry],
    *,
    num_trials: int = 10,
    setting: str = "num_trials",
) -> list[str]:
    """Returns a line with the number of trials, then a line per listed trial.

    Args:
        entries: the result of `ranked_entries`.
        num_trials: maximum number of trials to list.
        setting: the name under which the user sets `num_trials`.
    """
    done = [e for e in entries if e.result.status is TrialStatus.COMPLETED]
    stopped = [e for e in done if e.result.stopped_epoch]
    lines = [f"{len(done)} trials completed, {len(entries) - len(done)} failed"]
    if stopped:
        lines[0] += (
            f"; {len(stopped)} of the completed trials were stopped early"
        )
    for entry in done[:num_trials]:
        result, trial = entry.result, entry.trial
        if trial.stage == "search":
            what = trial.architecture.describe()
        else:
            what = decisions_text(trial)
        if result.stopped_epoch:
            what += f"  stopped at epoch {result.stopped_epoch}"
        lines.append(
            f"  {trial.trial_id}  reward {result.reward:.4f}  "
            f"EER {result.metric('validation_eer'):.4f}  "
            f"{result.metric('num_parameters'):>9,.0f} parameters  {what}"
        )
    if len(done) > num_trials:
        order = "; trials stopped early come last" if stopped else ""
        lines.append(
            f"shown: {num_trials} of {len(done)}{order}; "
            f"{setting}={len(done)} lists all"
        )
    return lines


def decisions_text(trial: Trial) -> str:
    """Returns a trial's decisions as text; for a final trial, the network."""
    text = "  ".join(f"{name} {v}" for name, v in trial.hparams.items())
    systems = {"system baseline": "baseline", "system found": "found network"}
    return systems.get(text, text)


def superseded_lines(num_superseded: int) -> list[str]:
    """Returns one line with the number of omitted trials; [] for 0 trials."""
    if not num_superseded:
        return []
    return [f"omitted: {num_superseded} trials, superseded by later settings"]


def recommended_lines(workspace: Workspace) -> list[str]:
    """Returns one line with the searcher's choice; [] before the search ends.

    Rewards are noisy. The chosen trial need not have the highest reward.
    """
    trial_id = recommended_id(read_session(workspace.running_path), "search")
    if not trial_id:
        return []
    return [
        f"recommended for grid and final training: {trial_id} (the searcher's "
        "choice; it need not have the highest observed reward)"
    ]


def export_table(
    entries: list[JournalEntry],
) -> tuple[list[str], list[list[object]]]:
    """Returns the column names and one row per trial.

    If a trial lacks a decision, setting or metric, that cell is None. Learning
    curves are omitted. The column `num_epochs` has the length of the curves.
    """
    hparams = _union(entry.trial.hparams for entry in entries)
    settings = _union(_settings(entry.trial) for entry in entries)
    metrics = sorted(_union(entry.result.metrics for entry in entries))
    headers = [
        *("order", "finished_at", "trial_id", "stage", "round", "seed"),
        *("status", "reward", "seconds", "num_epochs", "reason"),
        *("architecture", "tokens", *hparams),
        *(f"settings.{name}" for name in settings),
        *metrics,
    ]
    rows = []
    for entry in entries:
        trial, result = entry.trial, entry.result
        curves = [len(curve) for curve in result.history.values()]
        fields: list[object] = [
            *(entry.order, entry.finished_at, trial.trial_id, trial.stage),
            *(trial.round, trial.seed, str(result.status), result.reward),
            *(result.seconds, max(curves, default=0), result.reason),
            trial.architecture.describe(),
            " ".join(map(str, trial.tokens)),
        ]
        fields += [trial.hparams.get(name) for name in hparams]
        fields += [_settings(trial).get(name) for name in settings]
        fields += [result.metrics.get(name) for name in metrics]
        rows.append(fields)
    return headers, rows


def _settings(trial: Trial) -> dict[str, object]:
    """Returns the training overrides, and the stop rule if there is one."""
    rule = [list(pair) for pair in trial.stop_rule]
    return trial.overrides.to_json() | ({"stop_rule": rule} if rule else {})


def _union(mappings: Iterable[Mapping[str, object]]) -> list[str]:
    """Returns every key once, in the order of first appearance."""
    return list(dict.fromkeys(name for each in mappings for name in each))
