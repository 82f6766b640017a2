"""The labelled clip that every reader returns, and its tags."""

import collections
import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

from audiotag_nas.errors import ConfigError

_MAX_TAGS_SHOWN = 30


@dataclasses.dataclass(frozen=True)
class Clip:
    """One labelled clip.

    Attributes:
        clip_id: unique in its data set (CHiME-Home: the chunk's name).
        segment_id: the recording from which the clip was cut; clips of one
            segment depend on one another.
        tags: the clip's tags in the order of the annotation, including those
            that are not scored (CHiME-Home: `S`, `U`); may be empty.
        split: `development` or `evaluation`.
        fold: the cross-validation fold, or None.
        path: the sound file.
    """

    clip_id: str
    segment_id: str
    tags: tuple[str, ...]
    split: str
    fold: int | None
    path: Path


class Tagged(Protocol):
    """A `Clip`, or a clip whose features are stored."""

    @property
    def tags(self) -> tuple[str, ...]: ...


def count_tags(clips: Iterable[Tagged]) -> dict[str, int]:
    """Returns the number of clips per tag, the most frequent tag first."""
    counts = collections.Counter(
        tag for clip in clips for tag in set(clip.tags)
    )
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def check_carried(
    clips: Iterable[Tagged], tags: Sequence[str], *, what: str
) -> None:
    """Checks that at least one clip carries each tag.

    An output without positive examples, e.g. of a misspelled tag, would learn
    to be always negative and be exported without a warning.

    Args:
        clips: the development clips.
        tags: `data.tags` of the config.
        what: what the clips are, for the error message.

    Raises:
        ConfigError: no clip carries one of the tags.
    """
    carried = sorted({tag for clip in clips for tag in clip.tags})
    missing = [tag for tag in tags if tag not in carried]
    if missing:
        names = ", ".join(map(repr, carried[:_MAX_TAGS_SHOWN])) or "no tags"
        if len(carried) > _MAX_TAGS_SHOWN:
            names += f" and {len(carried) - _MAX_TAGS_SHOWN} more"
        raise ConfigError(
            f"config.data.tags: each must be carried by one of the {what}, "
            f"which carry {names}. Received: {', '.join(map(repr, missing))}"
        )
