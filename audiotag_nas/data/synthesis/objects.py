"""Things that knock, hiss, ring, bark and sing.

`strike` gives percussive sounds (`p`): sums of decaying modes set off by a
click of noise, as a struck body rings. `blow` gives broadband noise (`b`):
appliances and water, nearly flat over the spectrum and long. `signal_sound`
gives other sounds that one can name (`o`): birds, bells, telephones, alarms,
dogs and so on. `rustle` gives what nobody can name, tagged by nothing.
"""

import dataclasses
from collections.abc import Callable

import numpy as np
from scipy import signal

from audiotag_nas.data.synthesis import dsp

PERCUSSIVE = ("knock", "steps", "clatter", "drop", "typing", "door")
BROADBAND = ("vacuum", "water", "hairdryer", "frying")
OTHER = (
    "bird",
    "bell",
    "phone",
    "alarm",
    "dog",
    "doorbell",
    "whistle",
    "cat",
)

_RATE_HZ = dsp.SAMPLE_RATE_HZ


@dataclasses.dataclass(frozen=True)
class Percussive:
    """A struck body.

    Attributes:
        kind: one of PERCUSSIVE.
        modes_hz, decays_seconds, gains: its modes.
        click: level of the noise of the impact.
        blows_hz: blows a second, where it is struck repeatedly.
    """

    kind: str
    modes_hz: np.ndarray
    decays_seconds: np.ndarray
    gains: np.ndarray
    click: float
    blows_hz: float


# Kind: range of the lowest mode, of the decay, of the click, of blows/s.
_BODIES = {
    "knock": ((120, 420), (0.015, 0.05), (0.3, 1.0), (2.5, 6.0)),
    "steps": ((50, 120), (0.02, 0.06), (0.2, 0.6), (1.4, 2.6)),
    "clatter": ((900, 2600), (0.03, 0.18), (0.3, 1.0), (4.0, 12.0)),
    "drop": ((200, 1200), (0.03, 0.12), (0.5, 1.5), (0.5, 2.0)),
    "typing": ((700, 2500), (0.004, 0.012), (1.0, 3.0), (5.0, 9.0)),
    "door": ((45, 140), (0.06, 0.16), (0.8, 2.0), (0.2, 0.6)),
}


def draw_percussive(rng: np.random.Generator) -> Percussive:
    """A new object that can be struck."""
    kind = PERCUSSIVE[rng.integers(len(PERCUSSIVE))]
    lowest, decay, click, blows = _BODIES[kind]
    ratios = np.cumsum(np.append(1, rng.uniform(0.3, 1.3, 7)))
    modes = rng.uniform(*lowest) * ratios
    return Percussive(
        kind=kind,
        modes_hz=modes,
        decays_seconds=rng.uniform(*decay) * ratios**-0.5,
        gains=rng.uniform(0.3, 1.0, 8) * ratios**-0.6,
        click=float(rng.uniform(*click)),
        blows_hz=float(rng.uniform(*blows)),
    )


def _blow(body: Percussive, rng: np.random.Generator) -> np.ndarray:
    """One blow; where it lands changes the balance of the modes."""
    length = int(_RATE_HZ * min(0.5, 6 * body.decays_seconds.max()))
    time = np.arange(length) / _RATE_HZ
    gains = body.gains * rng.uniform(0.3, 1.0, 8)
    angle = 2 * np.pi * np.outer(body.modes_hz, time)
    fall = np.exp(-time / body.decays_seconds[:, None])
    sound = (gains[:, None] * np.sin(angle) * fall).sum(axis=0)
    click_samples = min(length, int(_RATE_HZ * 0.006))
    click = rng.standard_normal(click_samples)
    click *= np.exp(-np.linspace(0, 5, click_samples)) * body.click
    sound[:click_samples] += click
    return sound.astype(np.float32)


def strike(
    body: Percussive, rng: np.random.Generator, num_samples: int
) -> np.ndarray:
    """Blows over `num_samples`, the first at the start; 48 kHz, float32."""
    sound = np.zeros(num_samples, np.float32)
    blows = [_blow(body, rng), _blow(body, rng)]
    period = _RATE_HZ / body.blows_hz
    uneven = 0.1 if body.kind in ("knock", "steps") else 0.6
    position = 0.0
    while position < num_samples:
        gain = np.float32(rng.uniform(0.4, 1.0))
        dsp.add_at(sound, int(position), gain * blows[rng.integers(2)])
        position += period * rng.uniform(1 - uneven, 1 + uneven)
    return sound


