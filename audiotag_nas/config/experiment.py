"""The experiment config: typed, validated, plain values only.

One Python file an experiment in `configs/` gives an `ExperimentConfig`; its
fields are overridable on the command line (`--config.training.epochs=3`).
`validate` is called once all overrides are in. The resolved config is written
into the working directory, and `differences` names what changed since.

Only the standard library is imported, so that a wrong value is reported
before TensorFlow starts.
"""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

from audiotag_nas.architecture import conv_space
from audiotag_nas.config.rules import RULES
from audiotag_nas.errors import ConfigError
from audiotag_nas.fields import Section, check_types, flatten, from_json
from audiotag_nas.space import SearchSpace

CHIME_HOME_TAGS = ("c", "m", "f", "v", "p", "b", "o")
"""The seven scored tags of DCASE 2016 task 4, in the challenge's order."""

_SIZE = re.compile(r"(\d+)x(\d+)")


def parse_spectrogram_size(size: str) -> tuple[int, int]:
    """`"124x128"` -> (124 frames, 128 mel bins).

    Raises:
        ConfigError: another form, or a number below 1.
    """
    match = _SIZE.fullmatch(size)
    if match is None or min(map(int, match.groups())) < 1:
        raise ConfigError(
            "a spectrogram size is <frames>x<mel bins>, e.g. 124x128. "
            f"Received: {size!r}"
        )
    return int(match[1]), int(match[2])


@dataclasses.dataclass
class FeatureConfig(Section):
    """The log-mel front end.

    The defaults are the baseline's (Wei et al. 2018): 16 kHz, Hamming 1024,
    step 512, no padding, magnitude over the root of the window's energy, 128
    mels scaled to a peak of 1, ln(x + 1e-8); 4 s give 124 x 128.
    """

    sample_rate_hz: int = 16000
    window: str = "hamming"  # hamming | hann, periodic
    frame_length: int = 1024  # samples
    frame_step: int = 512  # samples
    center: bool = False  # pad half a frame of zeros at both ends
    normalize_window: bool = True  # divide by sqrt(sum of squared window)
    power: float = 1.0  # 1: magnitude, 2: power
    num_mels: int = 128
    fmin_hz: float = 0.0
    fmax_hz: float = 8000.0
    mel_scale: str = "slaney"  # slaney | htk
    mel_norm: str = "peak"  # peak | slaney (area) | none
    log: str = "ln"  # ln: ln(x + log_floor) | db: 10 log10(max(x, log_floor))
    log_floor: float = 1e-8

    @classmethod
    def librosa_defaults(cls) -> "FeatureConfig":
        """`librosa.feature.melspectrogram` and `power_to_db(top_db=None)`."""
        return cls(
            sample_rate_hz=22050,
            window="hann",
            frame_length=2048,
            frame_step=512,
            center=True,
            normalize_window=False,
            power=2.0,
            num_mels=128,
            fmin_hz=0.0,
            fmax_hz=11025.0,
            mel_scale="slaney",
            mel_norm="slaney",
            log="db",
            log_floor=1e-10,
        )

    def num_frames(self, num_samples: int) -> int:
        """Frames that `num_samples` samples give; 0 if too short for one."""
        if self.center:
            return 1 + num_samples // self.frame_step if num_samples else 0
        if num_samples < self.frame_length:
            return 0
        return 1 + (num_samples - self.frame_length) // self.frame_step

    def spectrogram_size(self, clip_seconds: float) -> str:
        """The size of a clip's spectrogram, e.g. `124x128`."""
        frames = self.num_frames(round(clip_seconds * self.sample_rate_hz))
        return f"{frames}x{self.num_mels}"

    def resized(self, size: str, clip_seconds: float) -> "FeatureConfig":
        """The same front end giving spectrograms of `size`.

        The frame length stays where frames then overlap by half or more, and
        else is doubled until they do ([own]); the step is the longest that
        gives that many frames.

        Raises:
            ConfigError: no step gives that many frames.
        """
        frames, mels = parse_spectrogram_size(size)
        if size == self.spectrogram_size(clip_seconds):
            return dataclasses.replace(self)
        samples = round(clip_seconds * self.sample_rate_hz)
        length = self.frame_length
        while length < samples:
            span = samples if self.center else samples - length
            step = span // max(frames - 1, 1)
            if step >= 1 and 2 * step <= length:
                break
            length *= 2
        else:
            raise ConfigError(
                f"spectrogram size {size}: {clip_seconds} s at "
                f"{self.sample_rate_hz} Hz can't be cut into {frames} frames "
                "that overlap."
            )
        result = dataclasses.replace(
            self, frame_length=length, frame_step=step, num_mels=mels
        )
        if result.spectrogram_size(clip_seconds) != size:
            raise ConfigError(
                f"spectrogram size {size}: the nearest that {clip_seconds} s "
                f"give is {result.spectrogram_size(clip_seconds)}."
            )
        return result


