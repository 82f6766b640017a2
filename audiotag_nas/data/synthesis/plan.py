"""The chunks of a split: segments, folds and votes, before any sound.

Cheap and complete: all annotation follows from it, and any chunk's sound can
be made from its own plan alone, in any order.
"""

import dataclasses

import numpy as np

from audiotag_nas.config import SyntheticConfig
from audiotag_nas.data.splits import NUM_FOLDS
from audiotag_nas.data.synthesis import annotation

CHUNKS_PER_SEGMENT = 75  # a segment is five minutes, a chunk four seconds
RAW_PER_REFINED = 1.3
"""Chunks of the raw list per chunk of the refined one.

The real data has 2.2; here what is only in the raw list costs time to make
and is rarely used.
"""

_RAW_PER_SEGMENT = 25
_MIN_SEGMENTS = {"development": 15, "evaluation": 4}
_MIN_EVALUATION_POSITIVES = 2
_SPLIT_SEEDS = {"development": 0, "evaluation": 1}
# How strongly a tag gathers in some segments (the television is on or not).
_GATHERING = np.array([1.0, 0.6, 0.8, 2.0, 0.3, 0.0, 0.3])


@dataclasses.dataclass(frozen=True)
class ChunkPlan:
    """One chunk to be written.

    Attributes:
        split: `development` or `evaluation`.
        index: its number in the split; with the seed, it decides the sound.
        segment: the number of its segment in the split; with the seed, it
            decides the room, the people and the things.
        chunk_number: 0..74, its place in the segment.
        votes: what each annotator wrote.
        sessions: in which session each annotator did.
        fold: the cross-validation fold of a refined development chunk.
    """

    split: str
    index: int
    segment: int
    chunk_number: int
    votes: tuple[str, str, str]
    sessions: tuple[float, float, float]
    fold: int | None

    @property
    def segment_name(self) -> str:
        return f"synthetic_{self.split[:3]}{self.segment:04d}.s0"

    @property
    def chunk_name(self) -> str:
        return f"{self.segment_name}_chunk{self.chunk_number}"

    @property
    def majority(self) -> str:
        return annotation.majority(self.votes)

    @property
    def refined(self) -> bool:
        return annotation.is_refined(self.votes)


def generator(seed: int, split: str, *place: int) -> np.random.Generator:
    """The random numbers of one place in a split."""
    return np.random.default_rng([seed, _SPLIT_SEEDS[split], *place])


def plan_split(
    settings: SyntheticConfig, split: str, *, seed: int
) -> list[ChunkPlan]:
    """All chunks of a split, in the order of segments and chunk numbers.

    `settings` counts refined chunks; about 0.3 as many disputed ones, which
    only the raw list has, are added.
    """
    rng = generator(seed, split, 0)
    tags, refined = _draw_tags(rng, settings, split)
    segments = _gather(rng, tags, refined, split)
    folds = _assign_folds(rng, segments, tags, refined)
    if split == "development":
        for fold in range(NUM_FOLDS):
            _ensure(tags, np.flatnonzero(refined & (folds == fold)), 1)
    else:
        _ensure(tags, np.flatnonzero(refined), _MIN_EVALUATION_POSITIVES)
    fold_of = [
        int(fold) if split == "development" and is_refined else None
        for fold, is_refined in zip(folds, refined, strict=True)
    ]
    plans: list[ChunkPlan] = []
    for segment in range(segments.max() + 1):
        members = rng.permutation(np.flatnonzero(segments == segment))
        numbers = np.sort(
            rng.choice(CHUNKS_PER_SEGMENT, len(members), replace=False)
        )
        first, second, third = (float(x) for x in rng.integers(1, 4, 3))
        for i, number in zip(members, numbers, strict=True):
            votes = annotation.draw_votes(rng, tags[i], disputed=not refined[i])
            plans.append(
                ChunkPlan(
                    split=split,
                    index=len(plans),
                    segment=segment,
                    chunk_number=int(number),
                    votes=votes,
                    sessions=(first, second, third),
                    fold=fold_of[i],
                )
            )
    return plans


def _draw_tags(
    rng: np.random.Generator, settings: SyntheticConfig, split: str
) -> tuple[np.ndarray, np.ndarray]:
    """Tags of all chunks, bool (chunks, 7), and which of them are refined."""
    num_refined = {
        "development": settings.num_development_clips,
        "evaluation": settings.num_evaluation_clips,
    }[split]
    num_raw = round(num_refined * RAW_PER_REFINED)
    tags = annotation.draw_tag_sets(
        rng, num_raw, split=split, broadband_boost=settings.broadband_boost
    )
    return tags, np.arange(num_raw) < num_refined


def _gather(
    rng: np.random.Generator,
    tags: np.ndarray,
    refined: np.ndarray,
    split: str,
) -> np.ndarray:
    """The segment of each chunk, (chunks,), like chunks near one another.

    Refined and disputed chunks are dealt out apart, so that every segment
    has its share of both.
    """
    num_segments = max(
        min(_MIN_SEGMENTS[split], int(refined.sum())),
        -(-len(tags) // _RAW_PER_SEGMENT),
    )
    likeness = tags @ _GATHERING + 1.5 * rng.standard_normal(len(tags))
    segments = np.empty(len(tags), int)
    for group in (np.flatnonzero(refined), np.flatnonzero(~refined)):
        ordered = group[np.argsort(likeness[group], kind="stable")]
        segments[ordered] = np.arange(len(group)) * num_segments // len(group)
    return rng.permutation(num_segments)[segments]


def _assign_folds(
    rng: np.random.Generator,
    segments: np.ndarray,
    tags: np.ndarray,
    refined: np.ndarray,
) -> np.ndarray:
    """The fold of each chunk, whole segments only, (chunks,).

    Greedy: the largest segment first, each to where the folds' shares of
    clips and of every tag stay the most even.
    """
    counted = np.column_stack([np.ones(len(tags)), tags]) * refined[:, None]
    num_segments = segments.max() + 1
    weights = np.zeros((num_segments, counted.shape[1]))
    np.add.at(weights, segments, counted)
    weights /= np.maximum(weights.sum(axis=0), 1)
    weights[:, 0] *= 3  # even sizes matter most
    order = rng.permutation(num_segments)
    order = order[np.argsort(-weights[order].sum(axis=1), kind="stable")]
    held = np.zeros((NUM_FOLDS, weights.shape[1]))
    fold_of = np.zeros(num_segments, int)
    for segment in order:
        growth = (held + weights[segment]) ** 2 - held**2
        fold = int(np.argmin(growth.sum(axis=1)))
        fold_of[segment] = fold
        held[fold] += weights[segment]
    return fold_of[segments]


def _ensure(tags: np.ndarray, members: np.ndarray, positives: int) -> None:
    """Gives each tag some positives and a negative among `members`.

    Only small sets need it, and only they depart from the statistics for it.
    Changes `tags` in place; silence stays silent.
    """
    for tag in np.argsort(tags.mean(axis=0)):
        missing = positives - int(tags[members, tag].sum())
        others = [i for i in members if tags[i].any() and not tags[i, tag]]
        others.sort(key=lambda i: int(tags[i].sum()))
        for i in others[: max(missing, 0)]:
            tags[i, tag] = True
    for tag in range(tags.shape[1]):
        if tags[members, tag].all() and len(members) > positives:
            fullest = max(members, key=lambda i: int(tags[i].sum()))
            if tags[fullest].sum() > 1:
                tags[fullest, tag] = False
