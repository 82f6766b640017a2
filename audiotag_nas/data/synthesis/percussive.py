"""Synthesizes percussive sounds (tag `p`) of struck bodies.

A stroke is a sum of decaying modes plus a short click of noise.
"""

import dataclasses

import numpy as np

from audiotag_nas.data.synthesis import dsp

_RATE_HZ = dsp.SAMPLE_RATE_HZ
_NUM_MODES = 8

# Per kind of body: ranges of the lowest mode (Hz), the decay (s), the level of
# the click and the number of strokes per second.
_BODIES = {
    "knock": ((120, 420), (0.015, 0.05), (0.3, 1.0), (2.5, 6.0)),
    "steps": ((50, 120), (0.02, 0.06), (0.2, 0.6), (1.4, 2.6)),
    "clatter": ((900, 2600), (0.03, 0.18), (0.3, 1.0), (4.0, 12.0)),
    "drop": ((200, 1200), (0.03, 0.12), (0.5, 1.5), (0.5, 2.0)),
    "typing": ((700, 2500), (0.004, 0.012), (1.0, 3.0), (5.0, 9.0)),
    "door": ((45, 140), (0.06, 0.16), (0.8, 2.0), (0.2, 0.6)),
}


@dataclasses.dataclass(frozen=True)
class StruckBody:
    """An object that sounds when it is struck.

    Attributes:
        kind: a key of `_BODIES`.
        modes_hz, decays_seconds, gains: values of each mode, (8,).
        click: level of the noise at the impact.
        strokes_hz: mean number of strokes per second.
    """

    kind: str
    modes_hz: np.ndarray
    decays_seconds: np.ndarray
    gains: np.ndarray
    click: float
    strokes_hz: float


def draw_struck_body(rng: np.random.Generator) -> StruckBody:
    """Returns a random struck body."""
    kind = list(_BODIES)[rng.integers(len(_BODIES))]
    lowest_hz, decay, click, strokes = _BODIES[kind]
    ratios = np.cumsum(np.append(1, rng.uniform(0.3, 1.3, _NUM_MODES - 1)))
    return StruckBody(
        kind=kind,
        modes_hz=rng.uniform(*lowest_hz) * ratios,
        decays_seconds=rng.uniform(*decay) * ratios**-0.5,
        gains=rng.uniform(0.3, 1.0, _NUM_MODES) * ratios**-0.6,
        click=float(rng.uniform(*click)),
        strokes_hz=float(rng.uniform(*strokes)),
    )


def strike(
    body: StruckBody, rng: np.random.Generator, num_samples: int
) -> np.ndarray:
    """Returns strokes from sample 0 on, (num_samples,) float32 at 48 kHz."""
    sound = np.zeros(num_samples, np.float32)
    strokes = [_stroke(body, rng), _stroke(body, rng)]
    period = _RATE_HZ / body.strokes_hz
    jitter = 0.1 if body.kind in ("knock", "steps") else 0.6
    position = 0.0
    while position < num_samples:
        gain = np.float32(rng.uniform(0.4, 1.0))
        dsp.add_at(sound, int(position), gain * strokes[rng.integers(2)])
        position += period * rng.uniform(1 - jitter, 1 + jitter)
    return sound


def _stroke(body: StruckBody, rng: np.random.Generator) -> np.ndarray:
    """Returns one stroke. Random gains simulate a random place of impact."""
    length = int(_RATE_HZ * min(0.5, 6 * body.decays_seconds.max()))
    time = np.arange(length) / _RATE_HZ
    gains = body.gains * rng.uniform(0.3, 1.0, _NUM_MODES)
    angle = 2 * np.pi * np.outer(body.modes_hz, time)
    decay = np.exp(-time / body.decays_seconds[:, None])
    sound = (gains[:, None] * np.sin(angle) * decay).sum(axis=0)
    click_samples = min(length, int(_RATE_HZ * 0.006))
    click = rng.standard_normal(click_samples)
    click *= np.exp(-np.linspace(0, 5, click_samples)) * body.click
    sound[:click_samples] += click
    return sound.astype(np.float32)