@dataclasses.dataclass
class DataConfig(Section):
    """Which clips, and what of them."""

    source: str = "synthetic"  # synthetic | chime_home | manifest
    dataset_dir: str = ""  # the data set's root; synthetic: <workdir>/dataset
    manifest_path: str = ""  # source manifest: the CSV file
    features_dir: str = ""  # of TFRecords, s3:// too; "": <workdir>/features
    raw: bool = False  # CHiME-Home: train on the raw development list
    tags: tuple[str, ...] = CHIME_HOME_TAGS  # the network's outputs, in order
    clip_seconds: float = 4.0  # longer clips are cut
    min_clip_seconds: float = 4.0  # shorter clips are rejected, others padded
    validation_folds: tuple[int, ...] = (0,)  # rewards and early stopping


@dataclasses.dataclass
class SyntheticConfig(Section):
    """The synthesizer of domestic scenes in the CHiME-Home layout."""

    num_development_clips: int = 1500  # refined
    num_evaluation_clips: int = 600  # refined
    broadband_boost: float = 5.0  # how much commoner `b` is than in reality


@dataclasses.dataclass
class TrainingConfig(Section):
    """How one network is trained."""

    epochs: int = 100
    patience: int = 20  # epochs without a better validation mean EER
    batch_size: int = 44  # global, over all replicas
    learning_rate: float = 1e-3  # Adam
    mixup_alpha: float = 0.2  # 0: off
    time_mask_frames: int = 0  # SpecAugment: longest masked run; 0: off
    mel_mask_bins: int = 0


@dataclasses.dataclass
class SearchConfig(Section):
    """The architecture search."""

    searcher: str = "reinforce"
    num_trials: int = 24
    trials_per_round: int = 4
    open_rounds: int = 1  # rounds in training at a time; more idle no worker
    epochs: int = 10  # of a child
    patience: int = 10
    num_blocks: int = 7
    filters: tuple[int, ...] = (8, 16, 32, 64)
    heights: tuple[int, ...] = (1, 3, 5, 7)
    widths: tuple[int, ...] = (1, 3, 5, 7)
    retrain_repeats: bool = False  # train an architecture that was trained
    reward: str = "binormal_eer"  # of children and grid; the paper's: eer
    parameters_weight: float = 0.0  # off the reward for a tenfold cost; 0: off
    multiply_adds_weight: float = 0.0
    latency_weight: float = 0.0
    measure_latency: bool = False  # also where its weight is 0
    failure_reward: float = 0.0  # told to the searcher for a failed child
    # Children stopped early
    early_stop: str = "none"  # none | halving | curve
    early_stop_min_trials: int = 8  # children trained whole before any is
    early_stop_min_epochs: int = 2  # of every child
    early_stop_eta: float = 3.0  # halving: of this many, one goes on
    early_stop_risk: float = 0.1  # curve: of stopping one as good as the best
    # Model-based REINFORCE
    num_initial: int = 12  # children before the reward model is asked
    policy_steps: int = 8  # of practice on the reward model, a round
    policy_entropy: float = 0.1
    reevaluate: bool = True  # train good architectures again where noise asks
    # Plain REINFORCE
    controller_units: int = 64
    learning_rate: float = 5e-3
    baseline_decay: float = 0.9
    entropy_weight: float = 0.01
    clip_norm: float = 1.0
    # Regularized evolution
    evolution_population: int = 20
    evolution_sample: int = 5  # members a tournament

    @property
    def weighs_costs(self) -> bool:
        """Whether the reward is less than the quality for what it costs."""
        return (
            self.parameters_weight > 0
            or self.multiply_adds_weight > 0
            or self.latency_weight > 0
        )

    @property
    def latency_is_measured(self) -> bool:
        return self.measure_latency or self.latency_weight > 0

    def space(self) -> SearchSpace:
        return conv_space(
            num_blocks=self.num_blocks,
            filters=self.filters,
            heights=self.heights,
            widths=self.widths,
        )


@dataclasses.dataclass
class GridConfig(Section):
    """The grid search that follows, over the full product of its axes."""

    mixup_alpha: tuple[float, ...] = (0.0, 0.2, 1.5)
    spectrogram_size: tuple[str, ...] = ("124x64", "124x128", "249x128")
    batch_size: tuple[int, ...] = (22, 44, 88)
    epochs: int = 10
    patience: int = 10


