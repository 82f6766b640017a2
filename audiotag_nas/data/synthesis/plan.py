"""Plans the segments, folds and votes of a split's chunks, but not their sound.

The plans determine the annotation files and the lists. The sound of a chunk
depends only on its own plan. Hence chunks can be rendered in any order.
"""

import dataclasses

import numpy as np

from audiotag_nas.config import SyntheticConfig
from audiotag_nas.data.splits import NUM_FOLDS
from audiotag_nas.data.synthesis import tag_sets, votes

# The real data has 2.2 raw chunks per refined chunk. The synthetic data has
# fewer, because unrefined chunks are rarely used and take time to render.
_RAW_PER_REFINED = 1.3
_PLACES_PER_SEGMENT = 75  # five-minute segments of four-second chunks
_RAW_PER_SEGMENT = 25
_SPLIT_SEEDS = {"development": 0, "evaluation": 1}
_MIN_SEGMENTS = {"development": 15, "evaluation": 4}
_MIN_EVALUATION_POSITIVES = 2
# The weight of each tag (`cmfvpbo`, in this order) when similar chunks are put
# into the same segment.
_TAG_WEIGHTS = np.array([1.0, 0.6, 0.8, 2.0, 0.3, 0.0, 0.3])


@dataclasses.dataclass(frozen=True)
class ChunkPlan:
    """The plan of one chunk.

    Attributes:
        split: `development` or `evaluation`.
        index: number of the chunk in the split. This number seeds the sound.
        segment: number of the segment in the split. This number seeds the
            household (room and sound sources).
        chunk_number: place of the chunk in the segment, 0 to 74.
        votes: the labels that each annotator gave.
        sessions: the session of each annotator.
        fold: cross-validation fold of a refined development chunk; None for
            any other chunk.
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
        return votes.majority(self.votes)

    @property
    def is_refined(self) -> bool:
        return votes.is_refined(self.votes)


def generator(seed: int, split: str, *place: int) -> np.random.Generator:
    """Returns the random generator for one `place`, e.g. (1, segment)."""
    return np.random.default_rng([seed, _SPLIT_SEEDS[split], *place])


def plan_split(
    settings: SyntheticConfig, split: str, *, seed: int
) -> list[ChunkPlan]:
    """Returns the plans of a split, ordered by segment and chunk number.

    `settings` sets the number of refined chunks. For every 10 of them there are
    3 disputed chunks, on which the annotators disagree. Disputed chunks are
    only in the raw list.
    """
    rng = generator(seed, split, 0)
    tags, refined = _draw_tags(rng, settings, split)
    segments = _assign_segments(rng, tags, refined, split)
    folds = _assign_folds(rng, segments, tags, refined)
    has_folds = split == "development"
    if has_folds:
        for fold in range(NUM_FOLDS):
            _ensure_positives(
                tags, np.flatnonzero(refined & (folds == fold)), 1
            )
    else:
        _ensure_positives(
            tags, np.flatnonzero(refined), _MIN_EVALUATION_POSITIVES
        )
    plans: list[ChunkPlan] = []
    for segment in range(segments.max() + 1):
        members = rng.permutation(np.flatnonzero(segments == segment))
        numbers = np.sort(
            rng.choice(_PLACES_PER_SEGMENT, len(members), replace=False)
        )
        first, second, third = (float(x) for x in rng.integers(1, 4, 3))
        for i, number in zip(members, numbers, strict=True):
            plans.append(
                ChunkPlan(
                    split=split,
                    index=len(plans),
                    segment=segment,
                    chunk_number=int(number),
                    votes=votes.draw_votes(
                        rng, tags[i], disputed=not refined[i]
                    ),
                    sessions=(first, second, third),
                    fold=int(folds[i]) if has_folds and refined[i] else None,
                )
            )
    return plans


def _draw_tags(
    rng: np.random.Generator, settings: SyntheticConfig, split: str
) -> tuple[np.ndarray, np.ndarray]:
    """Returns bool masks: tags (chunks, 7) and refined chunks (chunks,)."""
    num_refined = {
        "development": settings.num_development_clips,
        "evaluation": settings.num_evaluation_clips,
    }[split]
    num_raw = round(num_refined * _RAW_PER_REFINED)
    tags = tag_sets.draw_tag_sets(
        rng, num_raw, split=split, broadband_boost=settings.broadband_boost
    )
    return tags, np.arange(num_raw) < num_refined


def _assign_segments(
    rng: np.random.Generator, tags: np.ndarray, refined: np.ndarray, split: str
) -> np.ndarray:
    """Returns the segment of each chunk, (chunks,).

    Chunks with similar tags share a segment. Refined and disputed chunks are
    assigned separately, so that both kinds are spread evenly over the segments.
    """
    num_segments = max(
        min(_MIN_SEGMENTS[split], int(refined.sum())),
        -(-len(tags) // _RAW_PER_SEGMENT),
    )
    order_key = tags @ _TAG_WEIGHTS + 1.5 * rng.standard_normal(len(tags))
    segments = np.empty(len(tags), int)
    for group in (np.flatnonzero(refined), np.flatnonzero(~refined)):
        ordered = group[np.argsort(order_key[group], kind="stable")]
        segments[ordered] = np.arange(len(group)) * num_segments // len(group)
    return rng.permutation(num_segments)[segments]


def _assign_folds(
    rng: np.random.Generator,
    segments: np.ndarray,
    tags: np.ndarray,
    refined: np.ndarray,
) -> np.ndarray:
    """Returns the fold of each chunk, (chunks,).

    All chunks of a segment have the same fold. The segments are assigned from
    the largest to the smallest. Each segment goes to the fold that keeps the
    folds most equal in the numbers of chunks and of positive chunks.
    """
    counted = np.column_stack([np.ones(len(tags)), tags]) * refined[:, None]
    num_segments = segments.max() + 1
    weights = np.zeros((num_segments, counted.shape[1]))
    np.add.at(weights, segments, counted)
    weights /= np.maximum(weights.sum(axis=0), 1)
    weights[:, 0] *= 3  # equal numbers of chunks matter most
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


def _ensure_positives(
    tags: np.ndarray, members: np.ndarray, positives: int
) -> None:
    """Gives each tag enough positive members, and if possible a negative one.

    Each tag gets at least `positives` positive members. `tags` is changed in
    place. Silent chunks remain silent.
    """
    for tag in np.argsort(tags.mean(axis=0)):
        missing = positives - int(tags[members, tag].sum())
        negatives = [i for i in members if tags[i].any() and not tags[i, tag]]
        negatives.sort(key=lambda i: int(tags[i].sum()))
        for i in negatives[: max(missing, 0)]:
            tags[i, tag] = True
    for tag in range(tags.shape[1]):
        if tags[members, tag].all() and len(members) > positives:
            fullest = max(members, key=lambda i: int(tags[i].sum()))
            if tags[fullest].sum() > 1:
                tags[fullest, tag] = False
