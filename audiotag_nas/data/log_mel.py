"""The log-mel front end: its definition, and its implementation in NumPy.

    waveform (samples,) -> frames x window -> FFT -> magnitude or power
                        -> mel filters -> log -> (frames, mel bins), float32

The default settings are those of the baseline (Wei et al., Sample Mixed-Based
Data Augmentation for Domestic Audio Tagging, DCASE workshop 2018).
`log_mel_layer` implements the same computation in TensorFlow, with the window
and the mel matrix from this module. Both modules compute in float64 and return
float32. In float32, rounding errors of a loud bin would hide quiet neighbors.

A clip's features depend on no other clip.
"""

import dataclasses
import functools
from typing import Any

import numpy as np

from audiotag_nas.config import FeatureConfig

_FRAMES_AT_ONCE = 32  # this many fit into the processor's cache
# Slaney's mel scale (Auditory Toolbox, 1998) is linear below 1 kHz. Above 1 kHz
# it is logarithmic: the frequency grows by a factor of 6.4 every 27 mels.
_LINEAR_TO_HZ = 1000.0
_HZ_PER_MEL = 200 / 3
_LOG_STEP = np.log(6.4) / 27
_WINDOW_COSINES = {"hamming": (0.54, 0.46), "hann": (0.5, 0.5)}


def analysis_window(config: FeatureConfig) -> np.ndarray:
    """Returns the periodic window, float64 (frame_length,).

    If `config.normalize_window` is True, the window is divided by the square
    root of its energy, which divides a power spectrum by this energy.
    """
    offset, cosine = _WINDOW_COSINES[config.window]
    phase = 2 * np.pi * np.arange(config.frame_length) / config.frame_length
    window = offset - cosine * np.cos(phase)
    if config.normalize_window:
        window /= np.sqrt(np.sum(window**2))
    return window


def mel_matrix(config: FeatureConfig) -> np.ndarray:
    """Returns the mel filters, float32 (FFT bins, mel bins).

    The filters are the triangles of `librosa.filters.mel`, linear in Hz. With
    `mel_norm="peak"`, each filter is divided by its maximum. A filter narrower
    than the distance between two FFT bins may contain no bin. Such a filter is
    zero, and its mel bin is always the logarithm of `config.log_floor`. With
    the default settings, there is no such filter.
    """
    bins_hz = np.fft.rfftfreq(config.frame_length, 1 / config.sample_rate_hz)
    # Each filter rises from its left edge to its center and falls to its right
    # edge. The center is also the left edge of the next filter.
    low, high = _hz_to_mel(
        np.array([config.fmin_hz, config.fmax_hz], np.float64), config.mel_scale
    )
    edges_hz = _mel_to_hz(
        np.linspace(low, high, config.num_mels + 2), config.mel_scale
    )
    widths_hz = np.diff(edges_hz)[:, np.newaxis]
    offsets_hz = bins_hz - edges_hz[:, np.newaxis]
    rising = offsets_hz[:-2] / widths_hz[:-1]
    falling = -offsets_hz[2:] / widths_hz[1:]
    filters = np.maximum(0, np.minimum(rising, falling)).astype(np.float32)
    if config.mel_norm == "slaney":
        areas_hz = (edges_hz[2:] - edges_hz[:-2]) / 2
        # Multiplication in place rounds the product to float32.
        filters *= (1 / areas_hz)[:, np.newaxis]
    elif config.mel_norm == "peak":
        peaks = filters.max(axis=1, keepdims=True)
        filters = filters / np.where(peaks > 0, peaks, 1)
    return np.ascontiguousarray(filters.T)


def log_mel(waveform: np.ndarray, config: FeatureConfig) -> np.ndarray:
    """Returns the log-mel spectrogram of one clip.

    Args:
        waveform: (samples,), mono, at `config.sample_rate_hz`, full scale 1.
            Zeros are appended to a waveform shorter than a frame.
        config: the settings.

    Returns:
        float32 (frames, mel bins), in nepers (`log="ln"`) or decibels.

    Raises:
        ValueError: `waveform` does not have exactly one axis.

    Example:
        >>> config = FeatureConfig()
        >>> log_mel(np.zeros(4 * config.sample_rate_hz), config).shape
        (124, 128)
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
    bands = _bands(*dataclasses.astuple(config))
    mels = np.empty((len(frames), config.num_mels))
    for start in range(0, len(frames), _FRAMES_AT_ONCE):
        block = slice(start, start + _FRAMES_AT_ONCE)
        spectrum = np.abs(np.fft.rfft(frames[block] * window))
        if config.power == 2:
            np.square(spectrum, out=spectrum)
        mels[block] = bands.apply(spectrum)
    return _log(mels, config).astype(np.float32)


@functools.lru_cache(maxsize=32)  # keyed by fields; configs are not hashable
def _bands(*fields: Any) -> "_Bands":
    return _Bands(mel_matrix(FeatureConfig(*fields)))


def padding(num_samples: int, config: FeatureConfig) -> tuple[int, int]:
    """Returns how many zeros to add before and after `num_samples` samples."""
    if config.center:
        before = config.frame_length // 2
        return before, config.frame_length - before
    return 0, max(config.frame_length - num_samples, 0)


def _log(mels: np.ndarray, config: FeatureConfig) -> np.ndarray:
    if config.log == "ln":
        return np.log(mels + config.log_floor)
    return 10 * np.log10(np.maximum(mels, config.log_floor))


class _Bands:
    """Multiplies by a mel matrix, using only its non-zero entries.

    A mel filter spans few FFT bins. Besides, a dense product would start
    threads, which on busy cores take ten times as long as the product itself.
    """

    def __init__(self, matrix: np.ndarray) -> None:
        num_nonzero = np.count_nonzero(matrix, axis=0)
        # An empty filter gets one entry of weight zero, because `reduceat`
        # can't return an empty sum.
        used = matrix.T != 0
        used[num_nonzero == 0, 0] = True
        filters, self._bins = np.nonzero(used)
        self._weights = matrix[self._bins, filters].astype(np.float64)
        self._starts = np.searchsorted(filters, np.arange(matrix.shape[1]))

    def apply(self, spectrum: np.ndarray) -> np.ndarray:
        """Maps (frames, FFT bins) to (frames, mel bins), both float64."""
        products = spectrum[:, self._bins] * self._weights
        return np.add.reduceat(products, self._starts, axis=1)


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
