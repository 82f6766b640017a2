"""Draws the votes of the three annotators on a chunk.

The majority of the votes equals a given tag set. Therefore the majority votes
have the statistics of `tag_sets`. The sound follows the votes (see scenes.py).
"""

import numpy as np

from audiotag_nas.config import CHIME_HOME_TAGS as TAGS
from audiotag_nas.data.chime_home import SILENCE, UNIDENTIFIABLE

# P(the deviating annotator is 0), and P(the deviating annotator is 0 or 1).
_ANNOTATOR_BELOW = np.cumsum([0.22, 0.33])
TWO_VOTES_RATE = dict(
    zip(TAGS, (0.18, 0.35, 0.30, 0.15, 0.35, 0.25, 0.35), strict=True)
)
"""P(only two of the three annotators vote for a tag of the majority)."""

# Relative frequency of each tag among votes that only one annotator gives.
_STRAY_WEIGHTS = np.array([0.12, 0.14, 0.18, 0.12, 0.20, 0.04, 0.20])


def draw_votes(
    rng: np.random.Generator, tags: np.ndarray, *, disputed: bool
) -> tuple[str, str, str]:
    """Draws the labels that the three annotators give to a clip with `tags`.

    The votes of an undisputed clip satisfy `is_refined`, and their majority is
    `tags` (7,). In a disputed clip, one label has a single vote. This label is
    one of `tags` with probability 0.3; else it is another tag.
    """
    votes: list[set[str]] = [set(), set(), set()]
    names = [tag for tag, has in zip(TAGS, tags, strict=True) if has]
    for tag in names or [SILENCE]:
        for annotator in range(3):
            votes[annotator].add(tag)
        if rng.random() < TWO_VOTES_RATE.get(tag, 0.2):
            votes[_draw_annotator(rng)].discard(tag)
    if disputed:
        _dispute(rng, votes, names)
    for labels in votes:
        if not labels and rng.random() < 0.7:
            labels.add(UNIDENTIFIABLE)
    first, second, third = ("".join(sorted(labels)) for labels in votes)
    return first, second, third


def _draw_annotator(rng: np.random.Generator) -> int:
    return int(np.searchsorted(_ANNOTATOR_BELOW, rng.random()))


def _dispute(
    rng: np.random.Generator, votes: list[set[str]], names: list[str]
) -> None:
    """Changes `votes` so that one label has exactly one vote."""
    if names and rng.random() < 0.3:
        lost = names[rng.integers(len(names))]
        keeper = _draw_annotator(rng)
        for annotator, labels in enumerate(votes):
            if annotator == keeper:
                labels.add(lost)
            else:
                labels.discard(lost)
        return
    absent = [tag not in names for tag in TAGS]
    below = np.cumsum(_STRAY_WEIGHTS * absent)
    stray = TAGS[int(np.searchsorted(below, below[-1] * rng.random()))]
    annotator = _draw_annotator(rng)
    votes[annotator].discard(SILENCE)
    votes[annotator].add(stray)


def count_votes(votes: tuple[str, str, str], label: str) -> int:
    """Returns the number of annotators who gave the label."""
    return sum(label in labels for labels in votes)


def majority(votes: tuple[str, str, str]) -> str:
    """Returns the labels with two or more votes: tags, then `S` and `U`."""
    labels = (*sorted(TAGS), SILENCE, UNIDENTIFIABLE)
    return "".join(x for x in labels if count_votes(votes, x) >= 2)


def is_refined(votes: tuple[str, str, str]) -> bool:
    """Returns False if a tag or `S` has exactly one vote, and True otherwise.

    This is CHiME-Home's rule for the refined lists.
    """
    return all(count_votes(votes, x) != 1 for x in (*TAGS, SILENCE))
