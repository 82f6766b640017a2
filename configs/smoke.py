"""Smoke: every step of the main job, as small as possible.

Purpose: checks that an installation works. The tests run this config. Its
results mean nothing, because 60 clips are too few to train a network.
Command: audiotag-nas run --config=smoke --workdir=/tmp/audiotag_smoke
Time: about two minutes on two cores.
"""

from audiotag_nas.config import (
    DataConfig,
    ExperimentConfig,
    FeatureConfig,
    FinalConfig,
    GridConfig,
    SearchConfig,
    SyntheticConfig,
    TrainingConfig,
)


def get_config() -> ExperimentConfig:
    data = DataConfig()
    return ExperimentConfig(
        name="smoke",
        data=data,
        synthetic=SyntheticConfig(
            num_development_clips=60, num_evaluation_clips=30
        ),
        features=FeatureConfig().resized("31x16", data.clip_seconds),
        training=TrainingConfig(epochs=1, batch_size=16),
        search=SearchConfig(
            num_trials=2,
            trials_per_round=2,
            epochs=1,
            filters=(4, 8),
            heights=(1, 3),
            widths=(1, 3),
        ),
        grid=GridConfig(
            mixup_alpha=(0.2,),
            spectrogram_size=("31x16", "25x16"),
            batch_size=(16,),
            epochs=1,
        ),
        final=FinalConfig(epochs=2, bootstrap_samples=100),
    )
