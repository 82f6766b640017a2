"""Domestic table: the trainings of the recorded table.

Purpose: trains every network of a small space with several seeds on one
synthetic data set. With the recorded results, searchers can be compared in
minutes (docs/results/contest.md). Spectrograms are small (31 x 32), so one
training on 300 clips for 12 epochs takes about 6 s on one core. After each
epoch, a network is scored on the validation folds 0 and 1, separately and
together, and on the evaluation split.
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
