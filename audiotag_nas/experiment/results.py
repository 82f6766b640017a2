"""The finished trials of a working directory, ranked; needs no TensorFlow."""

import math

from audiotag_nas.experiment.workspace import Workspace
from audiotag_nas.search.journal import JournalEntry, read_entries
from audiotag_nas.space import Architecture
from audiotag_nas.trial import Trial, TrialStatus


def ranked_entries(workspace: Workspace, stage: str) -> list[JournalEntry]:
    """A stage's trials, the highest reward first, failed ones last."""
    entries = [
        entry
        for entry in read_entries(workspace.journal_path)
        if entry.trial.stage == stage
    ]
    return sorted(entries, key=_rank)


def architecture_of(trial: Trial) -> Architecture:
    """What a trial trains."""
    return Architecture.from_json(trial.settings["architecture"])


def results_lines(
    entries: list[JournalEntry], *, num_trials: int = 10
) -> list[str]:
    """A heading, and a line for each of the best trials."""
    done = [e for e in entries if e.result.status is TrialStatus.COMPLETED]
    lines = [f"{len(done)} trials completed, {len(entries) - len(done)} failed"]
    for entry in done[:num_trials]:
        metrics, trial = entry.result.metrics, entry.trial
        if trial.stage == "search":
            what = architecture_of(trial).describe()
        else:
            what = "  ".join(f"{k} {v}" for k, v in trial.hparams.items())
        lines.append(
            f"  {trial.trial_id}  EER {metrics['validation_eer']:.4f}  "
            f"{metrics['num_parameters']:>9,.0f} parameters  {what}"
        )
    return lines


def results_table(entries: list[JournalEntry]) -> list[list[object]]:
    """Rows for a CSV file, the first with the names of the columns."""
    names = [list(e.trial.hparams) for e in entries[:1]]
    hparams = names[0] if names else []
    metrics = sorted({name for e in entries for name in e.result.metrics})
    rows: list[list[object]] = [
        [
            "trial_id",
            "status",
            "reward",
            *hparams,
            *metrics,
            "seconds",
            "reason",
        ]
    ]
    for entry in entries:
        result = entry.result
        rows.append(
            [
                entry.trial.trial_id,
                str(result.status),
                "" if result.reward is None else result.reward,
                *(entry.trial.hparams[name] for name in hparams),
                *(result.metrics.get(name, "") for name in metrics),
                result.seconds,
                result.reason,
            ]
        )
    return rows


def _rank(entry: JournalEntry) -> tuple[float, int]:
    reward = entry.result.reward
    return (math.inf if reward is None else -reward, entry.order)
