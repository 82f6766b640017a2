"""The report of the main job: tables, pictures and scores of both networks.

The scores are written in the format of the DCASE 2016 challenge, so that the
tool `score` and other programs can recompute the EERs.
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
from audiotag_nas.experiment import pareto
from audiotag_nas.experiment.evaluation import ScoredSplit
from audiotag_nas.experiment.results import ranked_entries
from audiotag_nas.experiment.workspace import Workspace
from audiotag_nas.files import atomic_write_text
from audiotag_nas.metrics import PairedDifference
from audiotag_nas.metrics.score_files import write_labels, write_scores
from audiotag_nas.report import plots
from audiotag_nas.report.result_tables import (
    ComparedSystem,
    comparison_table,
    report_table,
)
from audiotag_nas.search.events import SearchOutcome
from audiotag_nas.space import Choice
from audiotag_nas.trial import TrialResult

if TYPE_CHECKING:
    import keras


@dataclasses.dataclass(frozen=True)
class FinalSystem:
    """A network after the final training, with its evaluation.

    Attributes:
        name: `baseline` or `found`.
        architecture: the description of the network.
        size: the spectrogram size of the network's input, e.g. `124x128`.
        settings: the settings chosen in the grid; empty for the baseline.
        result: the result of the final training.
        model: the network with the weights of its best epoch.
        thresholds: one per tag, chosen on the validation folds.
        scored: the network's scores for the evaluation clips.
        compared: the network's column in the comparison table.
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
    """Both networks and the difference between their evaluation EERs."""

    baseline: FinalSystem
    found: FinalSystem
    difference: PairedDifference

    @property
    def winner(self) -> FinalSystem:
        """The exported network, which has the lower validation EER."""
        systems = (self.found, self.baseline)
        return min(systems, key=lambda s: s.result.metric("validation_eer"))


def summary(
    result: MainJobResult, workspace: Workspace, picture: Path | None
) -> str:
    """Returns the last screen: comparison table and paths of the results."""
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
        "See also",
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
    """Writes `report.md` and its pictures, `results.json` and the scores.

    Args:
        result: both networks and their evaluation.
        search: the outcome of the search.
        config, workspace: the experiment.
        data_lines: notes on the data; see `ArchitectureTuner`.
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
    """Plots EERs over numbers of parameters. Returns the front as a table."""
    tried = pareto.candidates(ranked_entries(workspace, "search"))
    baselines = pareto.candidates(ranked_entries(workspace, "baseline"))

    def points(them: list[pareto.Candidate]) -> list[tuple[float, float]]:
        return [(c.costs["num_parameters"], c.validation_eer) for c in them]

    plots.plot_pareto(
        picture,
        points(tried),
        front=points(pareto.pareto_front(tried, ["num_parameters"])),
        reference=points(baselines)[0] if baselines else None,
        cost="parameters",
        title="architecture search: validation EER over parameters",
    )
    return pareto.front_table(pareto.pareto_front(tried), markdown=True)


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
    # In a code block, Markdown syntax in a file name is not interpreted.
    data = "\n".join(f"    {line}" for line in data_lines)
    return (
        f"# {config.name}: baseline and found network\n\n{table}\n\n"
        "![validation EER per epoch](learning_curves.png)\n\n"
        f"![reward per trial](search.png)\n\n{details}\n\n"
        "## Pareto front of the search\n\n"
        "No other architecture of the search dominates these architectures in "
        f"validation EER and all costs.\n\n{front}\n\n"
        "![EER over parameters](pareto.png)\n\n"
        f"## Data\n\n{data}\n\n"
        "This directory contains the scores of both networks. This command "
        "recomputes the EERs of the found network:\n\n"
        f"```\n{score_command(config.data.tags)}\n```\n"
    )


def score_command(tags: Sequence[str]) -> str:
    """Returns the shell command that recomputes the found network's EERs."""
    words = [
        "audiotag-nas",
        "score",
        "--labels=labels.csv",
        "--scores=found_scores.csv",
    ]
    if tuple(tags) != CHIME_HOME_TAGS:
        row = io.StringIO()
        # The flag `--tags` needs CSV, because a tag may contain a comma.
        csv.writer(row, lineterminator="").writerow(tags)
        words.append(f"--tags={row.getvalue()}")
    return shlex.join(words)
