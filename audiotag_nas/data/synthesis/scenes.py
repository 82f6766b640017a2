"""A chunk's sound, from its plan.

The segment decides the room, the background, the people, the programme and
the things; the chunk what is heard of them. What three annotators marked is
loud, what two marked is softer, what one imagined may be there, softly - and
now and then something is there that nobody marked, or is not there although
two did. That is the label noise; with the levels it decides how hard the
data set is. All knobs of difficulty stand at the top of this file.
"""

import dataclasses
import functools

import numpy as np

from audiotag_nas.data.synthesis import (
    annotation,
    dsp,
    objects,
    programmes,
    rooms,
    voices,
)
from audiotag_nas.data.synthesis.plan import ChunkPlan, generator

EVENT_LEVEL_DB = {3: (7.0, 26.0), 2: (2.0, 15.0), 1: (-8.0, 2.0)}
"""Level of an event over the background, by the votes for its tag."""

UNHEARD_LEVEL_DB = (-10.0, 2.0)
"""Level of an event that no annotator marked."""

UNHEARD_RATE = 0.03
"""Probability that a tag without a vote is in the sound all the same."""

IMAGINED_RATE = {3: 0.005, 2: 0.05, 1: 0.5}
"""Probability that a tag with that many votes is not in the sound."""

DISTRACTOR_RATE = 0.35
"""Probability of a sound that nobody can name (see objects.rustle)."""

DISTRACTOR_LEVEL_DB = (-4.0, 12.0)

BACKGROUND_DB = (-56.0, -42.0)
"""Level of a room's background relative to full scale."""

_PEAK = 0.89  # a recorder's automatic gain keeps the loudest clips from 1.0
_SECONDS = {
    "c": (0.5, 2.5),
    "m": (0.7, 3.0),
    "f": (0.7, 3.0),
    "v": (2.5, 4.0),
    "p": (0.2, 2.0),
    "b": (2.0, 4.0),
    "o": (0.5, 2.5),
}
_MOST_TIMES = {"c": 2, "m": 1, "f": 2, "v": 1, "p": 2, "b": 1, "o": 2}


@dataclasses.dataclass(frozen=True)
class Household:
    """Who and what is in a segment; every segment has its own."""

    room: rooms.Room
    speakers: dict[str, tuple[voices.Speaker, ...]]
    programme: programmes.Programme
    percussive: tuple[objects.Percussive, ...]
    broadband: tuple[objects.Broadband, ...]
    other: tuple[objects.Other, ...]
    places: dict[str, tuple[float, float]]


@functools.lru_cache(maxsize=4)
def draw_household(seed: int, split: str, segment: int) -> Household:
    """The household of a segment."""
    rng = generator(seed, split, 1, segment)
    return Household(
        room=rooms.draw_room(rng, background_db=BACKGROUND_DB),
        speakers={
            kind: tuple(voices.draw_speaker(rng, kind) for _ in range(2))
            for kind in ("c", "m", "f")
        },
        programme=programmes.draw_programme(rng),
        percussive=tuple(objects.draw_percussive(rng) for _ in range(3)),
        broadband=tuple(objects.draw_broadband(rng) for _ in range(2)),
        other=tuple(objects.draw_other(rng) for _ in range(3)),
        places={
            tag: (float(rng.uniform(-1, 1)), float(rng.random()))
            for tag in annotation.TAGS
        },
    )


def make_event(
    household: Household, tag: str, rng: np.random.Generator
) -> np.ndarray:
    """One event of a tag, up to 4 s at 48 kHz, (samples,) float32."""
    low, high = _SECONDS[tag]
    length = int(dsp.SAMPLE_RATE_HZ * rng.uniform(low, high))
    if tag in household.speakers:
        speakers = household.speakers[tag]
        return voices.speak(speakers[rng.integers(2)], rng, length)
    if tag == "v":
        return programmes.play(household.programme, rng, length)
    if tag == "p":
        body = household.percussive[rng.integers(3)]
        return objects.strike(body, rng, length)
    if tag == "b":
        return objects.blow(household.broadband[rng.integers(2)], rng, length)
    return objects.signal_sound(household.other[rng.integers(3)], rng, length)


def make_track(
    household: Household, tag: str, rng: np.random.Generator
) -> np.ndarray:
    """All events of a tag in a clip, (CLIP_SAMPLES,), of unit level."""
    track = np.zeros(dsp.CLIP_SAMPLES, np.float32)
    for _ in range(rng.integers(1, _MOST_TIMES[tag] + 1)):
        event = make_event(household, tag, rng)
        latest = max(dsp.CLIP_SAMPLES - len(event), 1)
        dsp.add_at(track, int(rng.integers(latest)), event)
    level = dsp.active_level(track)
    return track / np.float32(level) if level > 0 else track


def draw_level_db(rng: np.random.Generator, votes: int) -> float | None:
    """A tag's level over the background, None where it is not heard."""
    if votes == 0:
        if rng.random() >= UNHEARD_RATE:
            return None
        return float(rng.uniform(*UNHEARD_LEVEL_DB))
    if rng.random() < IMAGINED_RATE[votes]:
        return None
    return float(rng.uniform(*EVENT_LEVEL_DB[votes]))


def make_scene(plan: ChunkPlan, *, seed: int) -> np.ndarray:
    """The sound of a chunk, (CLIP_SAMPLES, 2) float32 at 48 kHz."""
    household = draw_household(seed, plan.split, plan.segment)
    rng = generator(seed, plan.split, 2, plan.index)
    room = household.room
    reference = 10 ** (room.background_db / 20)
    is_silent = annotation.SILENCE in plan.majority
    placed = []
    for tag in annotation.TAGS:
        votes = annotation.count_votes(plan.votes, tag)
        level_db = draw_level_db(rng, votes)
        if level_db is None or (is_silent and votes == 0):
            continue
        azimuth, distance = household.places[tag]
        gain = np.float32(reference * 10 ** (level_db / 20))
        track = gain * make_track(household, tag, rng)
        if tag in household.speakers:  # people walk about
            azimuth, distance = rng.uniform(-1, 1), rng.random()
        placed.append(rooms.Placed(track, azimuth, distance))
    if not is_silent and rng.random() < DISTRACTOR_RATE:
        placed.append(_distractor(rng, reference))
    scene = rooms.reverberate(room, placed) + rooms.background(room, rng)
    peak = np.abs(scene).max()
    if peak > _PEAK:
        scene *= np.float32(_PEAK / peak)
    return np.ascontiguousarray(scene.T)


def _distractor(rng: np.random.Generator, reference: float) -> rooms.Placed:
    sound = objects.rustle(rng, dsp.CLIP_SAMPLES)
    level = dsp.active_level(sound)
    gain = reference * 10 ** (rng.uniform(*DISTRACTOR_LEVEL_DB) / 20)
    if level > 0:
        sound = sound * np.float32(gain / level)
    return rooms.Placed(sound, rng.uniform(-1, 1), rng.random())
