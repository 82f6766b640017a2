"""Which tags a sound carries, and when: an exported model on sound files.

    tagger = Tagger.load("workdir/export")
    tagged = tagger.tag_file("kitchen.mp3")

A tag is present where its clip score reaches its threshold; the score of a
file is the highest among its windows (`windows`), since a tag that is heard
once is in the file. A tag is active in the frames whose score reaches the
same threshold, in windows where it is present; active frames become events
(`events`). A file that can't be tagged gives a reason, not an exception.
"""

import dataclasses
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from audiotag_nas.config import FeatureConfig
from audiotag_nas.data import audio
from audiotag_nas.data.storage import RemotePath
from audiotag_nas.data.waveform import checked_waveform
from audiotag_nas.errors import ConfigError, DataError
from audiotag_nas.serving.events import Event, EventFinder, EventSettings
from audiotag_nas.serving.model_manifest import Manifest, fetched
from audiotag_nas.serving.opening import (
    OPENING_SECONDS,
    Opening,
    OpeningKeeper,
)
from audiotag_nas.serving.saved_model import load_saved_model
from audiotag_nas.serving.windows import FrameJoiner, Windows
from audiotag_nas.terminal import escaped

_BATCH_WINDOWS = 4


@dataclasses.dataclass(frozen=True)
class ClipScores:
    """What the network says of one sound.

    Attributes:
        tags: the names, in the network's order.
        thresholds: one a tag, as used.
        seconds: the sound's length.
        clip_scores: (tags,).
        events: when tags that are present are active, by onset.
        opening: the first minute; None where it was not asked for.
        frame_step_seconds: from one frame to the next.
        notes: what is odd about samples in memory, e.g. that their channels
            cancel. Notes on a file are in `TaggedFile`.
    """

    tags: tuple[str, ...]
    thresholds: tuple[float, ...]
    seconds: float
    clip_scores: np.ndarray
    events: tuple[Event, ...]
    opening: Opening | None
    frame_step_seconds: float
    notes: tuple[str, ...] = ()

    @property
    def present(self) -> tuple[str, ...]:
        """The tags whose score reaches their threshold, best first."""
        order = np.argsort(-self.clip_scores, kind="stable")
        return tuple(
            self.tags[k]
            for k in order
            if self.clip_scores[k] >= self.thresholds[k]
        )

    def score(self, tag: str) -> float:
        """The clip score of one tag."""
        return float(self.clip_scores[self.tags.index(tag)])

    def times(self, tag: str) -> list[Event]:
        """The events of one tag."""
        return [event for event in self.events if event.tag == tag]


@dataclasses.dataclass(frozen=True)
class TaggedFile:
    """What came of one file.

    Attributes:
        path: the file.
        scores: None where it could not be tagged.
        reason: why not; empty where it could.
        notes: what was odd about it, e.g. that it is truncated.
    """

    path: Path
    scores: ClipScores | None
    reason: str = ""
    notes: tuple[str, ...] = ()

    @property
    def path_text(self) -> str:
        """The path as it is printed; see `terminal.escaped`."""
        return escaped(self.path)

    @property
    def status(self) -> str:
        """`tagged` or `failed`."""
        return "failed" if self.scores is None else "tagged"

    @property
    def seconds(self) -> float:
        return 0.0 if self.scores is None else self.scores.seconds

    @property
    def clip_scores(self) -> dict[str, float]:
        """By tag; empty for a failed file."""
        if self.scores is None:
            return {}
        return {tag: self.scores.score(tag) for tag in self.scores.tags}

    @property
    def events(self) -> tuple[Event, ...]:
        return () if self.scores is None else self.scores.events

    def describe(self) -> list[str]:
        """Lines for people: a tag that is present, its score, its times."""
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
        """Draws the first minute: log-mel, frame scores, events.

        Raises:
            DataError: the file could not be tagged, or was tagged without
                `keep_opening`.
        """
        from audiotag_nas.report.plots import plot_tagged_clip

        if self.scores is None:
            raise DataError(f"{self.path}: can't be drawn: {self.reason}")
        scores, opening = self.scores, self.scores.opening
        if opening is None:
            raise DataError(
                f"{self.path}: can't be drawn: it must be tagged with "
                "keep_opening=True."
            )
        end = scores.frame_step_seconds * len(opening.log_mel)
        cut = " (first minute)" if scores.seconds > OPENING_SECONDS else ""
        plot_tagged_clip(
            path,
            log_mel=opening.log_mel,
            frame_seconds=scores.frame_step_seconds,
            tags=scores.tags,
            frame_scores=opening.frame_scores,
            thresholds=scores.thresholds,
            events=[
                (e.tag, e.onset_seconds, min(e.offset_seconds, end))
                for e in scores.events
                if e.onset_seconds < end
            ],
            title=f"{Path(self.path_text).name}{cut}",
            clip_scores=scores.clip_scores,
        )


