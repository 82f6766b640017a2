"""Rooms: direct sound, early reflections, a late tail and a background.

A source is panned by level and time difference over the two channels; a few
reflections follow it, and all sources share one diffuse tail, sent to more
strongly the farther away they are. One convolution a clip does for all.
"""

import dataclasses

import numpy as np
from scipy import fft

from audiotag_nas.data.synthesis import dsp

_RATE_HZ = dsp.SAMPLE_RATE_HZ
_EAR_DELAY_SECONDS = 0.0006
_NUM_REFLECTIONS = 4
_RT60_SECONDS = (0.15, 0.6)
_FFT_SAMPLES = fft.next_fast_len(
    dsp.CLIP_SAMPLES + int(_RATE_HZ * _RT60_SECONDS[1]), real=True
)


@dataclasses.dataclass(frozen=True)
class Room:
    """A room and what is always heard in it.

    Attributes:
        tail_spectrum: the late reverberation, unit energy a channel, as the
            transform of (2, _FFT_SAMPLES).
        reflections: delay in samples and gain on either side, (n, 3).
        background_tilt: slope of its noise in dB per octave.
        background_db: its level, dB relative to full scale.
        hum_hz, hum_db: the mains or fridge hum, relative to the noise.
    """

    tail_spectrum: np.ndarray
    reflections: np.ndarray
    background_tilt: float
    background_db: float
    hum_hz: int
    hum_db: float


def draw_room(
    rng: np.random.Generator, *, background_db: tuple[float, float]
) -> Room:
    """A new room, its background's level within `background_db`."""
    rt60_seconds = rng.uniform(*_RT60_SECONDS)
    length = int(_RATE_HZ * rt60_seconds)
    time = np.arange(length) / _RATE_HZ
    noise = rng.standard_normal((2, length))
    # Treble dies sooner: a bright half that decays twice as fast.
    bright = np.diff(noise, axis=1, prepend=0)
    fall = np.exp(-6.9 * time / rt60_seconds)
    tail = fall * (np.cumsum(noise, axis=1) - _drift(noise)) * 0.05
    tail = tail + fall**2 * bright
    tail[:, : int(0.004 * _RATE_HZ)] = 0
    tail /= np.sqrt(np.sum(tail**2, axis=1, keepdims=True))
    reflections = np.column_stack(
        [
            rng.integers(120, 1200, _NUM_REFLECTIONS),
            rng.uniform(-0.4, 0.4, (_NUM_REFLECTIONS, 2)),
        ]
    )
    return Room(
        tail_spectrum=fft.rfft(tail.astype(np.float32), _FFT_SAMPLES),
        reflections=reflections,
        background_tilt=float(rng.uniform(-7, -3.5)),
        background_db=float(rng.uniform(*background_db)),
        hum_hz=int(rng.choice([50, 60, 100])),
        hum_db=float(rng.uniform(-20, 0)),
    )


def _drift(noise: np.ndarray) -> np.ndarray:
    """A slow running mean, so that summed noise does not wander off."""
    total = np.cumsum(noise, axis=1)
    width = 64
    padded = np.pad(total, ((0, 0), (width, 0)), mode="edge")
    return 0.5 * (padded[:, :-width] + total)


@dataclasses.dataclass(frozen=True)
class Placed:
    """A sound and where it is: azimuth in [-1, 1], distance in [0, 1]."""

    waveform: np.ndarray
    azimuth: float
    distance: float


def reverberate(room: Room, placed: list[Placed]) -> np.ndarray:
    """The sounds as the room gives them back, (2, CLIP_SAMPLES) float32."""
    stereo = np.zeros((2, dsp.CLIP_SAMPLES), np.float32)
    send = np.zeros(dsp.CLIP_SAMPLES, np.float32)
    for item in placed:
        send += np.float32(0.2 + 0.6 * item.distance) * item.waveform
        for side, sign in enumerate((-1, 1)):
            near = sign * item.azimuth
            delay = int(_RATE_HZ * _EAR_DELAY_SECONDS * max(-near, 0))
            gain = np.float32(1 + 0.35 * near)
            dsp.add_at(stereo[side], delay, gain * item.waveform)
            for reflection in room.reflections:
                dsp.add_at(
                    stereo[side],
                    int(reflection[0]) + delay,
                    np.float32(reflection[1 + side]) * item.waveform,
                )
    if placed:
        stereo += _late(room, send)
    return stereo


def _late(room: Room, send: np.ndarray) -> np.ndarray:
    spectrum = fft.rfft(send, _FFT_SAMPLES) * room.tail_spectrum
    return fft.irfft(spectrum, _FFT_SAMPLES)[:, : len(send)]


def background(room: Room, rng: np.random.Generator) -> np.ndarray:
    """The room's own noise in one clip, (2, CLIP_SAMPLES) float32.

    Its unit is `room.background_db`, measured without the hum.
    """
    length = dsp.CLIP_SAMPLES
    common = dsp.tilted_noise(rng, length, db_per_octave=room.background_tilt)
    # The far channel hears the same noise somewhat later.
    noise = np.stack([common, 0.7 * (common + np.roll(common, 331))])
    noise *= np.exp(dsp.contour(rng, length, num_knots=5, spread=0.15))
    # The mains' frequencies divide 48 kHz: one period, repeated.
    period = _RATE_HZ // room.hum_hz
    phase = 2 * np.pi * np.arange(period) / period + rng.uniform(0, 6)
    hum = 10 ** (room.hum_db / 20) * (np.sin(phase) + 0.4 * np.sin(3 * phase))
    noise += np.tile(hum.astype(np.float32), length // period)
    noise *= np.float32(10 ** (room.background_db / 20))
    return noise
