"""The experiment config: a tree of dataclasses with checked, plain values.

Each Python file in `configs/` returns one `ExperimentConfig`. The command line
can override fields (`--config.training.epochs=3`). Then `validate` checks all
fields. The resulting config is stored in the working directory. `differences`
returns the fields in which two configs differ.

This module does not import TensorFlow, which would delay an error message.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import field
from typing import Any

from audiotag_nas.architecture import conv_space
from audiotag_nas.config.features import FeatureConfig, parse_spectrogram_size
from audiotag_nas.config.searchers import (
    SEARCHER_SETTINGS,
    EvolutionSettings,
    PlainReinforceSettings,
    ReinforceSettings,
)
from audiotag_nas.config.section import Section, setting
from audiotag_nas.errors import ConfigError
from audiotag_nas.fields import from_json
from audiotag_nas.space import SearchSpace
from audiotag_nas.trial import MAX_REWARD

CHIME_HOME_TAGS = ("c", "m", "f", "v", "p", "b", "o")
"""The seven tags that DCASE 2016 task 4 scores, in the order of the task."""

REWARDS = ("eer", "auc", "loss", "binormal_eer")
"""Names of the quality measures that `training.rewards` defines."""


def _epochs(default: int) -> int:
    return setting(
        default, "Maximum number of epochs per training.", at_least=1
    )


def _patience(default: int) -> int:
    return setting(
        default,
        "A training ends after this many epochs without a better validation "
        "mean EER.",
        at_least=1,
    )


def _cost_weight(cost: str) -> float:
    return setting(
        0.0,
        f"Reward that is subtracted per factor of 10 in {cost}. 0: off.",
        at_least=0,
    )


@dataclasses.dataclass
class DataConfig(Section):
    """The clips and their tags."""

    source: str = setting(
        "synthetic",
        "Where the clips come from.",
        choices=("synthetic", "chime_home", "manifest"),
    )
    dataset_dir: str = setting(
        "",
        "Root directory of the data set. Required for source chime_home. "
        "Source synthetic always writes its clips to <workdir>/dataset.",
    )
    manifest_path: str = setting(
        "", "CSV file that lists the clips. Required for source manifest."
    )
    features_dir: str = setting(
        "",
        "Directory of the TFRecords, local or s3://. Empty: "
        "<workdir>/features.",
    )
    raw: bool = setting(
        False, "CHiME-Home: use the raw development list, not the refined one."
    )
    tags: tuple[str, ...] = setting(
        CHIME_HOME_TAGS, "Tags to predict, in output order.", not_empty=True
    )
    clip_seconds: float = setting(
        4.0, "Longer clips are cut to this length.", above=0, at_most=86400
    )
    min_clip_seconds: float = setting(
        4.0,
        "Shorter clips are rejected. Clips that are shorter than clip_seconds, "
        "but not shorter than min_clip_seconds, are padded with zeros.",
        above=0,
    )
    validation_folds: tuple[int, ...] = setting(
        (0,), "Development folds used for validation.", at_least=0
    )


@dataclasses.dataclass
class SyntheticConfig(Section):
    """The synthetic domestic scenes, in the layout of CHiME-Home."""

    num_development_clips: int = setting(
        1500, "Refined development clips.", at_least=20
    )
    num_evaluation_clips: int = setting(
        600, "Refined evaluation clips.", at_least=10
    )
    broadband_boost: float = setting(
        5.0,
        "How often tag b occurs, as a multiple of its rate in CHiME-Home.",
        above=0,
    )


@dataclasses.dataclass
class TrainingConfig(Section):
    """The training of every network."""

    epochs: int = setting(
        100,
        "Maximum number of epochs of a training that belongs to no stage. The "
        "stages search, grid and final use their own field.",
        at_least=1,
    )
    patience: int = _patience(20)
    batch_size: int = setting(
        44, "Clips per batch, over all replicas.", at_least=1
    )
    learning_rate: float = setting(1e-3, "Learning rate of Adam.", above=0)
    mixup_alpha: float = setting(
        0.2, "Mixup: parameter of the Beta distribution. 0: off.", at_least=0
    )
    time_mask_frames: int = setting(
        0, "SpecAugment: longest time mask, in frames. 0: off.", at_least=0
    )
    mel_mask_bins: int = setting(
        0,
        "SpecAugment: widest frequency mask, in mel bins. 0: off.",
        at_least=0,
    )


@dataclasses.dataclass
class SearchConfig(Section):
    """The architecture search."""

    searcher: str = setting(
        "reinforce",
        "Algorithm that proposes the architectures.",
        choices=tuple(name for name in SEARCHER_SETTINGS if name != "grid"),
    )
    num_trials: int = setting(24, "Number of trials in total.", at_least=1)
    trials_per_round: int = setting(
        4, "Architectures that the searcher proposes per round.", at_least=1
    )
    open_rounds: int = setting(
        1,
        "Number of rounds that are trained at the same time. With more rounds, "
        "fewer workers are idle.",
        at_least=1,
    )
    epochs: int = _epochs(10)
    patience: int = _patience(10)
    num_blocks: int = setting(7, "Convolutional blocks.", choices=(7,))
    filters: tuple[int, ...] = setting(
        (8, 16, 32, 64), "Choices for a block's number of filters.", at_least=1
    )
    heights: tuple[int, ...] = setting(
        (1, 3, 5, 7), "Choices for a kernel's height, in frames.", at_least=1
    )
    widths: tuple[int, ...] = setting(
        (1, 3, 5, 7), "Choices for a kernel's width, in mel bins.", at_least=1
    )
    retrain_repeats: bool = setting(
        False,
        "Retrain an architecture that is proposed again, instead of reusing "
        "its reward.",
    )
    reward: str = setting(
        "binormal_eer",
        "Validation metric that gives the reward of search and grid trials. "
        "The paper uses eer.",
        choices=REWARDS,
    )
    parameters_weight: float = _cost_weight("parameters")
    multiply_adds_weight: float = _cost_weight("multiply-adds")
    latency_weight: float = _cost_weight("latency")
    measure_latency: bool = setting(
        False, "Measure the latency even if latency_weight is 0."
    )
    failure_reward: float = setting(
        0.0,
        "Reward of a failed trial.",
        at_least=-MAX_REWARD,
        at_most=MAX_REWARD,
    )
    early_stop: str = setting(
        "none",
        "Rule that stops unpromising trials early.",
        choices=("none", "halving", "curve"),
    )
    early_stop_min_trials: int = setting(
        8,
        "Trials that are trained completely before any trial is stopped.",
        at_least=4,
    )
    early_stop_min_epochs: int = setting(
        2, "Number of epochs after which a trial can be stopped.", at_least=1
    )
    early_stop_eta: float = setting(
        3.0,
        "With early_stop=halving, one of this many trials is trained further.",
        at_least=1.1,
    )
    early_stop_risk: float = setting(
        0.1,
        "With early_stop=curve, accepted risk of stopping the best trial.",
        above=0,
        below=0.5,
    )
    reinforce: ReinforceSettings = field(default_factory=ReinforceSettings)
    reinforce_plain: PlainReinforceSettings = field(
        default_factory=PlainReinforceSettings
    )
    evolution: EvolutionSettings = field(default_factory=EvolutionSettings)

    @property
    def weighs_costs(self) -> bool:
        """Whether the reward depends on the network's costs."""
        return (
            self.parameters_weight > 0
            or self.multiply_adds_weight > 0
            or self.latency_weight > 0
        )

    @property
    def latency_is_measured(self) -> bool:
        return self.measure_latency or self.latency_weight > 0

    @property
    def searcher_settings(self) -> dict[str, Any]:
        """The settings of the selected searcher, for `make_searcher`."""
        settings = getattr(self, self.searcher, None)
        return dict(vars(settings)) if settings else {}

    def space(self) -> SearchSpace:
        return conv_space(
            num_blocks=self.num_blocks,
            filters=self.filters,
            heights=self.heights,
            widths=self.widths,
        )