@dataclasses.dataclass
class FinalConfig(Section):
    """The last training, of the baseline and of the found network alike."""

    epochs: int = 100
    patience: int = 20
    bootstrap_samples: int = 1000  # for the 95 % intervals
    export_dir: str = ""  # of the model, s3:// too; "": <workdir>/export


@dataclasses.dataclass
class ExperimentConfig(Section):
    """All that decides the outcome of an experiment."""

    name: str = "experiment"
    seed: int = 0
    threads_per_trial: int = 1  # on the CPU; decides a result's last digits
    data: DataConfig = dataclasses.field(default_factory=DataConfig)
    synthetic: SyntheticConfig = dataclasses.field(
        default_factory=SyntheticConfig
    )
    features: FeatureConfig = dataclasses.field(default_factory=FeatureConfig)
    training: TrainingConfig = dataclasses.field(default_factory=TrainingConfig)
    search: SearchConfig = dataclasses.field(default_factory=SearchConfig)
    grid: GridConfig = dataclasses.field(default_factory=GridConfig)
    final: FinalConfig = dataclasses.field(default_factory=FinalConfig)

    def validate(self) -> "ExperimentConfig":
        """Checks every field; returns self.

        Raises:
            ConfigError: naming the field, the rule and the value.
        """
        check_types(self, "config")
        for path, (rule, holds) in RULES.items():
            section, _, name = path.rpartition(".")
            value = getattr(getattr(self, section) if section else self, name)
            if not holds(value):
                raise ConfigError(
                    f"config.{path}: must be {rule}. Received: {value!r}"
                )
        self._check_together()
        return self

    def _check_together(self) -> None:
        """The rules that hold between fields."""
        data, features = self.data, self.features
        if data.source == "chime_home" and not data.dataset_dir:
            raise ConfigError(
                "config.data.dataset_dir: must name the unpacked chime_home "
                "directory where data.source is 'chime_home'. Received: ''"
            )
        if data.source == "manifest" and not data.manifest_path:
            raise ConfigError(
                "config.data.manifest_path: must name a CSV file where "
                "data.source is 'manifest'. Received: ''"
            )
        if data.source != "manifest" and data.manifest_path:
            raise ConfigError(
                "config.data.source: must be 'manifest' where "
                f"data.manifest_path is given. Received: {data.source!r}"
            )
        if data.source == "synthetic" and data.dataset_dir:
            raise ConfigError(
                "config.data.source: must be 'chime_home' or 'manifest' where "
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
                "config.data.clip_seconds: must hold one frame of "
                f"{features.frame_length} samples. "
                f"Received: {data.clip_seconds}"
            )
        if self.search.latency_is_measured and self.threads_per_trial != 1:
            raise ConfigError(
                "config.threads_per_trial: must be 1 where the latency is "
                "measured (search.latency_weight, search.measure_latency). "
                f"Received: {self.threads_per_trial}"
            )
        self.search.space()
        self._check_sizes()

    def _check_sizes(self) -> None:
        """That search and grid train on spectrograms of one frame rate.

        The default size follows `data.clip_seconds`; the grid's are given.
        """
        data, features = self.data, self.features
        default = features.spectrogram_size(data.clip_seconds)
        frames, _ = parse_spectrogram_size(default)
        sizes = self.grid.spectrogram_size
        try:
            parsed = [parse_spectrogram_size(size) for size in sizes]
            if all(of_grid != frames for of_grid, _ in parsed):
                fitting = dict.fromkeys(
                    f"{frames}x{mels}" for _, mels in parsed
                )
                raise ConfigError(
                    f"must have a size of the {frames} frames that the search "
                    f"trains on ({default}, by config.features and "
                    f"data.clip_seconds={data.clip_seconds}), e.g. "
                    f"{','.join(fitting)}. Received: {','.join(sizes)}"
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
        """The config that `to_json` gave, tuples and all.

        Raises:
            ConfigError: an unknown field, or a value of the wrong type.
        """
        config: ExperimentConfig = from_json(cls, value, "config")
        return config.validate()

    def differences(self, other: "ExperimentConfig") -> list[str]:
        """One line a differing field: `training.epochs: 3 here, 5 there`."""
        mine, theirs = flatten(self.to_json()), flatten(other.to_json())
        return [
            f"{path}: {mine[path]!r} here, {theirs[path]!r} there"
            for path in mine
            if mine[path] != theirs[path]
        ]
