"""Measures how difficult the synthetic data are for the CRNN baseline.

The program trains `crnn_baseline` on the development split, selects the epoch
on fold 0, and scores the network on the evaluation split. With 1,500
development clips, the mean equal error rate (EER) should be between 0.05 and
0.15. The EER of each tag should be above 0 and at most 0.35.

  python -m benchmarks.baseline --workdir=runs/baseline

On one core, the preparation takes minutes, and each epoch takes about 80 s.
"""

from collections.abc import Sequence

from absl import flags

from audiotag_nas.command_line import command, experiment_flags

_WORKDIR = flags.DEFINE_string(
    "workdir", None, experiment_flags.WORKDIR_HELP, required=True
)
_NUM_CLIPS = flags.DEFINE_integer(
    "num_clips", 1500, "Number of refined development clips.", lower_bound=20
)
_NUM_EVALUATION_CLIPS = flags.DEFINE_integer(
    "num_evaluation_clips",
    600,
    "Number of refined evaluation clips.",
    lower_bound=10,
)
_EPOCHS = flags.DEFINE_integer("epochs", 30, "Number of epochs.", lower_bound=1)
_SEED = flags.DEFINE_integer(
    "seed", 0, "Seed of data and training.", lower_bound=0
)


def main(argv: Sequence[str]) -> None:
    from audiotag_nas.config import (
        ExperimentConfig,
        GridConfig,
        SearchConfig,
        SyntheticConfig,
    )
    from audiotag_nas.data.stored_features import open_prepared
    from audiotag_nas.experiment import evaluation
    from audiotag_nas.experiment.progress import Progress
    from audiotag_nas.experiment.tuner import ArchitectureTuner
    from audiotag_nas.report.result_tables import report_table

    size = "124x128"
    config = ExperimentConfig(
        name="baseline",
        seed=_SEED.value,
        synthetic=SyntheticConfig(
            num_development_clips=_NUM_CLIPS.value,
            num_evaluation_clips=_NUM_EVALUATION_CLIPS.value,
        ),
        search=SearchConfig(epochs=_EPOCHS.value, patience=_EPOCHS.value),
        grid=GridConfig(spectrogram_size=(size,)),
    )
    progress = Progress()
    tuner = ArchitectureTuner(config, workdir=_WORKDIR.value, progress=progress)
    result = tuner.train_baseline()
    for epoch, eer in enumerate(result.history["validation_eer"], start=1):
        progress.line(f"  epoch {epoch:>3}  validation EER {eer:.4f}")
    scored = evaluation.score_split(
        tuner.load_model(result.trial_id),
        open_prepared(tuner.workspace.split_dir(size, "evaluation")),
        tags=config.data.tags,
    )
    progress.line(report_table(evaluation.evaluate(scored, config)))


if __name__ == "__main__":
    command.run(main, interrupted=command.RESUMABLE)
