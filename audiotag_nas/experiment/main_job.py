"""The main job: from sound files to a searched, trained, scored tagger.

Nine steps over one `ArchitectureTuner`. Each finds what an earlier run has
finished, so the same command goes on where it was stopped. The evaluation
split is read in step 7 and not before: the search, the grid and the choice of
the exported network know only the validation folds.
"""

import dataclasses
import json
from pathlib import Path

import keras
import numpy as np

from audiotag_nas import metrics
from audiotag_nas.config import ExperimentConfig
from audiotag_nas.data.prepared import open_prepared
from audiotag_nas.experiment import evaluation, preparation, stages
from audiotag_nas.experiment.evaluation import ScoredSplit
from audiotag_nas.experiment.progress import Progress, format_seconds
from audiotag_nas.experiment.tuner import ArchitectureTuner
from audiotag_nas.experiment.workspace import Workspace
from audiotag_nas.files import atomic_write_text
from audiotag_nas.metrics import PairedDifference
from audiotag_nas.report import plots
from audiotag_nas.report.tables import (
    ComparedSystem,
    comparison_table,
    epochs_until,
    report_table,
)
from audiotag_nas.search.loop import SearchOutcome
from audiotag_nas.space import (
    CRNN_BASELINE,
    Architecture,
    Choice,
    architecture_from_tokens,
)
from audiotag_nas.trial import TrialResult

NUM_STEPS = 9


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
    model: keras.Model
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
        return min(systems, key=lambda s: s.result.metrics["validation_eer"])


def run_main_job(tuner: ArchitectureTuner, progress: Progress) -> MainJobResult:
    """Runs all nine steps and prints the table.

    Raises:
        UserError: the data, the working directory or every training of a
            stage is unusable.
    """
    config, workspace = tuner.config, tuner.workspace
    with tuner.driving():
        _prepare(tuner, progress)
        _step(progress, 3, "CRNN baseline, at the children's budget")
        tuner.train_baseline()
        search = _search(tuner, progress)
        architecture = architecture_from_tokens(
            config.search.space(), search.recommendation
        )
        progress.line(f"  found: {architecture.describe()}")
        grid = _grid(tuner, architecture, progress)
        _step(progress, 6, "final training of the baseline and the found")
        results = tuner.train_final(architecture, grid.recommendation)
        _step(progress, 7, "evaluation split")
        settings = stages.grid_space(config).values(grid.recommendation)
        result = _evaluate(tuner, architecture, settings, results)
        _write_report(result, search, config, workspace)
        _step(progress, 8, "export and tag one recording")
        _export(result.winner, config, workspace)
        picture = _tag_one(result.winner, config, workspace, progress)
    _step(progress, 9, "result")
    progress.line(summary(result, workspace, picture))
    progress.line(f"done in {format_seconds(progress.elapsed_seconds)}")
    return result


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


def _step(progress: Progress, number: int, title: str) -> None:
    progress.step(f"[{number}/{NUM_STEPS}] {title}")


def _prepare(tuner: ArchitectureTuner, progress: Progress) -> None:
    config = tuner.config
    if config.data.source == "synthetic":
        counts = config.synthetic
        _step(
            progress,
            1,
            f"synthetic domestic scenes: {counts.num_development_clips} "
            f"development, {counts.num_evaluation_clips} evaluation clips",
        )
        tuner.write_dataset()
    else:
        _step(progress, 1, f"data set: {config.data.source}")
    _step(progress, 2, "log-mels as TFRecords")
    tuner.prepare()


def _search(tuner: ArchitectureTuner, progress: Progress) -> SearchOutcome:
    search = tuner.config.search
    _step(
        progress,
        4,
        f"{search.searcher} search: {search.num_trials} children of "
        f"{search.space().size:.3g} architectures",
    )
    outcome = tuner.search()
    if outcome.stop_reason:
        progress.line(f"  ended early: {outcome.stop_reason}")
    return outcome


def _grid(
    tuner: ArchitectureTuner, architecture: Architecture, progress: Progress
) -> SearchOutcome:
    space = stages.grid_space(tuner.config)
    axes = ", ".join(decision.name for decision in space.decisions)
    _step(progress, 5, f"grid over {axes}: {space.size} points")
    outcome = tuner.grid_search(architecture)
    values = space.values(outcome.recommendation)
    chosen = ", ".join(f"{name} {value}" for name, value in values.items())
    progress.line(f"  chosen: {chosen}")
    return outcome


