"""The config of the log-mel front end, and sizes of its spectrograms."""

import dataclasses
import re

from audiotag_nas.config.section import Section, setting
from audiotag_nas.errors import ConfigError

_SIZE = re.compile(r"(\d+)x(\d+)")


def parse_spectrogram_size(size: str) -> tuple[int, int]:
    """Returns the numbers of frames and mel bins: `"124x128"` -> (124, 128).

    Raises:
        ConfigError: `size` does not have this form, or a number is below 1.
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

    The defaults are the front end of the CRNN baseline (Wei et al. 2018). With
    the defaults, a clip of 4 s has 124 frames of 128 mel bins.

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
        16000, "Sample rate after resampling.", at_least=1000, at_most=768000
    )
    window: str = setting(
        "hamming", "Periodic window function.", choices=("hamming", "hann")
    )
    frame_length: int = setting(
        1024, "Length of a frame, in samples.", at_least=16
    )
    frame_step: int = setting(
        512, "Distance between two frame starts, in samples.", at_least=1
    )
    center: bool = setting(
        False, "Pad both ends of a clip with half a frame of zeros."
    )
    normalize_window: bool = setting(
        True, "Divide the window by the square root of the sum of its squares."
    )
    power: float = setting(
        1.0,
        "Exponent of the magnitude spectrum. 1 gives magnitudes, 2 powers.",
        choices=(1.0, 2.0),
    )
    num_mels: int = setting(128, "Number of mel bins.", at_least=1)
    fmin_hz: float = setting(
        0.0, "Lower edge of the lowest mel band.", at_least=0
    )
    fmax_hz: float = setting(
        8000.0,
        "Upper edge of the highest mel band. Must be above fmin_hz and at most "
        "half the sample rate.",
    )
    mel_scale: str = setting(
        "slaney", "Formula of the mel scale.", choices=("slaney", "htk")
    )
    mel_norm: str = setting(
        "peak",
        "Scale of a mel band's filter. peak: its maximum is 1; slaney: its "
        "area is 1; none: it is not scaled.",
        choices=("peak", "slaney", "none"),
    )
    log: str = setting(
        "ln",
        "Logarithm of a mel energy x. ln: ln(x + log_floor); db: 10 "
        "log10(max(x, log_floor)).",
        choices=("ln", "db"),
    )
    log_floor: float = setting(
        1e-8, "Floor of the mel energies in the formula of log.", above=0
    )

    @classmethod
    def librosa_defaults(cls) -> "FeatureConfig":
        """Returns the front end of librosa's default log-mel spectrogram.

        In librosa, `melspectrogram` and `power_to_db(top_db=None)` compute it.
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
        """Returns the number of frames of a clip of `num_samples` samples."""
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

        The frame step is the longest one that gives the number of frames of
        `size`. This project's own choice: the frame length is doubled until
        neighboring frames overlap by at least half of their length.

        Raises:
            ConfigError: no frame step gives the number of frames.
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
                f"spectrogram size {size}: a clip of {clip_seconds} s at "
                f"{self.sample_rate_hz} Hz can't be cut into {frames} frames "
                "that overlap."
            )
        result = dataclasses.replace(
            self, frame_length=length, frame_step=step, num_mels=mels
        )
        if result.spectrogram_size(clip_seconds) != size:
            raise ConfigError(
                f"spectrogram size {size}: a clip of {clip_seconds} s can't "
                "have it. The nearest possible size is "
                f"{result.spectrogram_size(clip_seconds)}."
            )
        return result
