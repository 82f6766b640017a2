"""Turns active frames into events: the times at which a tag is active.

A frame covers all times that are nearer to its center than to the center of any
other frame. The first frame begins at 0, and the last frame ends with the file.
Two active stretches of a tag are merged if their gap is shorter than
`merge_gap_seconds`. Then stretches shorter than `min_event_seconds` are
dropped.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from audiotag_nas.config import FeatureConfig
from audiotag_nas.errors import ConfigError

_SLACK_SAMPLES = 0.01
"""Tolerance of comparisons: times in seconds are rounded half samples."""


@dataclasses.dataclass(frozen=True, order=True)
class Event:
    """A stretch of time in which a tag is active.

    Attributes:
        onset_seconds: time from the start of the file to the event's start.
        offset_seconds: time from the start of the file to the event's end.
        tag: name of the tag.
        score: the tag's highest frame score within the event.
    """

    onset_seconds: float
    offset_seconds: float
    tag: str
    score: float


@dataclasses.dataclass(frozen=True)
class EventSettings:
    """How active frames become events (this project's own choice).

    Attributes:
        merge_gap_seconds: two active stretches of a tag are merged if the gap
            between them is shorter than this.
        min_event_seconds: events that are shorter after merging are dropped.
    """

    merge_gap_seconds: float = 0.2
    min_event_seconds: float = 0.1

    def __post_init__(self) -> None:
        for name, value in dataclasses.asdict(self).items():
            if not value >= 0:
                raise ConfigError(
                    f"`{name}` must be 0 or more. Received: {value}"
                )


class EventFinder:
    """Finds the events of a file whose frames arrive in blocks."""

    def __init__(
        self,
        tags: Sequence[str],
        features: FeatureConfig,
        settings: EventSettings,
    ) -> None:
        self._tags = tuple(tags)
        self._features = features
        self._settings = settings
        self._num_frames = 0
        # Per tag, the run that can grow: first frame, end frame, best score.
        self._open: list[tuple[int, int, float] | None] = [None] * len(tags)
        self._events: list[Event] = []

    def add(self, scores: np.ndarray, active: np.ndarray) -> None:
        """Adds the next frames: scores and activity, (frames, tags) each."""
        for index in range(len(self._tags)):
            for start, end in _runs(active[:, index]):
                score = float(scores[start:end, index].max())
                self._add_run(
                    index,
                    self._num_frames + start,
                    self._num_frames + end,
                    score,
                )
        self._num_frames += len(scores)

    def finish(self, seconds: float) -> tuple[Event, ...]:
        """Returns all events, sorted by onset. The file ends at `seconds`."""
        for index, pending in enumerate(self._open):
            if pending is not None:
                at_end = pending[1] == self._num_frames
                self._close(index, seconds if at_end else None)
        return tuple(sorted(self._events))

    def _add_run(self, index: int, start: int, end: int, score: float) -> None:
        pending = self._open[index]
        if pending is not None:
            gap = self._edge(start) - self._edge(pending[1])
            # Two runs that touch are one run, cut at the border of two blocks.
            if start == pending[1] or self._is_shorter(
                gap, self._settings.merge_gap_seconds
            ):
                start, score = pending[0], max(score, pending[2])
            else:
                self._close(index)
        self._open[index] = (start, end, score)

    def _close(self, index: int, offset: float | None = None) -> None:
        pending, self._open[index] = self._open[index], None
        if pending is None:
            return
        start, end, score = pending
        onset = self._edge(start) if start else 0.0
        offset = self._edge(end) if offset is None else offset
        if not self._is_shorter(
            offset - onset, self._settings.min_event_seconds
        ):
            self._events.append(Event(onset, offset, self._tags[index], score))

    def _is_shorter(self, seconds: float, limit: float) -> bool:
        """Returns whether `seconds` < `limit`, tolerating rounding errors."""
        slack = _SLACK_SAMPLES / self._features.sample_rate_hz
        return seconds < limit - slack

    def _edge(self, frame: int) -> float:
        """Returns the time at which frame `frame` begins."""
        features = self._features
        center = 0.0 if features.center else features.frame_length / 2
        samples = center + (frame - 0.5) * features.frame_step
        return samples / features.sample_rate_hz


def _runs(active: np.ndarray) -> list[tuple[int, int]]:
    """Returns the runs of True, as (first index, index after the last)."""
    edges = np.diff(np.concatenate([[0], active.astype(np.int8), [0]]))
    starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    return list(zip(starts.tolist(), ends.tolist(), strict=True))