class Tagger:
    """An exported model, loaded. Make one with `Tagger.load`."""

    def __init__(
        self, saved_model: Any, manifest: Manifest, events: EventSettings
    ) -> None:
        self._saved_model = saved_model
        self._manifest = manifest
        self._events = events
        self._thresholds = manifest.thresholds
        self._windows = Windows(
            manifest.features,
            manifest.clip_seconds,
            pads=manifest.pads_short_clips,
        )

    @classmethod
    def load(
        cls,
        export_dir: str | os.PathLike | RemotePath,
        *,
        threshold: float | None = None,
        events: EventSettings | None = None,
    ) -> "Tagger":
        """Loads what `export_model` wrote.

        Args:
            export_dir: the model's directory; may be remote (`storage`).
            threshold: for all tags; None uses those stored with the model.
            events: how active frames become events.

        Raises:
            StoreError: no exported model, one whose files were changed, or
                one that TensorFlow can't load.
            ConfigError: a threshold outside [0, 1].
        """
        if threshold is not None and not 0 <= threshold <= 1:
            raise ConfigError(
                f"`threshold` must be in [0, 1]. Received: {threshold}"
            )
        # The files are checked before anything in them runs.
        with fetched(export_dir) as (directory, manifest):
            saved_model = load_saved_model(
                directory, shown=export_dir, num_tags=len(manifest.tags)
            )
        events = EventSettings() if events is None else events
        tagger = cls(saved_model, manifest, events)
        if threshold is not None:
            tagger._thresholds = (threshold,) * len(manifest.tags)
        return tagger

    @property
    def manifest(self) -> Manifest:
        return self._manifest

    @property
    def tags(self) -> tuple[str, ...]:
        return self._manifest.tags

    @property
    def thresholds(self) -> tuple[float, ...]:
        """In use: stored, or given to `load`."""
        return self._thresholds

    @property
    def features(self) -> FeatureConfig:
        return self._manifest.features

    def tag_file(
        self, path: str | os.PathLike, *, keep_opening: bool = False
    ) -> TaggedFile:
        """Tags one sound file, in a stream: its length does not matter.

        Args:
            path: the file.
            keep_opening: keep the first minute for `TaggedFile.plot`, which
                takes some 300 kB.
        """
        path = Path(path)
        block_seconds = self._windows.hop_samples / self.features.sample_rate_hz
        scores, reason = None, ""
        notes: list[str] = []
        try:
            scores = self._score(
                audio.stream_audio(
                    path,
                    sample_rate_hz=self.features.sample_rate_hz,
                    block_seconds=block_seconds,
                    note=notes.append,
                ),
                keep_opening=keep_opening,
            )
        except DataError as error:
            reason = str(error).removeprefix(f"{path}: ")
        notes = [note.removeprefix(f"{path}: ") for note in notes]
        return TaggedFile(path, scores, reason, tuple(dict.fromkeys(notes)))

    def score_waveform(
        self,
        waveform: np.ndarray,
        sample_rate_hz: int,
        *,
        keep_opening: bool = False,
    ) -> ClipScores:
        """Tags samples in memory.

        Args:
            waveform: (samples,) or (samples, channels), floating-point with
                full scale at 1, as soundfile and librosa read them. Integers
                are refused, as librosa does: whether int32 is full scale at
                2**31 or at 2**23 can't be told.
            sample_rate_hz: of the waveform, from 1000 to 768000.
            keep_opening: keep the first minute, as the network saw it.

        Raises:
            DataError: less than a frame, or no valid waveform
                (`audiotag_nas.data.waveform`).
        """
        samples, notes = checked_waveform(
            waveform, sample_rate_hz, name="waveform"
        )
        if sample_rate_hz != self.features.sample_rate_hz:
            import soxr

            samples = soxr.resample(
                samples, sample_rate_hz, self.features.sample_rate_hz
            )
        scores = self._score([samples], keep_opening=keep_opening)
        return dataclasses.replace(scores, notes=notes)

    def _score(
        self, blocks: Iterable[np.ndarray], *, keep_opening: bool
    ) -> ClipScores:
        """Scores a stream of samples at the model's rate."""
        num_samples = num_frames = 0

        def counted() -> Iterator[np.ndarray]:
            nonlocal num_samples
            for block in blocks:
                num_samples += len(block)
                yield block

        thresholds = np.asarray(self._thresholds)
        joiner = FrameJoiner(self._windows)
        finder = EventFinder(self.tags, self.features, self._events)
        best = np.zeros(len(self.tags))
        opening = OpeningKeeper(
            self._frames(OPENING_SECONDS) if keep_opening else 0
        )
        for window, clip, frames, last in self._window_scores(counted()):
            best = np.maximum(best, clip)
            joined, window_best = joiner.add(frames, clip, last=last)
            if last:
                # Without the frames that a short clip was filled up with.
                left = self.features.num_frames(num_samples) - num_frames
                joined, window_best = joined[:left], window_best[:left]
            num_frames += len(joined)
            active = (joined >= thresholds) & (window_best >= thresholds)
            finder.add(joined, active)
            if opening.is_open:
                mels = self._saved_model.log_mel(window[None]).numpy()[0]
                opening.add(mels, joined)
        seconds = num_samples / self.features.sample_rate_hz
        return ClipScores(
            tags=self.tags,
            thresholds=self._thresholds,
            seconds=seconds,
            clip_scores=best,
            events=finder.finish(seconds),
            opening=opening.get(),
            frame_step_seconds=self.features.frame_step
            / self.features.sample_rate_hz,
        )

    def _window_scores(
        self, blocks: Iterable[np.ndarray]
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, bool]]:
        """Each window with its scores (tags,), (frames, tags), and if last."""
        waiting: list[np.ndarray] = []
        for window in self._windows.cut(blocks):
            if waiting and (
                len(waiting) == _BATCH_WINDOWS or len(window) != len(waiting[0])
            ):
                yield from self._run(waiting, last=False)
                waiting = []
            waiting.append(window)
        if not waiting or not self.features.num_frames(len(waiting[-1])):
            raise DataError(
                f"must hold at least one frame, {self.features.frame_length} "
                f"samples at {self.features.sample_rate_hz} Hz. Received: "
                f"{len(waiting[-1]) if waiting else 0}"
            )
        yield from self._run(waiting, last=True)

    def _run(
        self, windows: list[np.ndarray], *, last: bool
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, bool]]:
        scores = self._saved_model.serve(np.stack(windows))
        clips = scores["clip_scores"].numpy()
        frames = scores["frame_scores"].numpy()
        final = len(windows) - 1 if last else -1
        for index, window in enumerate(windows):
            yield window, clips[index], frames[index], index == final

    def _frames(self, seconds: float) -> int:
        rate = self.features.sample_rate_hz
        return max(1, round(seconds * rate / self.features.frame_step))
