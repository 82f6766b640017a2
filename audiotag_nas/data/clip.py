"""The labelled clips that readers return, and checks of their tags."""

import collections
import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

from audiotag_nas.errors import ConfigError

_MAX_TAGS_SHOWN = 30


@dataclasses.dataclass(frozen=True)
class Clip:
    """One labelled recording.

    Attributes:
        clip_id: a name that is unique in the data set. In CHiME-Home, this is
            the chunk's name.
        segment_id: the recording from which the clip was cut; clips of the
            same segment are not independent of one another.
        tags: the clip's tags in the order of the annotation, including tags
            that are not scored (`S` and `U` in CHiME-Home); may be empty.
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
    """A `Clip`, or a `PreparedClip` (a clip whose features are stored)."""

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
    """Checks that each tag is carried by at least one clip.

    If a tag is misspelled, for example, it has no positive examples. A network
    would learn that this tag is always absent, and no warning would be given.

    Args:
        clips: the development clips.
        tags: `data.tags` of the config.
        what: the words for the clips in the error message.

    Raises:
        ConfigError: at least one tag is carried by no clip.
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
