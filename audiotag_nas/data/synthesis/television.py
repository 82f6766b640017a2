"""Synthesizes the sound of a television or a video game (tag `v`).

The program is a mix of presenters' speech, music and game sounds. A small
loudspeaker plays the mix with soft clipping, a narrow band and two resonances
of its box. The speech has only the tag `v`. Therefore tag `v` and the tags of
voices are hard to tell apart, as in a real living room.
"""

import dataclasses

import numpy as np
from scipy import signal

from audiotag_nas.data.synthesis import dsp, voices

GENRE_SHARES = (0.5, 0.13, 0.24, 0.13)
"""Probability of each genre, in the order of `_GENRES`."""

# P(speech), P(music) and P(game sounds) in a clip of each genre.
_GENRES = {
    "game": (0.15, 0.55, 1.0),
    "talk": (1.0, 0.25, 0.0),
    "music": (0.15, 1.0, 0.0),
    "cartoon": (0.7, 0.8, 0.4),
}
# The scales are major, minor and minor pentatonic.
_SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 3, 5, 7, 10))
_RATE_HZ = dsp.LOW_RATE_HZ


@dataclasses.dataclass(frozen=True)
class Television:
    """A television set and its program.

    Attributes:
        genre: a key of `_GENRES`.
        presenters: the speakers.
        tonic_hz: tonic of the music.
        scale: notes of the scale, in semitones above the tonic.
        beats_hz: number of beats per second.
        band_hz: pass band of the loudspeaker.
        box_hz: resonances of the loudspeaker's box.
        drive: gain before the soft clipping.
    """

    genre: str
    presenters: tuple[voices.Speaker, ...]
    tonic_hz: float
    scale: tuple[int, ...]
    beats_hz: float
    band_hz: tuple[float, float]
    box_hz: tuple[float, ...]
    drive: float


def draw_television(rng: np.random.Generator) -> Television:
    """Returns a random television."""
    kinds = rng.choice(["m", "f", "c"], 2, p=[0.55, 0.38, 0.07])
    return Television(
        genre=list(_GENRES)[rng.choice(4, p=GENRE_SHARES)],
        presenters=tuple(voices.draw_speaker(rng, str(k)) for k in kinds),
        tonic_hz=float(110 * 2 ** (rng.integers(12) / 12)),
        scale=_SCALES[rng.integers(len(_SCALES))],
        beats_hz=float(rng.uniform(1.4, 2.6)),
        band_hz=(float(rng.uniform(200, 450)), float(rng.uniform(3e3, 6e3))),
        box_hz=tuple(float(x) for x in rng.uniform(300, 2500, 2)),
        drive=float(rng.uniform(0.8, 3.0)),
    )