def _evaluate(
    tuner: ArchitectureTuner,
    architecture: Architecture,
    settings: dict[str, Choice],
    results: tuple[TrialResult, TrialResult],
) -> MainJobResult:
    config = tuner.config
    # "Converges faster" is measured against the baseline's own best.
    target = results[0].metrics["validation_eer"]
    default_size = config.features.spectrogram_size(config.data.clip_seconds)
    baseline = _score(
        tuner, "baseline", CRNN_BASELINE, default_size, {}, results[0], target
    )
    found = _score(
        tuner,
        "found",
        architecture,
        str(settings["spectrogram_size"]),
        settings,
        results[1],
        target,
    )
    return MainJobResult(
        baseline=baseline,
        found=found,
        difference=evaluation.compare(baseline.scored, found.scored, config),
    )


def _score(
    tuner: ArchitectureTuner,
    name: str,
    architecture: Architecture,
    size: str,
    settings: dict[str, Choice],
    result: TrialResult,
    target: float,
) -> FinalSystem:
    config, workspace = tuner.config, tuner.workspace
    tags = config.data.tags
    model = tuner.load_model(result.trial_id)
    validation = evaluation.score_split(
        model,
        open_prepared(workspace.split_dir(size, "development")),
        tags=tags,
        folds=config.data.validation_folds,
    )
    thresholds = metrics.best_thresholds(validation.labels, validation.scores)
    scored = evaluation.score_split(
        model,
        open_prepared(workspace.split_dir(size, "evaluation")),
        tags=tags,
    )
    curve = result.history["validation_eer"]
    return FinalSystem(
        name=name,
        architecture=architecture,
        size=size,
        settings=settings,
        result=result,
        model=model,
        thresholds=thresholds,
        scored=scored,
        compared=ComparedSystem(
            name=name,
            report=evaluation.evaluate(scored, config, thresholds=thresholds),
            num_parameters=int(result.metrics["num_parameters"]),
            epochs_to_target=epochs_until(curve, target),
            num_epochs=len(curve),
        ),
    )


def _write_report(
    result: MainJobResult,
    search: SearchOutcome,
    config: ExperimentConfig,
    workspace: Workspace,
) -> None:
    directory, tags = workspace.report_dir, config.data.tags
    systems = (result.baseline, result.found)
    evaluation.write_labels(
        result.baseline.scored, tags, directory / "labels.csv"
    )
    for system in systems:
        path = directory / f"{system.name}_scores.csv"
        evaluation.write_scores(system.scored, tags, path)
    plots.plot_learning_curves(
        directory / "learning_curves.png",
        {s.name: s.result.history["validation_eer"] for s in systems},
        title="final training",
        target=result.baseline.result.metrics["validation_eer"],
    )
    plots.plot_search(
        directory / "search.png",
        [r.reward for r in search.results],
        title="architecture search: 1 - validation mean EER",
    )
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
    atomic_write_text(directory / "report.md", _report_text(result, config))


def _report_text(result: MainJobResult, config: ExperimentConfig) -> str:
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
    return (
        f"# {config.name}: baseline against found network\n\n{table}\n\n"
        "![validation EER by epoch](learning_curves.png)\n\n"
        f"![reward of each child](search.png)\n\n{details}\n\n"
        "The scores are beside this file; "
        "`audiotag-nas score --labels=labels.csv --scores=found_scores.csv` "
        "computes the EERs again.\n"
    )


def _export(
    system: FinalSystem, config: ExperimentConfig, workspace: Workspace
) -> None:
    from audiotag_nas.serving.export import export_model

    report = system.compared.report
    export_model(
        system.model,
        workspace.export_dir,
        features=config.features.resized(system.size, config.data.clip_seconds),
        tags=config.data.tags,
        thresholds=system.thresholds,
        metrics={
            "evaluation_mean_eer": report.mean_eer,
            "validation_mean_eer": system.result.metrics["validation_eer"],
            **{f"evaluation_eer_{t}": m.eer for t, m in report.tags.items()},
        },
        clip_seconds=config.data.clip_seconds,
        architecture=system.architecture,
    )


def _tag_one(
    system: FinalSystem,
    config: ExperimentConfig,
    workspace: Workspace,
    progress: Progress,
) -> Path | None:
    """Tags the first evaluation clip that carries two scored tags."""
    from audiotag_nas.serving.tagger import Tagger

    clips = preparation.read_clips(config, workspace, "evaluation")
    scored = set(config.data.tags)
    clip = max(clips, key=lambda c: min(2, len(scored.intersection(c.tags))))
    tagged = Tagger.load(workspace.export_dir).tag_file(clip.path)
    progress.line(f"  {clip.path}, annotated {' '.join(clip.tags) or 'none'}:")
    for line in tagged.describe():
        progress.line(f"  {line}")
    picture = workspace.report_dir / "tagged_clip.png"
    tagged.plot(picture)
    return picture
