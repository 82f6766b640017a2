"""The result of tagging one sound file, as text and as a picture."""

import dataclasses
import os
from pathlib import Path

from audiotag_nas.errors import DataError
from audiotag_nas.serving.clip_scores import ClipScores
from audiotag_nas.serving.events import Event
from audiotag_nas.serving.first_minute import FIRST_MINUTE_SECONDS
from audiotag_nas.terminal import escaped


@dataclasses.dataclass(frozen=True)
class TaggedFile:
    """The scores of one file, or the reason why there are none.

    Attributes:
        path: the file.
        scores: None if the file could not be tagged.
        reason: why the file could not be tagged; empty for a tagged file.
        notes: irregularities of the file, e.g. that it is truncated.
    """

    path: Path
    scores: ClipScores | None
    reason: str = ""
    notes: tuple[str, ...] = ()

    @property
    def path_text(self) -> str:
        """The path in printable form (`terminal.escaped`)."""
        return escaped(self.path)

    @property
    def status(self) -> str:
        """`tagged` or `failed`."""
        return "failed" if self.scores is None else "tagged"

    @property
    def seconds(self) -> float:
        """Length of the sound; 0 for a failed file."""
        return 0.0 if self.scores is None else self.scores.seconds

    @property
    def clip_scores(self) -> dict[str, float]:
        """Clip score per tag; empty for a failed file."""
        if self.scores is None:
            return {}
        return {tag: self.scores.score(tag) for tag in self.scores.tags}

    @property
    def events(self) -> tuple[Event, ...]:
        """The events by onset; empty for a failed file."""
        return () if self.scores is None else self.scores.events

    def describe(self) -> list[str]:
        """Returns one line per present tag, with its name, score and times."""
        if self.scores is None:
            return [f"failed: {self.reason}"]
        lines = []
        width = max(map(len, self.scores.tags))
        for tag in self.scores.present:
            times = " ".join(
                f"{event.onset_seconds:.2f}-{event.offset_seconds:.2f}"
                for event in self.scores.times(tag)
            )
            lines.append(
                f"{tag:<{width}}  {self.scores.score(tag):.2f}  "
                f"{times + ' s' if times else '-'}"
            )
        return lines or ["no tag reaches its threshold"]

    def plot(self, path: str | os.PathLike) -> None:
        """Draws the log-mels, frame scores and events of the first minute.

        Raises:
            DataError: the file could not be tagged, or was tagged without
                `keep_first_minute`.
        """
        from audiotag_nas.report.tagged_clip_plot import plot_tagged_clip

        if self.scores is None:
            raise DataError(f"{self.path}: can't be drawn ({self.reason}).")
        scores, first_minute = self.scores, self.scores.first_minute
        if first_minute is None:
            raise DataError(
                f"{self.path}: can't be drawn, because the file was not tagged "
                "with keep_first_minute=True."
            )
        end = scores.frame_step_seconds * len(first_minute.log_mel)
        is_cut = scores.seconds > FIRST_MINUTE_SECONDS
        name = Path(self.path_text).name
        plot_tagged_clip(
            path,
            log_mel=first_minute.log_mel,
            frame_seconds=scores.frame_step_seconds,
            tags=scores.tags,
            frame_scores=first_minute.frame_scores,
            thresholds=scores.thresholds,
            events=[
                (e.tag, e.onset_seconds, min(e.offset_seconds, end))
                for e in scores.events
                if e.onset_seconds < end
            ],
            title=f"{name} (first minute)" if is_cut else name,
            clip_scores=scores.clip_scores,
        )
