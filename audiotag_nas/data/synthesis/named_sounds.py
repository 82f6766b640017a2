"""Synthesizes other identifiable sounds (tag `o`), e.g. birds and bells."""

import dataclasses
from collections.abc import Callable

import numpy as np
from scipy import signal

from audiotag_nas.data.synthesis import dsp

_RATE_HZ = dsp.SAMPLE_RATE_HZ


@dataclasses.dataclass(frozen=True)
class Source:
    """A source of a sound that listeners can name.

    Attributes:
        kind: a key of `KINDS`.
        pitch_hz: main pitch of the source.
        calls_hz: mean number of calls per second.
        timbre: a number in [0, 1], whose meaning depends on the kind.
    """

    kind: str
    pitch_hz: float
    calls_hz: float
    timbre: float


def draw_source(rng: np.random.Generator) -> Source:
    """Returns a random source."""
    kind = list(KINDS)[rng.integers(len(KINDS))]
    ranges = KINDS[kind]
    return Source(
        kind=kind,
        pitch_hz=float(np.exp(rng.uniform(*np.log(ranges.pitch_hz)))),
        calls_hz=float(rng.uniform(*ranges.calls_hz)),
        timbre=float(rng.random()),
    )


def render_calls(
    source: Source, rng: np.random.Generator, num_samples: int
) -> np.ndarray:
    """Returns the sound of a repeated call, (num_samples,) at 48 kHz."""
    sound = np.zeros(num_samples, np.float32)
    kind = KINDS[source.kind]
    period = _RATE_HZ / source.calls_hz
    position = 0.0
    while position < num_samples:
        length = max(int(kind.share * period), 480)
        call = kind.render(source, rng, length).astype(np.float32)
        dsp.add_at(sound, int(position), call * np.float32(rng.uniform(0.7, 1)))
        position += period * rng.uniform(0.9, 1.1)
    return sound * dsp.fade(num_samples, share=0.005)


def _tone(pitch_hz: np.ndarray) -> np.ndarray:
    return np.sin(2 * np.pi * np.cumsum(pitch_hz) / _RATE_HZ)


def _bird(source: Source, rng: np.random.Generator, length: int) -> np.ndarray:
    time = np.linspace(0, 1, length)
    bend = rng.uniform(-0.5, 0.5) * time
    trill = 0.12 * source.timbre * np.sin(2 * np.pi * 6 * time)
    return _tone(source.pitch_hz * 2 ** (bend + trill)) * dsp.fade(length)


def _bell(source: Source, rng: np.random.Generator, length: int) -> np.ndarray:
    # A church bell has the partials hum, prime, tierce, quint, nominal ...
    ratios = np.array([0.5, 1.0, 1.19, 1.5, 2.0, 2.74, 3.76])
    time = np.arange(length) / _RATE_HZ
    decay = np.exp(-np.outer(ratios, time) * (1.5 + 4 * source.timbre))
    tones = np.sin(2 * np.pi * source.pitch_hz * np.outer(ratios, time))
    gains = rng.uniform(0.4, 1, len(ratios)) / ratios**0.5
    # This is not a matrix product, because BLAS would start its own threads.
    return (gains[:, None] * tones * decay).sum(axis=0)


def _phone(source: Source, rng: np.random.Generator, length: int) -> np.ndarray:
    time = np.arange(length) / _RATE_HZ
    second = 1.1 + 0.3 * source.timbre
    warble = np.sin(2 * np.pi * (12 + 10 * source.timbre) * time) > 0
    tones = _tone(source.pitch_hz * np.where(warble, 1, second))
    return (tones + 0.3 * np.sign(tones)) * dsp.fade(length, share=0.02)


def _alarm(source: Source, rng: np.random.Generator, length: int) -> np.ndarray:
    tone = _tone(np.full(length, source.pitch_hz))
    return (tone + source.timbre * tone**3) * dsp.fade(length, share=0.03)


def _dog(source: Source, rng: np.random.Generator, length: int) -> np.ndarray:
    length = min(length, int(0.22 * _RATE_HZ))
    time = np.linspace(0, 1, length)
    pitch_hz = source.pitch_hz * (0.8 + 0.5 * np.sin(np.pi * time))
    saw = np.cumsum(pitch_hz) / _RATE_HZ % 1 - 0.5
    rough = saw + 0.3 * rng.standard_normal(length)
    throat = dsp.resonators(
        np.array([700, 1500]) * (0.8 + 0.6 * source.timbre),
        np.array([250, 400]),
        sample_rate_hz=_RATE_HZ,
    )
    return signal.sosfilt(throat, rough) * np.sin(np.pi * time) ** 0.7


def _doorbell(
    source: Source, rng: np.random.Generator, length: int
) -> np.ndarray:
    sound = np.zeros(length)
    for start, ratio in ((0.0, 1.0), (0.45, 0.8)):
        time = np.arange(length - int(start * length)) / _RATE_HZ
        note = np.sin(2 * np.pi * source.pitch_hz * ratio * time)
        note += 0.3 * np.sin(2 * np.pi * 3.01 * source.pitch_hz * ratio * time)
        decay = np.exp(-(2 + 4 * source.timbre) * time)
        sound[int(start * length) :] += note * decay
    return sound


def _whistle(
    source: Source, rng: np.random.Generator, length: int
) -> np.ndarray:
    octaves = dsp.contour(rng, length, num_knots=4, spread=0.25)
    breath = 0.05 * source.timbre * rng.standard_normal(length)
    return (_tone(source.pitch_hz * 2**octaves) + breath) * dsp.fade(length)


def _cat(source: Source, rng: np.random.Generator, length: int) -> np.ndarray:
    time = np.linspace(0, 1, length)
    pitch_hz = source.pitch_hz * (0.9 + 0.35 * np.sin(np.pi * time**0.6))
    saw = np.cumsum(pitch_hz) / _RATE_HZ % 1 - 0.5
    opening = dsp.band_pass(saw, 500 + 400 * source.timbre, 3500)
    return opening * dsp.fade(length, share=0.4)


@dataclasses.dataclass(frozen=True)
class _Kind:
    """How a kind of source sounds.

    Attributes:
        render: renders one call of a given length.
        share: length of a call, divided by the mean time from call to call.
        pitch_hz, calls_hz: ranges of the same attributes of `Source`.
    """

    render: Callable[[Source, np.random.Generator, int], np.ndarray]
    share: float
    pitch_hz: tuple[float, float]
    calls_hz: tuple[float, float]


KINDS = {
    "bird": _Kind(_bird, 0.6, (2200, 5500), (2.0, 7.0)),
    "bell": _Kind(_bell, 2.0, (350, 1400), (0.5, 2.0)),
    "phone": _Kind(_phone, 0.6, (900, 2400), (0.5, 1.2)),
    "alarm": _Kind(_alarm, 0.5, (1500, 3600), (1.5, 5.0)),
    "dog": _Kind(_dog, 0.5, (350, 750), (1.0, 2.6)),
    "doorbell": _Kind(_doorbell, 1.0, (450, 900), (0.4, 0.7)),
    "whistle": _Kind(_whistle, 0.7, (700, 2200), (0.8, 2.0)),
    "cat": _Kind(_cat, 0.7, (450, 800), (0.5, 1.0)),
}
