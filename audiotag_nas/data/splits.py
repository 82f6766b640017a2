"""Splits and folds: which clips are for training, validation and evaluation.

A data set has a development and an evaluation split. The development split is
divided into folds for cross-validation. Clips of one segment are not
independent, so they should all be in the same split and in the same fold.
"""

import collections
import dataclasses
import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator

from audiotag_nas.data.clip import Clip
from audiotag_nas.data.findings import Finding, shown
from audiotag_nas.errors import DataError

SPLITS = ("development", "evaluation")
NUM_FOLDS = 5
"""The number of folds that CHiME-Home has and that `assigned_fold` uses."""


def check_split(split: str) -> None:
    """Checks that `split` is the name of a split.

    Raises:
        DataError: `split` is not in `SPLITS`.
    """
    if split not in SPLITS:
        raise DataError(
            f"split: must be one of {', '.join(SPLITS)}. Received: {split!r}"
        )


def split_folds(
    folds: Collection[int | None], validation: tuple[int, ...], *, where: str
) -> tuple[tuple[int | None, ...], tuple[int, ...]]:
    """Returns the training folds and the validation folds.

    Args:
        folds: the folds of the development clips; None means no fold.
        validation: `data.validation_folds` of the config.
        where: says in the error message where these folds come from.

    Raises:
        DataError: a validation fold has no clips, or no training fold is left.
    """
    field = "config.data.validation_folds"
    numbers = sorted(fold for fold in folds if fold is not None)
    missing = [fold for fold in validation if fold not in folds]
    if missing:
        raise DataError(
            f"{field}: must be among the folds {numbers} of {where}. "
            f"Received: {missing[0]}"
        )
    training = tuple(fold for fold in folds if fold not in validation)
    if not training:
        raise DataError(
            f"{field}: must leave one of the folds {numbers} for training. "
            f"Received: {list(validation)}"
        )
    return training, validation


def assigned_fold(segment: str) -> int:
    """Returns a fold for a segment to which the data set gives none.

    The fold depends only on a hash of the segment's name. Therefore, all clips
    of a segment get the same fold, and new clips do not change other folds.
    """
    digest = hashlib.sha256(segment.encode()).digest()
    return int.from_bytes(digest[:8], "big") % NUM_FOLDS


def with_folds(clips: Iterable[Clip]) -> list[Clip]:
    """Gives a fold to each development clip that has none.

    A clip gets the fold of another clip of its segment. If no clip of the
    segment has a fold, the clip gets `assigned_fold`.
    """
    clips = list(clips)
    known: dict[str, int] = {}
    for clip in clips:
        if clip.fold is not None:
            known.setdefault(clip.segment_id, clip.fold)
    result = []
    for clip in clips:
        if clip.split == "development" and clip.fold is None:
            fold = known.get(clip.segment_id)
            if fold is None:
                fold = assigned_fold(clip.segment_id)
            clip = dataclasses.replace(clip, fold=fold)
        result.append(clip)
    return result


def shared_segment_findings(
    clips: Iterable[Clip], location: Callable[[Clip], tuple[str, int | None]]
) -> Iterator[Finding]:
    """Yields an error for each segment with clips in both splits.

    Args:
        clips: the clips of both splits.
        location: returns the file and the line in which a clip is listed.
    """
    # Maps each segment to its first clip in each split.
    first: dict[str, dict[str, Clip]] = collections.defaultdict(dict)
    for clip in clips:
        first[clip.segment_id].setdefault(clip.split, clip)
    for segment, by_split in first.items():
        if len(by_split) > 1:
            development, evaluation = (by_split[split] for split in SPLITS)
            path, line = location(evaluation)
            reason = (
                "development and evaluation must not share a segment. "
                f"Received: {shown(segment)}, of {shown(evaluation.clip_id)} "
                f"in evaluation and {shown(development.clip_id)} in "
                "development"
            )
            yield Finding(path, line, reason)


def segments_in_several_folds(clips: Iterable[Clip]) -> dict[str, list[int]]:
    """Returns the sorted folds of each segment with clips in several folds."""
    folds = collections.defaultdict(set)
    for clip in clips:
        if clip.fold is not None:
            folds[clip.segment_id].add(clip.fold)
    return {
        segment: sorted(found)
        for segment, found in folds.items()
        if len(found) > 1
    }
