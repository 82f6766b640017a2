"""The tags and events of one sound."""

import dataclasses

import numpy as np

from audiotag_nas.serving.events import Event
from audiotag_nas.serving.first_minute import FirstMinute


@dataclasses.dataclass(frozen=True)
class ClipScores:
    """The network's scores of one sound.

    Attributes:
        tags: names of the tags, in the order of the network's outputs.
        thresholds: the thresholds that were applied, one per tag.
        seconds: length of the sound.
        clip_scores: the score of each tag for the whole sound, (tags,).
        events: the times at which present tags are active, sorted by onset.
        first_minute: the frames of the first minute; None if not requested.
        frame_step_seconds: time from one frame to the next.
        notes: irregularities of samples in memory, e.g. channels that cancel
            each other. `TaggedFile.notes` has the notes on a file.
    """

    tags: tuple[str, ...]
    thresholds: tuple[float, ...]
    seconds: float
    clip_scores: np.ndarray
    events: tuple[Event, ...]
    first_minute: FirstMinute | None
    frame_step_seconds: float
    notes: tuple[str, ...] = ()

    @property
    def present(self) -> tuple[str, ...]:
        """The tags whose scores reach their thresholds, highest score first."""
        order = np.argsort(-self.clip_scores, kind="stable")
        return tuple(
            self.tags[k]
            for k in order
            if self.clip_scores[k] >= self.thresholds[k]
        )

    def score(self, tag: str) -> float:
        """Returns the clip score of `tag`."""
        return float(self.clip_scores[self.tags.index(tag)])

    def times(self, tag: str) -> list[Event]:
        """Returns the events of `tag`."""
        return [event for event in self.events if event.tag == tag]
