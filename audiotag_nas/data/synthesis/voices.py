"""Synthesizes speech-like voices with a source-filter model.

The source is a pulse train (the derivative of Rosenberg's glottal flow, 1971)
with intonation, jitter and breath. A cascade of formant resonators (Klatt 1980)
filters the source syllable by syllable. The vowels have the average formants of
men (Peterson and Barney 1952). For shorter vocal tracts, the formants are
scaled up. Consonants are bursts of noise between the vowels. The voices speak
no words. Children, women and men differ in pitch, formants and intonation.
"""

import dataclasses

import numpy as np
from scipy import signal

from audiotag_nas.data.synthesis import dsp

PITCH_HZ = {"c": (235.0, 380.0), "f": (165.0, 250.0), "m": (85.0, 150.0)}
"""Range of the mean pitch of children (c), women (f) and men (m)."""

FORMANT_SCALE = {"c": (1.24, 1.45), "f": (1.10, 1.20), "m": (0.94, 1.05)}
"""Range of the factor by which the formants of the average man are scaled."""

VOWELS_HZ = np.array(
    [
        (270, 2290, 3010),  # beat
        (390, 1990, 2550),  # bit
        (530, 1840, 2480),  # bet
        (660, 1720, 2410),  # bat
        (730, 1090, 2440),  # father
        (570, 840, 2410),  # bought
        (440, 1020, 2240),  # put
        (300, 870, 2240),  # boot
        (640, 1190, 2390),  # but
        (490, 1350, 1690),  # bird
    ],
    dtype=float,
)
"""First three formants of ten vowels for men (Peterson and Barney 1952)."""

_HIGHER_FORMANTS_HZ = (3500.0, 4500.0)
_BANDWIDTHS_HZ = np.array([70.0, 100.0, 140.0, 200.0, 260.0])
_GLIDE_RATE = 0.5  # P(a syllable glides from one vowel to another)
_RATE_HZ = dsp.LOW_RATE_HZ


@dataclasses.dataclass(frozen=True)
class Speaker:
    """One person's voice.

    Attributes:
        kind: `c` (child), `f` (adult female) or `m` (adult male).
        pitch_hz: mean fundamental frequency.
        formant_scale: factor by which the average man's formants are scaled.
        breath: level of the aspiration noise.
        syllables_hz: number of syllables per second.
        intonation: standard deviation of the pitch contour, in octaves.
    """

    kind: str
    pitch_hz: float
    formant_scale: float
    breath: float
    syllables_hz: float
    intonation: float


def draw_speaker(rng: np.random.Generator, kind: str) -> Speaker:
    """Returns a random speaker of a kind (`c`, `f` or `m`)."""
    low, high = PITCH_HZ[kind]
    return Speaker(
        kind=kind,
        pitch_hz=float(np.exp(rng.uniform(np.log(low), np.log(high)))),
        formant_scale=float(rng.uniform(*FORMANT_SCALE[kind])),
        breath=float(rng.uniform(0.01, 0.08)),
        syllables_hz=float(rng.uniform(3.0, 5.5)),
        intonation=float(rng.uniform(0.05, 0.2 if kind == "c" else 0.14)),
    )


def formants_hz(speaker: Speaker, vowel: int) -> np.ndarray:
    """Returns the formants of a vowel for this speaker, (5,) Hz."""
    formants = np.append(VOWELS_HZ[vowel], _HIGHER_FORMANTS_HZ)
    return np.minimum(formants * speaker.formant_scale, 0.45 * _RATE_HZ)


