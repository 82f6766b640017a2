"""Draws tag sets of clips with the statistics of the real CHiME-Home data.

DCASE 2016 task 4 published counts of the clips in the refined lists: with each
tag, with each number of tags and with each frequent tag set. Iterative
proportional fitting (Deming and Stephan 1940) finds probabilities of the 2^7
tag sets that match these counts. For the evaluation split, the probabilities of
the development split are fitted to the tag counts of the evaluation split.
"""

import numpy as np

from audiotag_nas.config import CHIME_HOME_TAGS as TAGS

# Numbers of refined clips: in total, with each tag, and silent.
_NUM_CLIPS = {"development": 1946, "evaluation": 816}
_TAG_COUNTS = {
    "development": (1214, 174, 409, 1181, 765, 19, 361),
    "evaluation": (328, 79, 140, 590, 269, 31, 125),
}
_SILENCE_COUNTS = {"development": 27, "evaluation": 15}
# Numbers of refined development clips: with 0, 1, ... 6 tags, and with each
# frequent tag set.
_SIZE_COUNTS = (27, 541, 734, 505, 101, 33, 5)
_SET_COUNTS = {"v": 410, "cv": 263, "cp": 211, "cfv": 156, "cop": 101, "c": 82}
_MAX_BROADBAND_SHARE = 0.3
_BROADBAND = TAGS.index("b")
_FIT_ROUNDS = 400
_FIT_TOLERANCE = 1e-9

_SETS = (np.arange(128)[:, None] >> np.arange(7)) & 1 == 1  # (128, 7)


def tag_set_probabilities(split: str, *, broadband_boost: float) -> np.ndarray:
    """Returns the probability of each tag set in refined clips, (128,).

    Bit k of the index i says whether set i has tag k. Set 0 is silence.
    `broadband_boost` multiplies the probability of tag `b`, but to at most 0.3.
    The probabilities of the other tags do not change.
    """
    table = _fit(np.ones(len(_SETS)), "development", with_sets=True)
    if split != "development":
        table = _fit(table, split, with_sets=False)
    counts = np.array(_TAG_COUNTS[split], float)
    clips = _NUM_CLIPS[split]
    counts[_BROADBAND] = min(
        counts[_BROADBAND] * broadband_boost, _MAX_BROADBAND_SHARE * clips
    )
    return _rake(table, _margins(counts / clips, _SILENCE_COUNTS[split], clips))


def _margins(
    frequencies: np.ndarray, silence: int, clips: int
) -> list[tuple[np.ndarray, float]]:
    """Returns masks over the tag sets, each with its target probability."""
    margins = [(~_SETS.any(axis=1), silence / clips)]
    margins += [(_SETS[:, k], f) for k, f in enumerate(frequencies)]
    return margins


def _fit(table: np.ndarray, split: str, *, with_sets: bool) -> np.ndarray:
    """Fits the table to the tag counts and, if `with_sets`, the set counts."""
    clips = _NUM_CLIPS[split]
    frequencies = np.array(_TAG_COUNTS[split]) / clips
    margins = _margins(frequencies, _SILENCE_COUNTS[split], clips)
    if with_sets:
        sizes = _SETS.sum(axis=1)
        for size, count in enumerate(_SIZE_COUNTS):
            margins.append((sizes == size, count / clips))
        margins.append((sizes == 7, 0.0))
        for letters, count in _SET_COUNTS.items():
            index = np.arange(len(_SETS)) == _set_index(letters)
            margins.append((index, count / clips))
    return _rake(table, margins)


def _set_index(letters: str) -> int:
    return sum(1 << TAGS.index(letter) for letter in letters)


def _rake(
    table: np.ndarray, margins: list[tuple[np.ndarray, float]]
) -> np.ndarray:
    """Fits the table to all margins by iterative proportional fitting."""
    table = table / table.sum()
    for _ in range(_FIT_ROUNDS):
        before = table
        for mask, probability in margins:
            inside = table[mask].sum()
            outside = 1 - inside
            table = np.where(
                mask,
                table * (probability / max(inside, 1e-300)),
                table * ((1 - probability) / max(outside, 1e-300)),
            )
        if np.abs(table - before).max() < _FIT_TOLERANCE:
            break
    return table / table.sum()


def draw_tag_sets(
    rng: np.random.Generator, count: int, *, split: str, broadband_boost: float
) -> np.ndarray:
    """Draws tag sets, bool (count, 7). A clip without tags is silent."""
    table = tag_set_probabilities(split, broadband_boost=broadband_boost)
    return _SETS[rng.choice(len(_SETS), count, p=table)]
