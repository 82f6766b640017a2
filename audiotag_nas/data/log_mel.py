"""The log-mel front end in NumPy.

    waveform (samples,) -> frames x window -> FFT -> magnitude -> mel -> log
                        -> log-mel (frames, mel bins), float32

The default settings are the baseline's (Wei et al., Sample Mixed-Based Data
Augmentation for Domestic Audio Tagging, DCASE workshop 2018). The front end
of `log_mel_layer` is the same in TensorFlow and takes its constants from
here. Both compute in float64 and round once, at the end: what float32 adds in
between shows in the quiet bins beside a loud one.

Nothing here looks at a second clip: a clip's features are its own.
"""

import functools
from typing import Any

import numpy as np

from audiotag_nas.config import FeatureConfig

_FRAMES_AT_ONCE = 32  # what the processor's cache holds
# Slaney's mel scale (Auditory Toolbox, 1998): linear below 1 kHz, logarithmic
# above, 27 steps to a factor of 6.4.
_LINEAR_TO_HZ = 1000.0
_HZ_PER_MEL = 200 / 3
_LOG_STEP = np.log(6.4) / 27
_WINDOW_COSINES = {"hamming": (0.54, 0.46), "hann": (0.5, 0.5)}


def analysis_window(config: FeatureConfig) -> np.ndarray:
    """The periodic window, float64 (frame_length,), scaled if so configured.

    With `normalize_window` it is divided by the root of its energy, which
    scales a magnitude spectrum by that root and a power spectrum by the
    energy.
    """
    offset, cosine = _WINDOW_COSINES[config.window]
    phase = 2 * np.pi * np.arange(config.frame_length) / config.frame_length
    window = offset - cosine * np.cos(phase)
    if config.normalize_window:
        window /= np.sqrt(np.sum(window**2))
    return window


def mel_matrix(config: FeatureConfig) -> np.ndarray:
    """The mel filters, float32 (FFT bins, mel bins), read-only.

    They are the triangles of `librosa.filters.mel`, linear in Hz. With
    `mel_norm="peak"` each is divided by its largest value. A filter narrower
    than the spacing of the FFT bins can hold none of them; it stays zero, and
    its mel bin is constant at the logarithm of the floor. The baseline's
    settings have no such filter.
    """
    return _mel_matrix(*_mel_settings(config))


def log_mel(waveform: np.ndarray, config: FeatureConfig) -> np.ndarray:
    """The log-mel spectrogram of one clip.

    Args:
        waveform: (samples,), mono, at `config.sample_rate_hz`, full scale 1.
            One shorter than a frame is padded to a frame with zeros.
        config: the settings.

    Returns:
        float32 (frames, mel bins), in nepers (`log="ln"`) or decibels.

    Raises:
        ValueError: `waveform` has not one axis.
    """
    if waveform.ndim != 1:
        raise ValueError(
            f"`waveform` must have one axis. Received: shape {waveform.shape}"
        )
    samples = np.pad(
        waveform.astype(np.float64), padding(waveform.shape[0], config)
    )
    frames = np.lib.stride_tricks.sliding_window_view(
        samples, config.frame_length
    )[:: config.frame_step]
    window = analysis_window(config)
    bands = _bands(*_mel_settings(config))
    mels = np.empty((len(frames), config.num_mels))
    for start in range(0, len(frames), _FRAMES_AT_ONCE):
        block = slice(start, start + _FRAMES_AT_ONCE)
        spectrum = np.abs(np.fft.rfft(frames[block] * window))
        if config.power == 2:
            np.square(spectrum, out=spectrum)
        mels[block] = bands.apply(spectrum)
    return _log(mels, config).astype(np.float32)


def padding(num_samples: int, config: FeatureConfig) -> tuple[int, int]:
    """The zeros that go before and after `num_samples` samples."""
    if config.center:
        before = config.frame_length // 2
        return before, config.frame_length - before
    return 0, max(config.frame_length - num_samples, 0)


def _log(mels: np.ndarray, config: FeatureConfig) -> np.ndarray:
    if config.log == "ln":
        return np.log(mels + config.log_floor)
    return 10 * np.log10(np.maximum(mels, config.log_floor))


