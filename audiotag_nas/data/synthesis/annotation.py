"""Which tags a clip has, and what three annotators say of it.

The tag sets follow the published statistics of the CHiME-Home data as DCASE
2016 task 4 uses it: how often each tag occurs, how many tags a clip has and
the commonest sets, fitted by iterative proportional fitting (Deming and
Stephan 1940) over the 2^7 sets; the evaluation split is the development
split's table fitted to its own tag frequencies. Votes are drawn for the set
that the majority shall agree on, so that the statistics of the refined lists
are met exactly in expectation; the sound is then made to fit the votes (see
scenes.py).
"""

import numpy as np

TAGS = ("c", "m", "f", "v", "p", "b", "o")
SILENCE = "S"
UNIDENTIFIABLE = "U"
SPLITS = ("development", "evaluation")

# Clips of the refined lists, and how many of them have each tag or silence.
_NUM_CLIPS = {"development": 1946, "evaluation": 816}
_TAG_COUNTS = {
    "development": (1214, 174, 409, 1181, 765, 19, 361),
    "evaluation": (328, 79, 140, 590, 269, 31, 125),
}
_SILENCE_COUNTS = {"development": 27, "evaluation": 15}
# Refined development clips with 0, 1, ... 6 tags, and in the commonest sets.
_SIZE_COUNTS = (27, 541, 734, 505, 101, 33, 5)
_SET_COUNTS = {
    "v": 410,
    "cv": 263,
    "cp": 211,
    "cfv": 156,
    "cop": 101,
    "c": 82,
}
_MAX_BROADBAND = 0.3
_FIT_ROUNDS = 400
_FIT_TOLERANCE = 1e-9

# How the annotators differ: the share of votes that each one withholds.
_WITHHELD_BELOW = np.cumsum([0.22, 0.33])
# Probability that only two of three vote for a tag the majority agrees on.
TWO_VOTES = {
    "c": 0.18,
    "m": 0.35,
    "f": 0.30,
    "v": 0.15,
    "p": 0.35,
    "b": 0.25,
    "o": 0.35,
}
# How often a single vote goes to each tag: the ones easily imagined.
_STRAY_WEIGHTS = np.array([0.12, 0.14, 0.18, 0.12, 0.20, 0.04, 0.20])

_SETS = (np.arange(128)[:, None] >> np.arange(7)) & 1 == 1  # (128, 7)


def tag_set_probabilities(split: str, *, broadband_boost: float) -> np.ndarray:
    """P(tag set) over refined clips, (128,); set i has tag k if bit k of i.

    `broadband_boost` multiplies the frequency of `b` (up to 0.3 of all
    clips); the frequencies of the other tags stay. The empty set is silence.
    """
    table = _fit(np.ones(len(_SETS)), "development", with_sets=True)
    if split != "development":
        table = _fit(table, split, with_sets=False)
    counts = np.array(_TAG_COUNTS[split], float)
    clips = _NUM_CLIPS[split]
    boosted = min(counts[5] * broadband_boost, _MAX_BROADBAND * clips)
    counts[5] = boosted
    return _rake(table, _margins(counts / clips, _SILENCE_COUNTS[split], clips))


def _margins(
    frequencies: np.ndarray, silence: int, clips: int
) -> list[tuple[np.ndarray, float]]:
    """Each group of sets with the probability it shall have."""
    margins = [(~_SETS.any(axis=1), silence / clips)]
    margins += [(_SETS[:, k], f) for k, f in enumerate(frequencies)]
    return margins


def _fit(table: np.ndarray, split: str, *, with_sets: bool) -> np.ndarray:
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
    """Scales the groups in turn until each has its probability."""
    table = table / table.sum()
    for _ in range(_FIT_ROUNDS):
        before = table
        for group, probability in margins:
            inside = table[group].sum()
            outside = 1 - inside
            table = np.where(
                group,
                table * (probability / max(inside, 1e-300)),
                table * ((1 - probability) / max(outside, 1e-300)),
            )
        if np.abs(table - before).max() < _FIT_TOLERANCE:
            break
    return table / table.sum()


def draw_tag_sets(
    rng: np.random.Generator,
    count: int,
    *,
    split: str,
    broadband_boost: float,
) -> np.ndarray:
    """Tag sets for `count` clips, bool (count, 7); no tag is silence."""
    table = tag_set_probabilities(split, broadband_boost=broadband_boost)
    return _SETS[rng.choice(len(_SETS), count, p=table)]


def draw_votes(
    rng: np.random.Generator, tags: np.ndarray, *, disputed: bool
) -> tuple[str, str, str]:
    """What the three annotators write for a clip with `tags`, bool (7,).

    An undisputed clip passes the refined rule and its majority is `tags`. In
    a disputed one, at least one label has a single vote: usually a tag that
    the others did not hear, sometimes one that lost its majority.
    """
    votes: list[set[str]] = [set(), set(), set()]
    names = [tag for tag, has in zip(TAGS, tags, strict=True) if has]
    for tag in names or [SILENCE]:
        for annotator in range(3):
            votes[annotator].add(tag)
        if rng.random() < TWO_VOTES.get(tag, 0.2):
            votes[_who(rng)].discard(tag)
    if disputed:
        _dispute(rng, votes, names)
    for said in votes:
        if not said and rng.random() < 0.7:
            said.add(UNIDENTIFIABLE)
    return tuple("".join(sorted(said)) for said in votes)  # type: ignore


def _who(rng: np.random.Generator) -> int:
    return int(np.searchsorted(_WITHHELD_BELOW, rng.random()))


def _dispute(
    rng: np.random.Generator, votes: list[set[str]], names: list[str]
) -> None:
    """Gives one label exactly one vote."""
    if names and rng.random() < 0.3:
        lost = names[rng.integers(len(names))]
        keeper = _who(rng)
        for annotator, said in enumerate(votes):
            (said.add if annotator == keeper else said.discard)(lost)
        return
    absent = [tag not in names for tag in TAGS]
    below = np.cumsum(_STRAY_WEIGHTS * absent)
    stray = TAGS[int(np.searchsorted(below, below[-1] * rng.random()))]
    listener = _who(rng)
    votes[listener].discard(SILENCE)
    votes[listener].add(stray)


def count_votes(votes: tuple[str, str, str], label: str) -> int:
    """How many annotators gave a label."""
    return sum(label in said for said in votes)


def majority(votes: tuple[str, str, str]) -> str:
    """The letters of at least two annotators, in alphabetical order."""
    labels = (*sorted(TAGS), SILENCE, UNIDENTIFIABLE)
    return "".join(x for x in labels if count_votes(votes, x) >= 2)


def is_refined(votes: tuple[str, str, str]) -> bool:
    """The data set's rule: no label but `U` has exactly one vote."""
    return all(count_votes(votes, x) != 1 for x in (*TAGS, SILENCE))
