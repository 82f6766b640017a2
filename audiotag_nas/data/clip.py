"""The labelled recording unit that every reader gives."""

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

from audiotag_nas.errors import ConfigError

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
