"""Renders the sound of a chunk from its plan.

All chunks of a segment share the same room and sound sources. The votes for a
tag decide how loud the events of the tag are, and whether they are heard at
all. Some tags with votes are not heard, and some tags without a vote are heard.
This label noise and the levels decide how difficult the data set is. The
constants at the top of this file control label noise and levels.
"""

import dataclasses
import functools

import numpy as np

from audiotag_nas.config import CHIME_HOME_TAGS
from audiotag_nas.data.chime_home import SILENCE
from audiotag_nas.data.synthesis import (
    broadband,
    dsp,
    named_sounds,
    percussive,
    rooms,
    television,
    voices,
    votes,
)
from audiotag_nas.data.synthesis.plan import ChunkPlan, generator

EVENT_LEVEL_DB = {3: (7.0, 26.0), 2: (2.0, 15.0), 1: (-8.0, 2.0)}
"""Range of the level over the background of a tag with 3, 2 or 1 votes."""

UNMARKED_LEVEL_DB = (-10.0, 2.0)
"""Range of a tag's level over the background, if heard without a vote."""

UNMARKED_RATE = 0.03
"""P(a tag without a vote is heard)."""

ABSENT_RATE = {3: 0.005, 2: 0.05, 1: 0.5}
"""P(a tag with 3, 2 or 1 votes is not heard)."""

DISTRACTOR_RATE = 0.35
"""P(a chunk has a distractor, i.e. rustling without a tag)."""

DISTRACTOR_LEVEL_DB = (-4.0, 12.0)  # over the background

BACKGROUND_DB = (-56.0, -42.0)
"""Range of a room's background level relative to full scale."""

_MAX_PEAK = 0.89  # louder scenes are attenuated to this peak
# Range of an event's length, and maximum number of events in a clip, per tag.
_SECONDS = {
    "c": (0.5, 2.5),
    "m": (0.7, 3.0),
    "f": (0.7, 3.0),
    "v": (2.5, 4.0),
    "p": (0.2, 2.0),
    "b": (2.0, 4.0),
    "o": (0.5, 2.5),
}
_MAX_EVENTS = {"c": 2, "m": 1, "f": 2, "v": 1, "p": 2, "b": 1, "o": 2}


@dataclasses.dataclass(frozen=True)
class Household:
    """The room and the sound sources of a segment, with their positions."""

    room: rooms.Room
    speakers: dict[str, tuple[voices.Speaker, ...]]
    television: television.Television
    struck_bodies: tuple[percussive.StruckBody, ...]
    noise_sources: tuple[broadband.NoiseSource, ...]
    named_sources: tuple[named_sounds.Source, ...]
    places: dict[str, tuple[float, float]]


@functools.lru_cache(maxsize=4)
def draw_household(seed: int, split: str, segment: int) -> Household:
    """Draws the household of a segment."""
    rng = generator(seed, split, 1, segment)
    return Household(
        room=rooms.draw_room(rng, background_db=BACKGROUND_DB),
        speakers={
            kind: tuple(voices.draw_speaker(rng, kind) for _ in range(2))
            for kind in ("c", "m", "f")
        },
        television=television.draw_television(rng),
        struck_bodies=tuple(percussive.draw_struck_body(rng) for _ in range(3)),
        noise_sources=tuple(broadband.draw_noise_source(rng) for _ in range(2)),
        named_sources=tuple(named_sounds.draw_source(rng) for _ in range(3)),
        places={
            tag: (float(rng.uniform(-1, 1)), float(rng.random()))
            for tag in CHIME_HOME_TAGS
        },
    )


def _render_event(
    household: Household, tag: str, rng: np.random.Generator
) -> np.ndarray:
    """Renders one event of a tag, (samples,) float32 at 48 kHz, up to 4 s."""
    low, high = _SECONDS[tag]
    length = int(dsp.SAMPLE_RATE_HZ * rng.uniform(low, high))
    if tag in household.speakers:
        speakers = household.speakers[tag]
        return voices.speak(speakers[rng.integers(2)], rng, length)
    if tag == "v":
        return television.play(household.television, rng, length)
    if tag == "p":
        body = household.struck_bodies[rng.integers(3)]
        return percussive.strike(body, rng, length)
    if tag == "b":
        source = household.noise_sources[rng.integers(2)]
        return broadband.render_noise(source, rng, length)
    named = household.named_sources[rng.integers(3)]
    return named_sounds.render_calls(named, rng, length)