class _Bands:
    """The product with a mel matrix, by its non-zero entries alone.

    A mel filter spans few FFT bins. Beside the arithmetic this spares a
    threaded matrix product, whose threads, where others want the cores too,
    cost more time than the product (measured: ten times as much).
    """

    def __init__(self, matrix: np.ndarray) -> None:
        num_nonzero = np.count_nonzero(matrix, axis=0)
        # An empty filter takes part with one entry of weight zero, because
        # `reduceat` has no empty sum.
        used = matrix.T != 0
        used[num_nonzero == 0, 0] = True
        filters, self._bins = np.nonzero(used)
        self._weights = matrix[self._bins, filters].astype(np.float64)
        self._starts = np.searchsorted(filters, np.arange(matrix.shape[1]))

    def apply(self, spectrum: np.ndarray) -> np.ndarray:
        """(frames, FFT bins) -> (frames, mel bins), float64."""
        products = spectrum[:, self._bins] * self._weights
        return np.add.reduceat(products, self._starts, axis=1)


def _mel_settings(config: FeatureConfig) -> tuple[Any, ...]:
    """What decides the mel matrix: the arguments of `_mel_matrix`."""
    return (
        config.sample_rate_hz,
        config.frame_length,
        config.num_mels,
        config.fmin_hz,
        config.fmax_hz,
        config.mel_scale,
        config.mel_norm,
    )


@functools.lru_cache(maxsize=32)
def _bands(*mel_settings: Any) -> _Bands:
    return _Bands(_mel_matrix(*mel_settings))


@functools.lru_cache(maxsize=32)
def _mel_matrix(
    sample_rate_hz: int,
    frame_length: int,
    num_mels: int,
    fmin_hz: float,
    fmax_hz: float,
    mel_scale: str,
    mel_norm: str,
) -> np.ndarray:
    bins_hz = np.fft.rfftfreq(frame_length, 1 / sample_rate_hz)
    # Each filter rises from its left edge to its centre, which is the left
    # edge of the next one, and falls to its right edge.
    low, high = _hz_to_mel(np.array([fmin_hz, fmax_hz], np.float64), mel_scale)
    edges_hz = _mel_to_hz(np.linspace(low, high, num_mels + 2), mel_scale)
    widths_hz = np.diff(edges_hz)[:, np.newaxis]
    offsets_hz = bins_hz - edges_hz[:, np.newaxis]
    rising = offsets_hz[:-2] / widths_hz[:-1]
    falling = -offsets_hz[2:] / widths_hz[1:]
    filters = np.maximum(0, np.minimum(rising, falling)).astype(np.float32)
    if mel_norm == "slaney":
        areas_hz = (edges_hz[2:] - edges_hz[:-2]) / 2
        # In place: the product is rounded to float32.
        filters *= (1 / areas_hz)[:, np.newaxis]
    elif mel_norm == "peak":
        peaks = filters.max(axis=1, keepdims=True)
        filters = filters / np.where(peaks > 0, peaks, 1)
    matrix = np.ascontiguousarray(filters.T)
    matrix.setflags(write=False)  # shared by every caller
    return matrix


def _hz_to_mel(hz: np.ndarray, mel_scale: str) -> np.ndarray:
    if mel_scale == "htk":
        return 2595 * np.log10(1 + hz / 700)
    above = np.log(np.maximum(hz, _LINEAR_TO_HZ) / _LINEAR_TO_HZ) / _LOG_STEP
    return np.minimum(hz, _LINEAR_TO_HZ) / _HZ_PER_MEL + above


def _mel_to_hz(mels: np.ndarray, mel_scale: str) -> np.ndarray:
    if mel_scale == "htk":
        return 700 * (10 ** (mels / 2595) - 1)
    linear_to = _LINEAR_TO_HZ / _HZ_PER_MEL
    above = np.exp(_LOG_STEP * (np.maximum(mels, linear_to) - linear_to))
    return np.where(mels < linear_to, _HZ_PER_MEL * mels, _LINEAR_TO_HZ * above)
