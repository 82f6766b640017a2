"""The finished trials of a working directory, ranked; needs no TensorFlow."""

import math
from collections.abc import Iterable, Mapping

from audiotag_nas.architecture import Architecture
from audiotag_nas.errors import ConfigError, StoreError
from audiotag_nas.experiment.generations import find_entry, read_generations
from audiotag_nas.experiment.session import read_session, recommended_id
from audiotag_nas.experiment.workspace import Workspace
from audiotag_nas.search.journal import JournalEntry
from audiotag_nas.trial import Trial, TrialStatus


def ranked_entries(workspace: Workspace, stage: str) -> list[JournalEntry]:
    """A stage's trials, the highest reward first.

    Those stopped early come after the others, whose rewards are of more
    epochs, and failed ones last. Superseded trials are left out.
    """
    entries = read_generations(workspace).of_stage(stage).current
    return sorted(entries, key=entry_rank)


def superseded_lines(num_superseded: int) -> list[str]:
    """A line that says how many trials are left out; none if there are none."""
    if not num_superseded:
        return []
    return [f"superseded by later settings and left out: {num_superseded}"]


def completed_entries(workspace: Workspace, stage: str) -> list[JournalEntry]:
    """Those of `ranked_entries` that completed, at least one.

    Raises:
        StoreError: there is none.
    """
    entries = [
        entry
        for entry in ranked_entries(workspace, stage)
        if entry.result.status is TrialStatus.COMPLETED
    ]
    if not entries:
        raise StoreError(
            f"{workspace.workdir}: no trial of the {stage} has completed here "
            "yet."
        )
    return entries


def completed_entry(workspace: Workspace, trial_id: str) -> JournalEntry:
    """The completed trial that `--trial` names: see `generations.find_entry`.

    Raises:
        ConfigError: there is none, or it is superseded and its generation is
            not named.
        StoreError: the config or the journal can't be read.
    """
    entry, is_superseded = find_entry(read_generations(workspace), trial_id)
    if entry is None or entry.result.status is not TrialStatus.COMPLETED:
        raise ConfigError(
            f"--trial: must be a completed one of {workspace.workdir}; "
            f"`results` lists them. Received: {trial_id!r}"
        )
    if is_superseded:
        raise ConfigError(
            f"--trial: {trial_id} is superseded by later settings, and `run` "
            f"trains it again; {trial_id}.1 names the earlier one. Received: "
            f"{trial_id!r}"
        )
    return entry


def entry_rank(entry: JournalEntry) -> tuple[bool, float, int]:
    """Sorts entries as `ranked_entries` has them."""
    reward = entry.result.reward
    value = math.inf if reward is None else -reward
    return not entry.result.is_whole, value, entry.order


def architecture_of(trial: Trial) -> Architecture:
    """What a trial trains."""
    return trial.architecture


def results_lines(
    entries: list[JournalEntry],
    *,
    num_trials: int = 10,
    setting: str = "num_trials",
) -> list[str]:
    """A heading, a line for each of the best trials, and what is left out.

    Args:
        entries: as `ranked_entries` gives them.
        num_trials: how many to list.
        setting: what the user sets that by.
    """
    done = [e for e in entries if e.result.status is TrialStatus.COMPLETED]
    stopped = [e for e in done if e.result.stopped_epoch]
    lines = [f"{len(done)} trials completed, {len(entries) - len(done)} failed"]
    if stopped:
        lines[0] += f"; {len(stopped)} of those completed were stopped early"
    for entry in done[:num_trials]:
        result, trial = entry.result, entry.trial
        if trial.stage == "search":
            what = architecture_of(trial).describe()
        else:
            what = "  ".join(f"{k} {v}" for k, v in trial.hparams.items())
        if result.stopped_epoch:
            what += f"  stopped at epoch {result.stopped_epoch}"
        lines.append(
            f"  {trial.trial_id}  reward {result.reward:.4f}  "
            f"EER {result.metric('validation_eer'):.4f}  "
            f"{result.metric('num_parameters'):>9,.0f} parameters  {what}"
        )
    if len(done) > num_trials:
        last = " (those stopped early come last)" if stopped else ""
        lines.append(
            f"{num_trials} of {len(done)}{last}; {setting}={len(done)} lists "
            "all"
        )
    return lines


def recommended_lines(workspace: Workspace) -> list[str]:
    """Which network the search is gone on with; none before it has ended.

    It need not be that of the highest reward, which may have had luck.
    """
    trial_id = recommended_id(read_session(workspace.running_path), "search")
    if not trial_id:
        return []
    return [f"recommended, grid and final training go on with it: {trial_id}"]


def architecture_words(architecture: Architecture) -> str:
    """`2 blocks: 8 filters of 3x3, 16 of 5x3; then a ... GRU of 64 units`."""
    first, *others = architecture.blocks
    blocks = [f"{first.filters} filters of {first.height}x{first.width}"]
    blocks += [f"{b.filters} of {b.height}x{b.width}" for b in others]
    recurrent = {
        "bgru": "a bidirectional GRU",
        "gated_bgru": "a gated bidirectional GRU",
    }[architecture.recurrent]
    return (
        f"{len(blocks)} convolution blocks (frames x mel bins): "
        f"{', '.join(blocks)}; then {recurrent} of "
        f"{architecture.recurrent_units} units"
    )


def export_table(
    entries: list[JournalEntry],
) -> tuple[list[str], list[list[object]]]:
    """The columns and rows of all that the journal has of the trials.

    One row a trial. A decision, a setting or a metric that only other trials
    have is None. The histories are as long as `num_epochs` and left out.
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
            architecture_of(trial).describe(),
            " ".join(map(str, trial.tokens)),
        ]
        fields += [trial.hparams.get(name) for name in hparams]
        fields += [_settings(trial).get(name) for name in settings]
        fields += [result.metrics.get(name) for name in metrics]
        rows.append(fields)
    return headers, rows


def _settings(trial: Trial) -> dict[str, object]:
    """The training overrides, and the stop rule if there is one."""
    rule = [list(pair) for pair in trial.stop_rule]
    return trial.overrides.to_json() | ({"stop_rule": rule} if rule else {})


def _union(mappings: Iterable[Mapping[str, object]]) -> list[str]:
    """Every key once, in the order of their first appearance."""
    return list(dict.fromkeys(name for each in mappings for name in each))
