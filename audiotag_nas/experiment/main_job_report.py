"""What the main job leaves for people: the closing table and the report.

The scores are written in the challenge's format, so that any tool, ours
(`score`) or another, can compute the same numbers again.
"""

import csv
import dataclasses
import io
import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from audiotag_nas.architecture import Architecture
from audiotag_nas.config import CHIME_HOME_TAGS, ExperimentConfig
from audiotag_nas.experiment.evaluation import ScoredSplit
from audiotag_nas.experiment.workspace import Workspace
from audiotag_nas.files import atomic_write_text
from audiotag_nas.inspection import pareto
from audiotag_nas.inspection.results import ranked_entries
from audiotag_nas.metrics import PairedDifference
from audiotag_nas.metrics.score_files import write_labels, write_scores
from audiotag_nas.report import plots
from audiotag_nas.report.tables import (
    ComparedSystem,
    comparison_table,
    report_table,
)
from audiotag_nas.search.loop import SearchOutcome
from audiotag_nas.space import Choice
from audiotag_nas.trial import TrialResult

if TYPE_CHECKING:
    import keras


@dataclasses.dataclass(frozen=True)
class FinalSystem:
    """A finally trained network and how it does.

    Attributes:
        name: `baseline` or `found`.
        architecture: what it is.
        size: its spectrogram size.
        settings: what the grid chose for it; empty for the baseline.
        result: of its training.
        model: with its best epoch's weights.
        thresholds: (tags,), from the validation folds.
        scored: the evaluation split.
        compared: its column in the table.
    """

    name: str
    architecture: Architecture
    size: str
    settings: dict[str, Choice]
    result: TrialResult
    model: "keras.Model"
    thresholds: np.ndarray
    scored: ScoredSplit
    compared: ComparedSystem


@dataclasses.dataclass(frozen=True)
class MainJobResult:
    """What the main job found, whatever the outcome."""

    baseline: FinalSystem
    found: FinalSystem
    difference: PairedDifference

    @property
    def winner(self) -> FinalSystem:
        """The lower validation EER; the evaluation split chooses nothing."""
        systems = (self.found, self.baseline)
        return min(systems, key=lambda s: s.result.metric("validation_eer"))


def summary(
    result: MainJobResult, workspace: Workspace, picture: Path | None
) -> str:
    """The closing table, and where to look next."""
    lines = [
        "",
        comparison_table(
            result.baseline.compared,
            result.found.compared,
            difference=result.difference,
        ),
        "",
        f"found architecture  {result.found.architecture.describe()}",
        "found settings      "
        + ", ".join(f"{k} {v}" for k, v in result.found.settings.items()),
        f"exported            the {result.winner.name} network, which has "
        "the lower validation EER",
        "",
        "Look next at",
        f"  {workspace.report_dir / 'report.md'}",
    ]
    if picture is not None:
        lines.append(f"  {picture}")
    lines += [
        f"  tensorboard --logdir {workspace.logs_dir}    (HParams tab)",
        f"  audiotag-nas tag --model {workspace.export_dir} your_file.wav",
    ]
    return "\n".join(lines)


def write_report(
    result: MainJobResult,
    search: SearchOutcome,
    config: ExperimentConfig,
    workspace: Workspace,
    *,
    data_lines: Sequence[str],
) -> None:
    """Writes tables, curves, pictures and scores into the report directory.

    Args:
        result, search: what the stages found.
        config, workspace: the experiment.
        data_lines: what was found in the data, see `PreparedData`.
    """
    directory, tags = workspace.report_dir, config.data.tags
    systems = (result.baseline, result.found)
    scored = result.baseline.scored
    write_labels(
        directory / "labels.csv", scored.filenames, tags, scored.labels
    )
    for system in systems:
        scored = system.scored
        write_scores(
            directory / f"{system.name}_scores.csv",
            scored.filenames,
            tags,
            scored.scores,
        )
    plots.plot_learning_curves(
        directory / "learning_curves.png",
        {s.name: s.result.curve("validation_eer") for s in systems},
        title="final training",
        target=result.baseline.result.metric("validation_eer"),
    )
    plots.plot_search(
        directory / "search.png",
        [r.reward for r in search.results],
        title=f"architecture search: {config.search.reward}",
    )
    front = _write_front(directory / "pareto.png", workspace)
    results = {
        "difference": result.difference.to_json(),
        **{
            s.name: {
                "architecture": s.architecture.to_json(),
                "settings": s.settings,
                "training": s.result.to_json(),
                "evaluation": s.compared.report.to_json(),
            }
            for s in systems
        },
    }
    atomic_write_text(
        directory / "results.json", json.dumps(results, indent=2) + "\n"
    )
    text = _report_text(result, config, front, data_lines)
    atomic_write_text(directory / "report.md", text)


def _write_front(picture: Path, workspace: Workspace) -> str:
    """Draws the search's networks, EER over parameters; the front as a table.

    The picture's front is that of these two goals, the table's that of all.
    """
    networks = pareto.candidates(ranked_entries(workspace, "search"))
    baselines = pareto.candidates(ranked_entries(workspace, "baseline"))

    def points(them: list[pareto.Candidate]) -> list[tuple[float, float]]:
        return [(n.costs["num_parameters"], n.validation_eer) for n in them]

    plots.plot_pareto(
        picture,
        points(networks),
        front=points(pareto.pareto_front(networks, ["num_parameters"])),
        reference=points(baselines)[0] if baselines else None,
        cost="parameters",
        title="architecture search: validation EER over parameters",
    )
    return pareto.front_table(pareto.pareto_front(networks), markdown=True)


def _report_text(
    result: MainJobResult,
    config: ExperimentConfig,
    front: str,
    data_lines: Sequence[str],
) -> str:
    systems = (result.baseline, result.found)
    table = comparison_table(
        result.baseline.compared,
        result.found.compared,
        difference=result.difference,
        markdown=True,
    )
    details = "\n\n".join(
        f"## {s.name}\n\n`{s.architecture.describe()}`, spectrogram "
        f"{s.size}\n\n{report_table(s.compared.report, markdown=True)}"
        for s in systems
    )
    # A code block: names of files and segments are not Markdown.
    data = "\n".join(f"    {line}" for line in data_lines)
    return (
        f"# {config.name}: baseline against found network\n\n{table}\n\n"
        "![validation EER by epoch](learning_curves.png)\n\n"
        f"![reward of each child](search.png)\n\n{details}\n\n"
        "## Pareto front of the search\n\n"
        "The children that no other beats in validation EER and all costs, "
        f"at the children's budget.\n\n{front}\n\n"
        "![EER over parameters](pareto.png)\n\n"
        f"## Data\n\n{data}\n\n"
        "The scores are beside this file. This computes the EERs again:\n\n"
        f"```\n{score_command(config.data.tags)}\n```\n"
    )


def score_command(tags: Sequence[str]) -> str:
    """The shell command that scores `found_scores.csv` in its directory."""
    words = [
        "audiotag-nas",
        "score",
        "--labels=labels.csv",
        "--scores=found_scores.csv",
    ]
    if tuple(tags) != CHIME_HOME_TAGS:
        row = io.StringIO()
        # The flag is read as CSV: a tag may have a comma in it.
        csv.writer(row, lineterminator="").writerow(tags)
        words.append(f"--tags={row.getvalue()}")
    return shlex.join(words)