def play(
    television: Television, rng: np.random.Generator, num_samples: int
) -> np.ndarray:
    """Renders the program of the television, (num_samples,) at 48 kHz."""
    length = -(-num_samples // 3)
    parts = rng.random(3) < _GENRES[television.genre]
    if not parts.any():
        parts[int(rng.integers(2))] = True
    speech, music, game = parts
    mix = np.zeros(length, np.float32)
    if speech:
        presenter = television.presenters[rng.integers(2)]
        mix += _unit(voices.speak_low_rate(presenter, rng, length))
    if music:
        gain = rng.uniform(0.2, 0.6) if speech else 1.0
        mix += np.float32(gain) * _unit(_music(television, rng, length))
    if game:
        gain = rng.uniform(0.4, 1.0)
        mix += np.float32(gain) * _unit(_game(television, rng, length))
    return dsp.to_full_rate(_loudspeaker(television, mix))[:num_samples]


def _unit(waveform: np.ndarray) -> np.ndarray:
    """Returns the waveform scaled to unit power."""
    return waveform / np.float32(np.sqrt(np.mean(waveform**2)) + 1e-9)


def _loudspeaker(television: Television, mix: np.ndarray) -> np.ndarray:
    """Returns the mix as the loudspeaker plays it, at 16 kHz."""
    sound = np.tanh(np.float32(television.drive / 3) * mix)
    sound = dsp.band_pass(sound, *television.band_hz, sample_rate_hz=_RATE_HZ)
    for box_hz in television.box_hz:
        b, a = signal.iirpeak(box_hz, 4, fs=_RATE_HZ)
        sound = sound + 0.8 * signal.lfilter(b, a, sound)
    return sound.astype(np.float32)


def _notes_hz(
    television: Television, rng: np.random.Generator, count: int, octave: int
) -> np.ndarray:
    """Returns the pitches of a random walk over the scale, (count,) Hz."""
    steps = np.cumsum(rng.integers(-2, 3, count)) + rng.integers(7)
    size = len(television.scale)
    semitones = np.take(television.scale, steps % size) + 12 * (steps // size)
    semitones = np.clip(semitones, -12, 24)
    return television.tonic_hz * 2.0 ** (octave + semitones / 12)


def _held(values: np.ndarray, num_samples: int) -> np.ndarray:
    """Returns `num_samples` samples that hold each value for equally long."""
    index = np.arange(num_samples) * len(values) // num_samples
    return values[index]


def _phase(pitch_hz: np.ndarray) -> np.ndarray:
    """Returns the phase of an oscillator as a share of its period, 0 to 1."""
    return np.cumsum(pitch_hz, dtype=np.float64) / _RATE_HZ % 1


def _decay(num_notes: int, num_samples: int, share: float) -> np.ndarray:
    """Returns the envelope of notes that decay in a `share` of their length."""
    position = np.arange(num_samples) * num_notes / num_samples % 1
    attack = np.minimum(position / 0.03, 1)
    return (attack * np.exp(-position / share)).astype(np.float32)


def _music(
    television: Television, rng: np.random.Generator, num_samples: int
) -> np.ndarray:
    """Renders a tune over chords at 16 kHz. Half of all tunes have drums."""
    beats = max(2, round(num_samples / _RATE_HZ * television.beats_hz))
    bars = max(1, beats // 2)
    mix = np.zeros(num_samples, np.float32)
    roots = _notes_hz(television, rng, bars, 0)
    for ratio in (1.0, 1.26 if rng.random() < 0.5 else 1.19, 1.5):
        saw = _phase(_held(roots * ratio, num_samples)) - 0.5
        mix += 0.5 * saw.astype(np.float32)
    mix = dsp.band_pass(
        mix, 80, rng.uniform(800, 3000), sample_rate_hz=_RATE_HZ
    )
    tune = _notes_hz(television, rng, 2 * beats, 1 + int(rng.integers(2)))
    phase = _phase(_held(tune, num_samples))
    tone = np.sin(2 * np.pi * phase) + 0.4 * np.sin(4 * np.pi * phase)
    envelope = _decay(2 * beats, num_samples, rng.uniform(0.2, 1.0))
    mix += 0.5 * envelope * tone.astype(np.float32)
    if rng.random() < 0.5:
        drums = dsp.white_noise(rng, num_samples)
        mix += 0.4 * drums * _decay(2 * beats, num_samples, 0.06)
        kick = np.sin(2 * np.pi * _phase(np.full(num_samples, 75.0)))
        mix += 0.8 * kick.astype(np.float32) * _decay(beats, num_samples, 0.1)
    return mix


def _game(
    television: Television, rng: np.random.Generator, num_samples: int
) -> np.ndarray:
    """Renders square-wave tunes, blips, zaps and explosions at 16 kHz."""
    notes = int(num_samples / _RATE_HZ * television.beats_hz * 4) + 1
    pitch_hz = _held(_notes_hz(television, rng, notes, 2), num_samples)
    duty = rng.choice([0.125, 0.25, 0.5])
    square = np.where(_phase(pitch_hz) < duty, 1.0, -duty / (1 - duty))
    level = rng.uniform(0.1, 0.6)
    mix = (level * square).astype(np.float32)
    mix *= _decay(notes, num_samples, rng.uniform(0.4, 2.0))
    for _ in range(rng.integers(1, 5)):
        length = int(_RATE_HZ * rng.uniform(0.1, 0.5))
        time = np.linspace(0, 1, length)
        if rng.random() < 0.7:
            start_hz, octaves = rng.uniform(300, 2000), rng.uniform(-2.5, 1.5)
            sweep_hz = np.minimum(start_hz * 2 ** (octaves * time), 6000)
            effect = np.sign(_phase(sweep_hz) - 0.5)
        else:
            effect = 1.5 * rng.standard_normal(length)
            effect = signal.lfilter([0.3], [1, -0.7], effect)
        effect = effect * np.exp(-2.5 * time) * rng.uniform(0.3, 1.0)
        start = int(rng.integers(num_samples))
        dsp.add_at(mix, start, effect.astype(np.float32))
    return mix
