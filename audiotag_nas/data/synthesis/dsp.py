"""Provides the signal processing that the sound sources share.

Every source returns a mono float32 waveform of shape (samples,) at 48 kHz.
Voices and television have no frequencies above 8 kHz. Therefore they are
computed at 16 kHz in a third of the time. `to_full_rate` resamples them.
"""

import functools

import numpy as np
import soxr
from scipy import fft, signal

SAMPLE_RATE_HZ = 48000
LOW_RATE_HZ = 16000
CLIP_SECONDS = 4
CLIP_SAMPLES = SAMPLE_RATE_HZ * CLIP_SECONDS

_LEVEL_FRAME_SAMPLES = 960  # 20 ms at 48 kHz
_LEVEL_RANGE_DB = 20.0
_TINY = 1e-12


def white_noise(rng: np.random.Generator, num_samples: int) -> np.ndarray:
    """Returns Gaussian noise of unit power, (num_samples,) float32."""
    return rng.standard_normal(num_samples, dtype=np.float32)


def tilted_noise(
    rng: np.random.Generator, num_samples: int, *, db_per_octave: float
) -> np.ndarray:
    """Returns noise of unit power whose spectrum has slope `db_per_octave`.

    Below 40 Hz the spectrum is flat.
    """
    size = fft.next_fast_len(num_samples, real=True)
    spectrum = white_noise(rng, size + 2)[: 2 * (size // 2 + 1)]
    noise = fft.irfft(
        spectrum.view(np.complex64) * _tilt(size, db_per_octave), size
    )[:num_samples]
    return noise / np.sqrt(np.mean(noise**2) + np.float32(_TINY))


@functools.lru_cache(maxsize=8)
def _tilt(size: int, db_per_octave: float) -> np.ndarray:
    """Returns the gain of each bin of a real FFT of `size` samples (48 kHz)."""
    frequencies_hz = np.arange(size // 2 + 1) * SAMPLE_RATE_HZ / size
    octaves = np.log2(np.maximum(frequencies_hz, 40) / 1000)
    return (10 ** (db_per_octave * octaves / 20)).astype(np.float32)


def band_pass(
    waveform: np.ndarray,
    low_hz: float,
    high_hz: float,
    *,
    sample_rate_hz: int = SAMPLE_RATE_HZ,
) -> np.ndarray:
    """Applies a second-order Butterworth high-pass, then a low-pass.

    The coefficients follow closed formulas (Bristow-Johnson's cookbook),
    because SciPy needs more time to design a filter than to apply it.
    """
    sections = np.ones((2, 6))
    edges_hz = (low_hz, min(high_hz, 0.48 * sample_rate_hz))
    for section, edge_hz, sign in zip(sections, edges_hz, (1, -1), strict=True):
        angle = 2 * np.pi * edge_hz / sample_rate_hz
        alpha, cosine = np.sin(angle) / np.sqrt(2), np.cos(angle)
        corner = (1 + sign * cosine) / 2
        section[:3] = corner, -sign * 2 * corner, corner
        section[3:] = 1 + alpha, -2 * cosine, 1 - alpha
        section /= section[3]
    return signal.sosfilt(sections, waveform).astype(np.float32)


def resonators(
    frequencies_hz: np.ndarray,
    bandwidths_hz: np.ndarray,
    *,
    sample_rate_hz: int,
) -> np.ndarray:
    """Returns two-pole resonators in cascade, as second-order sections (n, 6).

    Each resonator has unit gain at 0 Hz, as in the cascade branch of Klatt's
    formant synthesizer (1980).
    """
    radius = np.exp(-np.pi * np.asarray(bandwidths_hz) / sample_rate_hz)
    angle = 2 * np.pi * np.asarray(frequencies_hz) / sample_rate_hz
    sections = np.zeros((len(radius), 6))
    sections[:, 3] = 1
    sections[:, 4] = -2 * radius * np.cos(angle)
    sections[:, 5] = radius**2
    sections[:, 0] = sections[:, 3:].sum(axis=1)
    return sections


def contour(
    rng: np.random.Generator, num_samples: int, *, num_knots: int, spread: float
) -> np.ndarray:
    """Draws knots from N(0, spread²) and joins them by lines, float32."""
    knots = rng.normal(0, spread, max(num_knots, 2))
    return np.interp(
        np.linspace(0, len(knots) - 1, num_samples),
        np.arange(len(knots)),
        knots,
    ).astype(np.float32)


def fade(num_samples: int, *, share: float = 0.25) -> np.ndarray:
    """Returns an envelope with cosine fades of a `share` of its length each."""
    envelope = np.ones(num_samples, np.float32)
    edge = max(int(share * num_samples), 1)
    slope = 0.5 - 0.5 * np.cos(np.pi * np.arange(edge) / edge)
    envelope[:edge] = slope[:num_samples]
    envelope[-edge:] = slope[::-1][-num_samples:]
    return envelope


def add_at(target: np.ndarray, start: int, waveform: np.ndarray) -> None:
    """Adds `waveform` to `target` at `start`. Samples outside are dropped."""
    if start < 0:
        waveform, start = waveform[-start:], 0
    stop = min(start + len(waveform), len(target))
    if stop > start:
        target[start:stop] += waveform[: stop - start]


def to_full_rate(waveform: np.ndarray) -> np.ndarray:
    """Resamples a waveform from 16 kHz to 48 kHz."""
    return soxr.resample(
        waveform.astype(np.float32), LOW_RATE_HZ, SAMPLE_RATE_HZ
    )


def active_level(waveform: np.ndarray) -> float:
    """Returns the RMS of all 20 ms frames within 20 dB of the loudest frame.

    Silence around a sound does not change the level. Hence a short knock and a
    long sentence of equal level sound about equally loud. Silence has level 0.
    """
    whole = len(waveform) // _LEVEL_FRAME_SAMPLES * _LEVEL_FRAME_SAMPLES
    frames = waveform[:whole].reshape(-1, _LEVEL_FRAME_SAMPLES)
    power = np.mean(frames**2, axis=1)
    if not len(power) or power.max() <= _TINY:
        return 0.0
    floor = power.max() * 10 ** (-_LEVEL_RANGE_DB / 10)
    return float(np.sqrt(power[power >= floor].mean()))