def speak(
    speaker: Speaker, rng: np.random.Generator, num_samples: int
) -> np.ndarray:
    """Returns an utterance, (num_samples,) float32 at 48 kHz."""
    low = speak_low_rate(speaker, rng, -(-num_samples // 3))
    return dsp.to_full_rate(low)[:num_samples]


def speak_low_rate(
    speaker: Speaker, rng: np.random.Generator, num_samples: int
) -> np.ndarray:
    """Returns an utterance, (num_samples,) float32 at 16 kHz."""
    source = _glottal_source(speaker, rng, num_samples)
    voice = np.zeros(num_samples, np.float32)
    position = 0
    while position < num_samples:
        length = int(_RATE_HZ / speaker.syllables_hz * rng.uniform(0.6, 1.5))
        if rng.random() < 0.6:
            consonant = _consonant(rng)
            dsp.add_at(voice, position, consonant)
            position += len(consonant) // 2
        _add_vowel(voice, source, position, length, speaker, rng)
        position += int(0.85 * length)
        if rng.random() < 0.12:  # a breath between phrases
            position += int(_RATE_HZ * rng.uniform(0.15, 0.4))
    return voice


def _glottal_pulse(num_points: int = 1024) -> np.ndarray:
    """Returns one period of the derivative of the glottal flow; mean 0.

    The flow follows Rosenberg (1971).
    """
    rise, fall = 0.40, 0.16  # shares of the period
    time = np.arange(num_points) / num_points
    opening = np.sin(np.pi * time / rise) * np.pi / 2 / rise
    closing = -np.sin(np.pi / 2 * (time - rise) / fall) * np.pi / 2 / fall
    pulse = np.where(
        time < rise, opening, np.where(time < rise + fall, closing, 0.0)
    )
    return (pulse - pulse.mean()).astype(np.float32)


_PULSE = _glottal_pulse()


def _glottal_source(
    speaker: Speaker, rng: np.random.Generator, num_samples: int
) -> np.ndarray:
    """Returns pulses with intonation, jitter and breath at 16 kHz."""
    seconds = num_samples / _RATE_HZ
    octaves = dsp.contour(
        rng,
        num_samples,
        num_knots=int(2 + seconds * speaker.syllables_hz / 1.5),
        spread=speaker.intonation,
    )
    octaves += np.linspace(0.08, -0.12, num_samples, dtype=np.float32)
    jitter = dsp.contour(
        rng, num_samples, num_knots=int(2 + seconds * 60), spread=0.008
    )
    pitch_hz = speaker.pitch_hz * np.exp2(octaves + jitter)
    phase = np.cumsum(pitch_hz, dtype=np.float64) / _RATE_HZ + rng.random()
    index = (phase % 1 * len(_PULSE)).astype(np.int32)
    pulses = _PULSE[np.minimum(index, len(_PULSE) - 1)]
    breath = speaker.breath * 4 * dsp.white_noise(rng, num_samples)
    return pulses + breath


def _add_vowel(
    voice: np.ndarray,
    source: np.ndarray,
    start: int,
    length: int,
    speaker: Speaker,
    rng: np.random.Generator,
) -> None:
    """Adds a part of the source, filtered by random vowels, to the voice."""
    excitation = source[start : start + length]
    if len(excitation) < 32:
        return
    size = len(excitation)
    targets = rng.integers(len(VOWELS_HZ), size=2)
    glides = targets[0] != targets[1] and rng.random() < _GLIDE_RATE
    sound = _filtered(excitation, speaker, targets[0], rng)
    if glides:
        end = _filtered(excitation, speaker, targets[1], rng)
        share = np.linspace(0, 1, size, dtype=np.float32)
        sound += share * (end - sound)
    stress = np.float32(rng.uniform(0.5, 1.0))
    voice[start : start + size] += stress * sound * dsp.fade(size, share=0.2)


def _filtered(
    excitation: np.ndarray,
    speaker: Speaker,
    vowel: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Filters the source by a vowel's formants, shifted by up to 4 %."""
    sections = dsp.resonators(
        formants_hz(speaker, vowel) * rng.uniform(0.96, 1.04),
        _BANDWIDTHS_HZ * speaker.formant_scale,
        sample_rate_hz=_RATE_HZ,
    )
    return signal.sosfilt(sections, excitation).astype(np.float32)


def _consonant(rng: np.random.Generator) -> np.ndarray:
    """Returns a random consonant at 16 kHz: a fricative or a stop's burst."""
    if rng.random() < 0.5:
        length = int(_RATE_HZ * rng.uniform(0.05, 0.13))
        low_hz, high_hz = rng.uniform(1800, 4500), 7500.0
        level, share = rng.uniform(0.5, 2.0), 0.3
    else:
        length = int(_RATE_HZ * rng.uniform(0.015, 0.04))
        low_hz = rng.uniform(400, 2500)
        high_hz = low_hz * 2.5
        level, share = rng.uniform(1.0, 3.0), 0.1
    noise = dsp.white_noise(rng, length)
    noise = dsp.band_pass(noise, low_hz, high_hz, sample_rate_hz=_RATE_HZ)
    return np.float32(level) * noise * dsp.fade(length, share=share)