def render_track(
    household: Household, tag: str, rng: np.random.Generator
) -> np.ndarray:
    """Renders all events of a tag in a clip at unit level, (CLIP_SAMPLES,)."""
    track = np.zeros(dsp.CLIP_SAMPLES, np.float32)
    for _ in range(rng.integers(1, _MAX_EVENTS[tag] + 1)):
        event = _render_event(household, tag, rng)
        latest = max(dsp.CLIP_SAMPLES - len(event), 1)
        dsp.add_at(track, int(rng.integers(latest)), event)
    level = dsp.active_level(track)
    return track / np.float32(level) if level > 0 else track


def _draw_level_db(rng: np.random.Generator, num_votes: int) -> float | None:
    """Draws a tag's level over the background; None if the tag is not heard."""
    if num_votes == 0:
        if rng.random() >= UNMARKED_RATE:
            return None
        return float(rng.uniform(*UNMARKED_LEVEL_DB))
    if rng.random() < ABSENT_RATE[num_votes]:
        return None
    return float(rng.uniform(*EVENT_LEVEL_DB[num_votes]))


def render_scene(plan: ChunkPlan, *, seed: int) -> np.ndarray:
    """Renders the sound of a chunk, (CLIP_SAMPLES, 2) float32 at 48 kHz."""
    household = draw_household(seed, plan.split, plan.segment)
    rng = generator(seed, plan.split, 2, plan.index)
    room = household.room
    reference = 10 ** (room.background_db / 20)
    is_silent = SILENCE in plan.majority
    sounds = []
    for tag in CHIME_HOME_TAGS:
        num_votes = votes.count_votes(plan.votes, tag)
        level_db = _draw_level_db(rng, num_votes)
        if level_db is None or (is_silent and num_votes == 0):
            continue
        azimuth, distance = household.places[tag]
        gain = np.float32(reference * 10 ** (level_db / 20))
        track = gain * render_track(household, tag, rng)
        if tag in household.speakers:  # people move about
            azimuth, distance = rng.uniform(-1, 1), rng.random()
        sounds.append(rooms.PlacedSound(track, azimuth, distance))
    if not is_silent and rng.random() < DISTRACTOR_RATE:
        sounds.append(_distractor(rng, reference))
    scene = rooms.reverberate(room, sounds) + rooms.background(room, rng)
    peak = np.abs(scene).max()
    if peak > _MAX_PEAK:
        scene *= np.float32(_MAX_PEAK / peak)
    return np.ascontiguousarray(scene.T)


def _distractor(
    rng: np.random.Generator, reference: float
) -> rooms.PlacedSound:
    """Renders an untagged sound. The background has amplitude `reference`."""
    sound = _rustle(rng)
    level = dsp.active_level(sound)
    gain = reference * 10 ** (rng.uniform(*DISTRACTOR_LEVEL_DB) / 20)
    if level > 0:
        sound = sound * np.float32(gain / level)
    return rooms.PlacedSound(sound, rng.uniform(-1, 1), rng.random())


def _rustle(rng: np.random.Generator) -> np.ndarray:
    """Renders noise like rustling cloth, (CLIP_SAMPLES,) float32."""
    sound = np.zeros(dsp.CLIP_SAMPLES, np.float32)
    low_hz = rng.uniform(150, 2500)
    for _ in range(rng.integers(1, 4)):
        length = int(dsp.SAMPLE_RATE_HZ * rng.uniform(0.08, 0.6))
        swell = dsp.white_noise(rng, length) * dsp.fade(length, share=0.45)
        start = int(rng.integers(dsp.CLIP_SAMPLES - length + 1))
        dsp.add_at(sound, start, np.float32(rng.uniform(0.4, 1)) * swell)
    return dsp.band_pass(sound, low_hz, low_hz * rng.uniform(1.6, 5.0))
