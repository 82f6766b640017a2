"""The labelled recording unit that every reader gives."""

import dataclasses
from pathlib import Path


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
