"""Synthesizes the broadband noise (tag `b`) of appliances and water.

The noise is long, and its spectrum is nearly flat.
"""

import dataclasses

import numpy as np

from audiotag_nas.data.synthesis import dsp

_KINDS = ("vacuum", "water", "hairdryer", "frying")
_WITH_MOTOR = ("vacuum", "hairdryer")


@dataclasses.dataclass(frozen=True)
class NoiseSource:
    """An appliance or running water.

    Attributes:
        db_per_octave: slope of the spectrum.
        hum_hz, hum: pitch and level of the motor; without motor, `hum` is 0.
        flutter_hz, flutter: rate and depth of the level fluctuations.
    """

    db_per_octave: float
    hum_hz: float
    hum: float
    flutter_hz: float
    flutter: float


def draw_noise_source(rng: np.random.Generator) -> NoiseSource:
    """Returns a random noise source."""
    motor = _KINDS[rng.integers(len(_KINDS))] in _WITH_MOTOR
    return NoiseSource(
        db_per_octave=float(rng.uniform(-1.5, 0.8)),
        hum_hz=float(rng.uniform(90, 320)),
        hum=float(rng.uniform(0.05, 0.25)) if motor else 0.0,
        flutter_hz=float(rng.uniform(1, 4) if motor else rng.uniform(6, 25)),
        flutter=float(rng.uniform(0.02, 0.1 if motor else 0.35)),
    )


def render_noise(
    source: NoiseSource, rng: np.random.Generator, num_samples: int
) -> np.ndarray:
    """Returns the noise of a source, (num_samples,) float32 at 48 kHz."""
    noise = dsp.tilted_noise(
        rng, num_samples, db_per_octave=source.db_per_octave
    )
    knots = int(2 + num_samples / dsp.SAMPLE_RATE_HZ * source.flutter_hz)
    noise *= np.exp(
        dsp.contour(rng, num_samples, num_knots=knots, spread=source.flutter)
    )
    if source.hum:
        phase = np.arange(num_samples) * (source.hum_hz / dsp.SAMPLE_RATE_HZ)
        saw = (phase % 1 - 0.5).astype(np.float32)
        noise += np.float32(2 * source.hum) * saw
    return noise * dsp.fade(num_samples, share=0.02)
