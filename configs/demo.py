"""Demo: the main job on synthetic domestic scenes, in minutes.

Purpose: shows every step on any machine, from synthetic clips to tagging.
Spectrograms are small (62 x 40) and trainings are short, so better networks are
possible. `chime_home` has the paper's scale. In the search space, kernels are
small, and no block has more filters than in the baseline. With fewer filters
and kernels of 5, the found networks learned faster than the baseline, but their
final EERs were not lower.
Command: make demo
Time: under 12 minutes on two cores.
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
        name="demo",
        data=data,
        synthetic=SyntheticConfig(
            num_development_clips=600, num_evaluation_clips=300
        ),
        features=FeatureConfig().resized("62x40", data.clip_seconds),
        training=TrainingConfig(batch_size=16, learning_rate=2e-3),
        search=SearchConfig(
            num_trials=24,
            open_rounds=2,
            trials_per_round=4,
            epochs=4,
            filters=(16, 32, 64),
            heights=(1, 3),
            widths=(1, 3),
        ),
        grid=GridConfig(
            mixup_alpha=(0.0, 0.2),
            spectrogram_size=("62x40", "62x64"),
            batch_size=(16, 32),
            epochs=4,
        ),
        final=FinalConfig(epochs=12, patience=12),
    )
