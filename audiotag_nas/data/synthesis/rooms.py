"""Simulates the reverberation and the background noise of rooms in stereo.

Each source is panned by differences in level and time, and has four early
reflections. All sources share one diffuse tail (late reverberation), to which
distant sources contribute more. Hence a clip needs only one convolution.
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
    """A room's acoustics and background noise.

    Attributes:
        tail_spectrum: real FFT, of size _FFT_SAMPLES, of the tail's two
            channels. Each channel of the tail has unit energy.
        reflections: delay in samples, left gain and right gain of each early
            reflection, (n, 3).
        background_db_per_octave: slope of the background's spectrum.
        background_db: level of the background in dB relative to full scale.
        hum_hz, hum_db: frequency of the mains or refrigerator hum, and its
            level in dB relative to the background.
    """

    tail_spectrum: np.ndarray
    reflections: np.ndarray
    background_db_per_octave: float
    background_db: float
    hum_hz: int
    hum_db: float


def draw_room(
    rng: np.random.Generator, *, background_db: tuple[float, float]
) -> Room:
    """Returns a random room whose background level lies in `background_db`."""
    rt60_seconds = rng.uniform(*_RT60_SECONDS)
    length = int(_RATE_HZ * rt60_seconds)
    time = np.arange(length) / _RATE_HZ
    noise = rng.standard_normal((2, length))
    # High frequencies decay twice as fast as low frequencies.
    high = np.diff(noise, axis=1, prepend=0)
    total = np.cumsum(noise, axis=1)
    lagged = np.pad(total, ((0, 0), (64, 0)), mode="edge")[:, :-64]
    low = total - 0.5 * (lagged + total)  # half the sum of the last 64 samples
    decay = np.exp(-6.9 * time / rt60_seconds)
    tail = decay * low * 0.05 + decay**2 * high
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
        background_db_per_octave=float(rng.uniform(-7, -3.5)),
        background_db=float(rng.uniform(*background_db)),
        hum_hz=int(rng.choice([50, 60, 100])),
        hum_db=float(rng.uniform(-20, 0)),
    )


@dataclasses.dataclass(frozen=True)
class PlacedSound:
    """A sound and its place, with azimuth in [-1, 1] and distance in [0, 1]."""

    waveform: np.ndarray
    azimuth: float
    distance: float


def reverberate(room: Room, sounds: list[PlacedSound]) -> np.ndarray:
    """Returns the sounds with reverberation, (2, CLIP_SAMPLES) float32."""
    stereo = np.zeros((2, dsp.CLIP_SAMPLES), np.float32)
    send = np.zeros(dsp.CLIP_SAMPLES, np.float32)
    for sound in sounds:
        send += np.float32(0.2 + 0.6 * sound.distance) * sound.waveform
        for side, sign in enumerate((-1, 1)):
            near = sign * sound.azimuth
            delay = int(_RATE_HZ * _EAR_DELAY_SECONDS * max(-near, 0))
            gain = np.float32(1 + 0.35 * near)
            dsp.add_at(stereo[side], delay, gain * sound.waveform)
            for reflection in room.reflections:
                dsp.add_at(
                    stereo[side],
                    int(reflection[0]) + delay,
                    np.float32(reflection[1 + side]) * sound.waveform,
                )
    if sounds:
        spectrum = fft.rfft(send, _FFT_SAMPLES) * room.tail_spectrum
        stereo += fft.irfft(spectrum, _FFT_SAMPLES)[:, : dsp.CLIP_SAMPLES]
    return stereo


def background(room: Room, rng: np.random.Generator) -> np.ndarray:
    """Returns the background of one clip, (2, CLIP_SAMPLES) float32.

    The level without the hum is `room.background_db`.
    """
    length = dsp.CLIP_SAMPLES
    common = dsp.tilted_noise(
        rng, length, db_per_octave=room.background_db_per_octave
    )
    # The second channel is the sum of the first channel and a delayed copy.
    noise = np.stack([common, 0.7 * (common + np.roll(common, 331))])
    noise *= np.exp(dsp.contour(rng, length, num_knots=5, spread=0.15))
    # The hum's period is a whole number of samples, so one period is repeated.
    period = _RATE_HZ // room.hum_hz
    phase = 2 * np.pi * np.arange(period) / period + rng.uniform(0, 6)
    hum = 10 ** (room.hum_db / 20) * (np.sin(phase) + 0.4 * np.sin(3 * phase))
    noise += np.tile(hum.astype(np.float32), length // period)
    noise *= np.float32(10 ** (room.background_db / 20))
    return noise
