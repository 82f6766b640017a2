"""The labelled recording unit that every reader gives."""

import dataclasses
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Protocol

from audiotag_nas.errors import ConfigError, DataError

NUM_FOLDS = 5
"""Folds of the development split: those of CHiME-Home, and the default."""

_MAX_NAMED = 30


@dataclasses.dataclass(frozen=True)
class Clip:
    """One labelled clip.

    Attributes:
        clip_id: unique in its data set (CHiME-Home: the chunk's name).
        segment_id: the recording that it was cut from; clips of one segment
            are not independent of one another.
        tags: the tags it carries, in the order of the annotation, unscored
            ones (CHiME-Home: `S`, `U`) included; may be empty.
        split: `development` or `evaluation`.
        fold: the cross-validation fold, None where the list has none.
        path: the audio file.
    """

    clip_id: str
    segment_id: str
    tags: tuple[str, ...]
    split: str
    fold: int | None
    path: Path


class Tagged(Protocol):
    """What has tags: a clip, or one whose features are stored."""

    @property
    def tags(self) -> tuple[str, ...]: ...


def check_carried(
    clips: Iterable[Tagged], tags: Sequence[str], *, what: str
) -> None:
    """Checks that every tag is carried by a clip.

    An output that never has a positive learns to say no, and would be
    exported without a word: a misspelled tag is like that.

    Args:
        clips: those that have folds.
        tags: of the config.
        what: the clips are, for the message.

    Raises:
        ConfigError: a tag is not, naming it and the tags that there are.
    """
    carried = sorted({tag for clip in clips for tag in clip.tags})
    missing = [tag for tag in tags if tag not in carried]
    if missing:
        names = ", ".join(map(repr, carried[:_MAX_NAMED])) or "no tags at all"
        if len(carried) > _MAX_NAMED:
            names += f" and {len(carried) - _MAX_NAMED} more"
        raise ConfigError(
            f"config.data.tags: each must be carried by one of the {what}, "
            f"which carry {names}. Received: {', '.join(map(repr, missing))}"
        )


def split_folds(
    folds: Collection[int | None], validation: tuple[int, ...], *, where: str
) -> tuple[tuple[int | None, ...], tuple[int, ...]]:
    """The folds to train on, and those that reward.

    Args:
        folds: that hold a development clip; None: no fold.
        validation: `data.validation_folds` of the config.
        where: the folds are found, for the message.

    Raises:
        DataError: a validation fold has no clips, or none is left to train.
    """
    field = "config.data.validation_folds"
    numbers = [fold for fold in folds if fold is not None]
    missing = [fold for fold in validation if fold not in folds]
    if missing:
        raise DataError(
            f"{field}: must be of the folds {sorted(numbers)} of {where}. "
            f"Received: {missing[0]}"
        )
    training = tuple(fold for fold in folds if fold not in validation)
    if not training:
        raise DataError(
            f"{field}: must leave a fold of {sorted(numbers)} to train on. "
            f"Received: {list(validation)}"
        )
    return training, validation