@dataclasses.dataclass
class GridConfig(Section):
    """The grid search, which tries all combinations of training settings."""

    mixup_alpha: tuple[float, ...] = setting(
        (0.0, 0.2, 1.5), "Values of training.mixup_alpha.", at_least=0
    )
    spectrogram_size: tuple[str, ...] = setting(
        ("124x64", "124x128", "249x128"),
        "Spectrogram sizes, as <frames>x<mel bins>.",
        not_empty=True,
    )
    batch_size: tuple[int, ...] = setting(
        (22, 44, 88), "Values of training.batch_size.", at_least=1
    )
    epochs: int = _epochs(10)
    patience: int = _patience(10)


@dataclasses.dataclass
class FinalConfig(Section):
    """The final trainings of the baseline and of the found network."""

    epochs: int = _epochs(100)
    patience: int = _patience(20)
    bootstrap_samples: int = setting(
        1000, "Bootstrap resamples for the 95 % intervals.", at_least=100
    )
    export_dir: str = setting(
        "",
        "Directory of the exported model, local or s3://. Empty: "
        "<workdir>/export.",
    )


@dataclasses.dataclass
class ExperimentConfig(Section):
    """Everything that determines the outcome of an experiment.

    Example:
        >>> from audiotag_nas import ExperimentConfig
        >>> config = ExperimentConfig(name="mine")
        >>> config.training.batch_size = 16
        >>> config.validate().search.num_trials
        24
        >>> config.training.epochs = 0
        >>> config.validate()
        Traceback (most recent call last):
        ...
        audiotag_nas.errors.ConfigError: config.training.epochs: must be at \
least 1. Received: 0
    """

    name: str = setting("experiment", "Name of the experiment.", not_empty=True)
    seed: int = setting(0, "Seed of all random numbers.", at_least=0)
    threads_per_trial: int = setting(
        1,
        "CPU threads per training. They affect the last digits of results.",
        at_least=1,
    )
    data: DataConfig = field(default_factory=DataConfig)
    synthetic: SyntheticConfig = field(default_factory=SyntheticConfig)
    features: FeatureConfig = field(default_factory=FeatureConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    search: SearchConfig = field(default_factory=SearchConfig)
    grid: GridConfig = field(default_factory=GridConfig)
    final: FinalConfig = field(default_factory=FinalConfig)

    def validate(self) -> "ExperimentConfig":
        """Checks every field and returns self.

        Raises:
            ConfigError: a value breaks a rule. The error names field and rule.
        """
        self.check("config")
        self._check_together()
        return self

    def _check_together(self) -> None:
        """Checks the rules that concern several fields."""
        data, features = self.data, self.features
        if data.source == "chime_home" and not data.dataset_dir:
            raise ConfigError(
                "config.data.dataset_dir: must name the unpacked chime_home "
                "directory if data.source is 'chime_home'. Received: ''"
            )
        if data.source == "manifest" and not data.manifest_path:
            raise ConfigError(
                "config.data.manifest_path: must name a CSV file if "
                "data.source is 'manifest'. Received: ''"
            )
        if data.source != "manifest" and data.manifest_path:
            raise ConfigError(
                "config.data.source: must be 'manifest' if "
                f"data.manifest_path is given. Received: {data.source!r}"
            )
        if data.source == "synthetic" and data.dataset_dir:
            raise ConfigError(
                "config.data.source: must be 'chime_home' or 'manifest' if "
                "data.dataset_dir is given. Received: 'synthetic'"
            )
        if data.min_clip_seconds > data.clip_seconds:
            raise ConfigError(
                "config.data.min_clip_seconds: must not exceed "
                f"data.clip_seconds ({data.clip_seconds}). "
                f"Received: {data.min_clip_seconds}"
            )
        if (
            not features.fmin_hz
            < features.fmax_hz
            <= features.sample_rate_hz / 2
        ):
            raise ConfigError(
                "config.features.fmax_hz: must be above fmin_hz "
                f"({features.fmin_hz}) and at most half the sample rate "
                f"({features.sample_rate_hz / 2}). "
                f"Received: {features.fmax_hz}"
            )
        if (
            features.num_frames(
                round(data.clip_seconds * features.sample_rate_hz)
            )
            < 1
        ):
            raise ConfigError(
                "config.data.clip_seconds: must be at least one frame "
                f"({features.frame_length} samples). "
                f"Received: {data.clip_seconds}"
            )
        if self.search.latency_is_measured and self.threads_per_trial != 1:
            raise ConfigError(
                "config.threads_per_trial: must be 1 if the latency is "
                "measured (search.latency_weight, search.measure_latency). "
                f"Received: {self.threads_per_trial}"
            )
        self.search.space()
        self._check_sizes()

    def _check_sizes(self) -> None:
        """Checks that every spectrogram size of the grid is possible.

        At least one size must have the number of frames of the search, which
        follows from `features` and `data.clip_seconds`.
        """
        data, features = self.data, self.features
        default = features.spectrogram_size(data.clip_seconds)
        frames, _ = parse_spectrogram_size(default)
        sizes = self.grid.spectrogram_size
        try:
            parsed = [parse_spectrogram_size(size) for size in sizes]
            if all(grid_frames != frames for grid_frames, _ in parsed):
                fitting = dict.fromkeys(
                    f"{frames}x{mels}" for _, mels in parsed
                )
                raise ConfigError(
                    f"must have a size of {frames} frames, e.g. "
                    f"{','.join(fitting)}, because the search trains on "
                    f"{default} (by config.features and "
                    f"data.clip_seconds={data.clip_seconds}). "
                    f"Received: {','.join(sizes)}"
                )
            for size in sizes:
                features.resized(size, data.clip_seconds)
        except ConfigError as error:
            raise ConfigError(
                f"config.grid.spectrogram_size: {error}"
            ) from None

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "ExperimentConfig":
        """Rebuilds a config from the value that `to_json` returned.

        Raises:
            ConfigError: a field is unknown, or a value is not allowed.
        """
        config: ExperimentConfig = from_json(cls, value, "config")
        return config.validate()

    def differences(self, other: "ExperimentConfig") -> list[str]:
        """Returns the differing fields: `training.epochs: 3 here, 5 there`."""
        return [
            f"{mine.path}: {mine.value!r} here, {theirs.value!r} there"
            for mine, theirs in zip(
                self.settings(), other.settings(), strict=True
            )
            if mine.value != theirs.value
        ]