@dataclasses.dataclass(frozen=True)
class Broadband:
    """An appliance or water.

    Attributes:
        kind: one of BROADBAND.
        db_per_octave: slope of its spectrum.
        hum_hz, hum: its motor's pitch and level.
        flutter_hz, flutter: how its level wavers.
    """

    kind: str
    db_per_octave: float
    hum_hz: float
    hum: float
    flutter_hz: float
    flutter: float


def draw_broadband(rng: np.random.Generator) -> Broadband:
    """A new source of broadband noise."""
    kind = BROADBAND[rng.integers(len(BROADBAND))]
    motor = kind in ("vacuum", "hairdryer")
    return Broadband(
        kind=kind,
        db_per_octave=float(rng.uniform(-1.5, 0.8)),
        hum_hz=float(rng.uniform(90, 320)),
        hum=float(rng.uniform(0.05, 0.25)) if motor else 0.0,
        flutter_hz=float(rng.uniform(1, 4) if motor else rng.uniform(6, 25)),
        flutter=float(rng.uniform(0.02, 0.1 if motor else 0.35)),
    )


def blow(
    source: Broadband, rng: np.random.Generator, num_samples: int
) -> np.ndarray:
    """`num_samples` of its noise at 48 kHz, float32."""
    noise = dsp.tilted_noise(
        rng, num_samples, db_per_octave=source.db_per_octave
    )
    knots = int(2 + num_samples / _RATE_HZ * source.flutter_hz)
    noise *= np.exp(
        dsp.contour(rng, num_samples, num_knots=knots, spread=source.flutter)
    )
    if source.hum:
        phase = np.arange(num_samples) * (source.hum_hz / _RATE_HZ) % 1
        noise += np.float32(2 * source.hum) * (phase - 0.5).astype(np.float32)
    return noise * dsp.hump(num_samples, rise=0.02)


def rustle(rng: np.random.Generator, num_samples: int) -> np.ndarray:
    """Cloth, breath, a chair: swells of noise in a band; 48 kHz, float32."""
    sound = np.zeros(num_samples, np.float32)
    low_hz = rng.uniform(150, 2500)
    for _ in range(rng.integers(1, 4)):
        length = min(int(_RATE_HZ * rng.uniform(0.08, 0.6)), num_samples)
        swell = dsp.white_noise(rng, length) * dsp.hump(length, rise=0.45)
        start = int(rng.integers(num_samples - length + 1))
        dsp.add_at(sound, start, np.float32(rng.uniform(0.4, 1)) * swell)
    return dsp.band_pass(sound, low_hz, low_hz * rng.uniform(1.6, 5.0))


@dataclasses.dataclass(frozen=True)
class Other:
    """A sound with a name.

    Attributes:
        kind: one of OTHER.
        pitch_hz: its main pitch.
        pace_hz: how often it repeats.
        colour: in [0, 1], what its kind varies in beside.
    """

    kind: str
    pitch_hz: float
    pace_hz: float
    colour: float


# Kind: range of the pitch, range of repetitions a second.
_PITCHES = {
    "bird": ((2200, 5500), (2.0, 7.0)),
    "bell": ((350, 1400), (0.5, 2.0)),
    "phone": ((900, 2400), (0.5, 1.2)),
    "alarm": ((1500, 3600), (1.5, 5.0)),
    "dog": ((350, 750), (1.0, 2.6)),
    "doorbell": ((450, 900), (0.4, 0.7)),
    "whistle": ((700, 2200), (0.8, 2.0)),
    "cat": ((450, 800), (0.5, 1.0)),
}


def draw_other(rng: np.random.Generator) -> Other:
    """A new source of a sound with a name."""
    kind = OTHER[rng.integers(len(OTHER))]
    pitch, pace = _PITCHES[kind]
    return Other(
        kind=kind,
        pitch_hz=float(np.exp(rng.uniform(*np.log(pitch)))),
        pace_hz=float(rng.uniform(*pace)),
        colour=float(rng.random()),
    )


def signal_sound(
    source: Other, rng: np.random.Generator, num_samples: int
) -> np.ndarray:
    """The sound, repeated over `num_samples`; 48 kHz, float32."""
    sound = np.zeros(num_samples, np.float32)
    make, share = _CALLS[source.kind]
    period = _RATE_HZ / source.pace_hz
    position = 0.0
    while position < num_samples:
        length = max(int(share * period), 480)
        call = make(source, rng, length).astype(np.float32)
        dsp.add_at(sound, int(position), call * np.float32(rng.uniform(0.7, 1)))
        position += period * rng.uniform(0.9, 1.1)
    return sound * dsp.hump(num_samples, rise=0.005)


