"""CHiME-Home: the paper's task at the paper's scale.

Purpose: repeats the experiment of Liu and Zhang (IJCNN 2020) on domestic audio
tagging, which is DCASE 2016 task 4. The search chooses the filters, kernel
heights and kernel widths of 7 blocks. A grid search and the final trainings
follow. The networks are scored on the 816 refined evaluation clips.
Data: the unpacked CHiME-Home archive (docs/guide/data.md).
Command: audiotag-nas run --config=chime_home --workdir=runs/chime_home \
    --config.data.dataset_dir=/data/chime_home
Time: days on a CPU. We have not run this config on the real recordings.
Expected: the paper reports a mean EER of 0.095 for the found network and of
0.10 for the CRNN baseline.
"""

from audiotag_nas.config import (
    DataConfig,
    ExperimentConfig,
    FinalConfig,
    GridConfig,
    SearchConfig,
    TrainingConfig,
)


def get_config() -> ExperimentConfig:
    return ExperimentConfig(
        name="chime_home",
        data=DataConfig(source="chime_home"),
        training=TrainingConfig(batch_size=44, mixup_alpha=0.2),
        search=SearchConfig(
            num_trials=200, epochs=20, patience=8, reward="eer"
        ),
        grid=GridConfig(
            mixup_alpha=(0.0, 0.2, 1.5),
            spectrogram_size=("124x64", "124x128", "249x128"),
            batch_size=(22, 44, 88),
            epochs=20,
            patience=8,
        ),
        final=FinalConfig(epochs=100, patience=20),
    )
