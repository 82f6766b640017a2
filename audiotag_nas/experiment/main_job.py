"""The main job `run`: from sound files to an exported, evaluated tagger.

One `ArchitectureTuner` runs all nine steps. A step reuses the results that an
earlier run left in the working directory, so an interrupted job can be
continued. The evaluation split is not scored before step 7. The search, the
grid and the choice of the exported network use the validation folds only.
"""

from pathlib import Path

from audiotag_nas.architecture import CRNN_BASELINE, Architecture
from audiotag_nas.config import ExperimentConfig
from audiotag_nas.data.clip import Clip
from audiotag_nas.data.stored_features import open_prepared
from audiotag_nas.experiment import evaluation, model_export, stages
from audiotag_nas.experiment.dataset import DataSet, check_scorable
from audiotag_nas.experiment.main_job_report import (
    FinalSystem,
    MainJobResult,
    summary,
    write_report,
)
from audiotag_nas.experiment.progress import format_seconds
from audiotag_nas.experiment.tuner import ArchitectureTuner
from audiotag_nas.experiment.workspace import Workspace
from audiotag_nas.report.result_tables import ComparedSystem, epochs_until
from audiotag_nas.search.events import SearchOutcome
from audiotag_nas.space import Choice
from audiotag_nas.terminal import escaped
from audiotag_nas.trial import TrialResult

NUM_STEPS = 9


def run_main_job(tuner: ArchitectureTuner) -> MainJobResult:
    """Runs all nine steps and prints the comparison table.

    Raises:
        UserError: the data or the working directory can't be used, or a
            necessary training failed.
    """
    config, workspace, progress = tuner.config, tuner.workspace, tuner.progress
    with tuner.driving():
        if missing := tuner.missing_final_networks():
            progress.line(
                f"note: {workspace.trials_dir} lacks the networks of "
                f"{', '.join(missing)}; step 6 retrains them"
            )
        dataset = _prepare(tuner)
        title = "CRNN baseline, trained for as many epochs as a search trial"
        _step(tuner, 3, title)
        tuner.train_baseline()
        search = _search(tuner)
        trial, trained = search.recommended
        architecture = trial.architecture
        progress.line(
            f"  recommended: {architecture.describe()}  ({trial.trial_id}, "
            f"reward {trained.reward:.3f})"
        )
        grid = _grid(tuner, architecture)
        _step(tuner, 6, "final training: baseline and found network")
        results = tuner.train_final(architecture, grid.recommendation)
        _step(tuner, 7, "evaluation of both networks")
        settings = stages.grid_space(config).values(grid.recommendation)
        result = _evaluate(tuner, architecture, settings, results)
        write_report(
            result, search, config, workspace, data_lines=tuner.data_lines
        )
        _step(tuner, 8, "export, and the tags of one recording as an example")
        _export(result.winner, config, workspace)
        picture = _tag_one(tuner, result.winner, dataset.clips["evaluation"])
    _step(tuner, 9, "result")
    progress.line(summary(result, workspace, picture))
    progress.line(f"done in {format_seconds(progress.elapsed_seconds)}")
    return result


def _step(tuner: ArchitectureTuner, number: int, title: str) -> None:
    tuner.progress.step(f"[{number}/{NUM_STEPS}] {title}")


def _prepare(tuner: ArchitectureTuner) -> DataSet:
    config = tuner.config
    if config.data.source == "synthetic":
        counts = config.synthetic
        _step(
            tuner,
            1,
            f"synthetic domestic scenes: {counts.num_development_clips} "
            f"development, {counts.num_evaluation_clips} evaluation clips",
        )
    else:
        _step(tuner, 1, f"data set: {config.data.source}")
    dataset = tuner.read_dataset()
    check_scorable(dataset.clips["evaluation"], config.data.tags)
    _step(tuner, 2, "log-mels as TFRecords")
    tuner.prepare(dataset)
    return dataset


def _search(tuner: ArchitectureTuner) -> SearchOutcome:
    search = tuner.config.search
    _step(
        tuner,
        4,
        f"{search.searcher} search: {search.num_trials} trials "
        f"in a space of {search.space().size:.3g} architectures",
    )
    outcome = tuner.search()
    if outcome.stop_reason:
        tuner.progress.line(f"  ended early: {outcome.stop_reason}")
    return outcome


def _grid(
    tuner: ArchitectureTuner, architecture: Architecture
) -> SearchOutcome:
    space = stages.grid_space(tuner.config)
    axes = ", ".join(decision.name for decision in space.decisions)
    _step(tuner, 5, f"grid search over {axes}: {space.size} points")
    outcome = tuner.grid_search(architecture)
    values = space.values(outcome.recommendation)
    chosen = ", ".join(f"{name} {value}" for name, value in values.items())
    tuner.progress.line(f"  chosen settings: {chosen}")
    return outcome


def _evaluate(
    tuner: ArchitectureTuner,
    architecture: Architecture,
    settings: dict[str, Choice],
    results: tuple[TrialResult, TrialResult],
) -> MainJobResult:
    config = tuner.config
    # `epochs_to_target` counts the epochs until this EER is reached.
    target = results[0].metric("validation_eer")
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
    thresholds = model_export.choose_thresholds(
        model, open_prepared(workspace.split_dir(size, "development")), config
    )
    scored = evaluation.score_split(
        model, open_prepared(workspace.split_dir(size, "evaluation")), tags=tags
    )
    curve = result.curve("validation_eer")
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
            num_parameters=int(result.metric("num_parameters")),
            epochs_to_target=epochs_until(curve, target),
            num_epochs=len(curve),
        ),
    )


def _export(
    system: FinalSystem, config: ExperimentConfig, workspace: Workspace
) -> None:
    report = system.compared.report
    model_export.export_network(
        system.model,
        workspace.export_dir,
        config,
        size=system.size,
        architecture=system.architecture,
        thresholds=system.thresholds,
        reported={
            "evaluation_mean_eer": report.mean_eer,
            "validation_mean_eer": system.result.metric("validation_eer"),
            **{f"evaluation_eer_{t}": m.eer for t, m in report.tags.items()},
        },
    )


def _tag_one(
    tuner: ArchitectureTuner, system: FinalSystem, clips: list[Clip]
) -> Path | None:
    """As an example, tags the first clip that has at least two tags.

    If no clip has two tags, the first clip with the most tags is used.

    Returns:
        The path of the picture; None if the clip could not be tagged.
    """
    from audiotag_nas.serving.tagger import Tagger

    # A clip that was rejected in step 2 can't be tagged.
    scored = set(system.scored.clip_ids)
    clips = [clip for clip in clips if clip.clip_id in scored]
    tags = set(tuner.config.data.tags)
    clip = max(clips, key=lambda c: min(2, len(tags.intersection(c.tags))))
    tagger = Tagger.load(tuner.workspace.export_dir)
    tagged = tagger.tag_file(clip.path, keep_first_minute=True)
    annotated = " ".join(clip.tags) or "none"
    tuner.progress.line(
        f"  {escaped(clip.path)}, annotated tags {annotated}, predicted tags:"
    )
    for line in tagged.describe():
        tuner.progress.line(f"  {line}")
    if tagged.scores is None:
        return None
    picture = tuner.workspace.report_dir / "tagged_clip.png"
    tagged.plot(picture)
    return picture