def _tone(pitch_hz: np.ndarray) -> np.ndarray:
    return np.sin(2 * np.pi * np.cumsum(pitch_hz) / _RATE_HZ)


def _bird(source: Other, rng: np.random.Generator, length: int) -> np.ndarray:
    time = np.linspace(0, 1, length)
    bend = rng.uniform(-0.5, 0.5) * time
    trill = 0.12 * source.colour * np.sin(2 * np.pi * 6 * time)
    return _tone(source.pitch_hz * 2 ** (bend + trill)) * dsp.hump(length)


def _bell(source: Other, rng: np.random.Generator, length: int) -> np.ndarray:
    # The partials of a church bell: hum, prime, tierce, quint, nominal ...
    ratios = np.array([0.5, 1.0, 1.19, 1.5, 2.0, 2.74, 3.76])
    time = np.arange(length) / _RATE_HZ
    fall = np.exp(-np.outer(ratios, time) * (1.5 + 4 * source.colour))
    tones = np.sin(2 * np.pi * source.pitch_hz * np.outer(ratios, time))
    gains = rng.uniform(0.4, 1, len(ratios)) / ratios**0.5
    # A sum, not a product of matrices: BLAS would start threads of its own.
    return (gains[:, None] * tones * fall).sum(axis=0)


def _phone(source: Other, rng: np.random.Generator, length: int) -> np.ndarray:
    time = np.arange(length) / _RATE_HZ
    second = 1.1 + 0.3 * source.colour
    warble = np.sin(2 * np.pi * (12 + 10 * source.colour) * time) > 0
    tones = _tone(source.pitch_hz * np.where(warble, 1, second))
    return (tones + 0.3 * np.sign(tones)) * dsp.hump(length, rise=0.02)


def _alarm(source: Other, rng: np.random.Generator, length: int) -> np.ndarray:
    tone = _tone(np.full(length, source.pitch_hz))
    return (tone + source.colour * tone**3) * dsp.hump(length, rise=0.03)


def _dog(source: Other, rng: np.random.Generator, length: int) -> np.ndarray:
    length = min(length, int(0.22 * _RATE_HZ))
    time = np.linspace(0, 1, length)
    pitch_hz = source.pitch_hz * (0.8 + 0.5 * np.sin(np.pi * time))
    saw = np.cumsum(pitch_hz) / _RATE_HZ % 1 - 0.5
    rough = saw + 0.3 * rng.standard_normal(length)
    throat = dsp.resonators(
        np.array([700, 1500]) * (0.8 + 0.6 * source.colour),
        np.array([250, 400]),
        sample_rate_hz=_RATE_HZ,
    )
    return signal.sosfilt(throat, rough) * np.sin(np.pi * time) ** 0.7


def _doorbell(
    source: Other, rng: np.random.Generator, length: int
) -> np.ndarray:
    sound = np.zeros(length)
    for start, ratio in ((0.0, 1.0), (0.45, 0.8)):
        time = np.arange(length - int(start * length)) / _RATE_HZ
        note = np.sin(2 * np.pi * source.pitch_hz * ratio * time)
        note += 0.3 * np.sin(2 * np.pi * 3.01 * source.pitch_hz * ratio * time)
        fall = np.exp(-(2 + 4 * source.colour) * time)
        sound[int(start * length) :] += note * fall
    return sound


def _whistle(
    source: Other, rng: np.random.Generator, length: int
) -> np.ndarray:
    octaves = dsp.contour(rng, length, num_knots=4, spread=0.25)
    breath = 0.05 * source.colour * rng.standard_normal(length)
    return (_tone(source.pitch_hz * 2**octaves) + breath) * dsp.hump(length)


def _cat(source: Other, rng: np.random.Generator, length: int) -> np.ndarray:
    time = np.linspace(0, 1, length)
    pitch_hz = source.pitch_hz * (0.9 + 0.35 * np.sin(np.pi * time**0.6))
    saw = np.cumsum(pitch_hz) / _RATE_HZ % 1 - 0.5
    opening = dsp.band_pass(saw, 500 + 400 * source.colour, 3500)
    return opening * dsp.hump(length, rise=0.4)


# What makes one call, and the share of the repetition period that it lasts.
_CALLS: dict[str, tuple[Callable[..., np.ndarray], float]] = {
    "bird": (_bird, 0.6),
    "bell": (_bell, 2.0),
    "phone": (_phone, 0.6),
    "alarm": (_alarm, 0.5),
    "dog": (_dog, 0.5),
    "doorbell": (_doorbell, 1.0),
    "whistle": (_whistle, 0.7),
    "cat": (_cat, 0.7),
}
