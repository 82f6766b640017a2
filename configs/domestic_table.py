"""Domestic table: the trainings of the recorded table.

Purpose: trains every network of a small space with several seeds on one
synthetic data set, so that searchers can be compared in minutes
(docs/results/contest.md). With small spectrograms (31 x 32), 300 training clips
and 12 epochs, a training takes about 6 s of one core. After each epoch,
networks are scored on the validation folds 0 and 1, separately and together,
and on the evaluation split.
Command: python -m benchmarks.record_table --workdir=runs/table
Time: about 70 minutes for two seeds on two cores.
"""

from audiotag_nas.config import (
    DataConfig,
    ExperimentConfig,
    FeatureConfig,
    GridConfig,
    SyntheticConfig,
    TrainingConfig,
)


def get_config() -> ExperimentConfig:
    data = DataConfig(validation_folds=(0, 1))
    size = "31x32"
    return ExperimentConfig(
        name="domestic_table",
        data=data,
        synthetic=SyntheticConfig(
            num_development_clips=500, num_evaluation_clips=500
        ),
        features=FeatureConfig().resized(size, data.clip_seconds),
        training=TrainingConfig(
            epochs=12, patience=12, batch_size=16, learning_rate=3e-3
        ),
        grid=GridConfig(spectrogram_size=(size,)),
    )
