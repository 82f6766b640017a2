"""The config of the log-mel front end, and spectrogram sizes."""

import dataclasses
import re

from audiotag_nas.config.section import Section, setting
from audiotag_nas.errors import ConfigError

_SIZE = re.compile(r"(\d+)x(\d+)")


def parse_spectrogram_size(size: str) -> tuple[int, int]:
    """Returns the frames and mel bins: `"124x128"` -> (124, 128).

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

    The defaults are the baseline's (Wei et al. 2018): 4 s give 124 frames of
    128 mel bins.

    Example:
        >>> from audiotag_nas import FeatureConfig
        >>> features = FeatureConfig()
        >>> features.spectrogram_size(clip_seconds=4.0)
        '124x128'
        >>> smaller = features.resized("62x40", clip_seconds=4.0)
        >>> smaller.frame_length, smaller.frame_step, smaller.num_mels
        (2048, 1015, 40)
    """

    sample_rate_hz: int = setting(
        16000, "Clips are resampled to it.", at_least=1000, at_most=768000
    )
    window: str = setting(
        "hamming", "Periodic window of a frame.", choices=("hamming", "hann")
    )
    frame_length: int = setting(
        1024, "Length of a frame, in samples.", at_least=16
    )
    frame_step: int = setting(
        512, "Distance between frames, in samples.", at_least=1
    )
    center: bool = setting(
        False, "Pad both ends of a clip with half a frame of zeros."
    )
    normalize_window: bool = setting(
        True, "Divide by the root of the sum of the squared window."
    )
    power: float = setting(
        1.0,
        "Exponent of the spectrum: 1 magnitude, 2 power.",
        choices=(1.0, 2.0),
    )
    num_mels: int = setting(128, "Mel bins.", at_least=1)
    fmin_hz: float = setting(
        0.0, "Lower edge of the lowest mel band.", at_least=0
    )
    fmax_hz: float = setting(
        8000.0,
        "Upper edge of the highest mel band: above fmin_hz, at most half the "
        "sample rate.",
    )
    mel_scale: str = setting(
        "slaney", "Formula of the mel scale.", choices=("slaney", "htk")
    )
    mel_norm: str = setting(
        "peak",
        "Scale of a mel band: a peak of 1, an area of 1 (slaney) or none.",
        choices=("peak", "slaney", "none"),
    )
    log: str = setting(
        "ln",
        "ln: ln(x + log_floor); db: 10 log10(max(x, log_floor)).",
        choices=("ln", "db"),
    )
    log_floor: float = setting(1e-8, "See log.", above=0)

    @classmethod
    def librosa_defaults(cls) -> "FeatureConfig":
        """Returns the front end of librosa's default log-mel spectrogram.

        That is `melspectrogram` followed by `power_to_db(top_db=None)`.
        """
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
        """Returns how many frames `num_samples` samples give."""
        if self.center:
            return 1 + num_samples // self.frame_step if num_samples else 0
        if num_samples < self.frame_length:
            return 0
        return 1 + (num_samples - self.frame_length) // self.frame_step

    def spectrogram_size(self, clip_seconds: float) -> str:
        """Returns the size of a clip's spectrogram, e.g. `124x128`."""
        frames = self.num_frames(round(clip_seconds * self.sample_rate_hz))
        return f"{frames}x{self.num_mels}"

    def resized(self, size: str, clip_seconds: float) -> "FeatureConfig":
        """Returns the same front end for spectrograms of `size`.

        The frame length is doubled until frames overlap by half or more
        ([own]). The step is the longest that gives the number of frames.

        Raises:
            ConfigError: no step gives the number of frames.
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
