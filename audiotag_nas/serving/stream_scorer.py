"""Scores a stream of samples with an exported model, window by window.

A tag is present in a sound if its clip score reaches its threshold. The clip
score of a sound is the maximum over its windows, because one audible occurrence
makes a tag present. A tag is active in a frame if the frame's score reaches the
same threshold and the tag is present in a window that holds the frame.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from audiotag_nas.errors import DataError
from audiotag_nas.serving.clip_scores import ClipScores
from audiotag_nas.serving.events import EventFinder, EventSettings
from audiotag_nas.serving.first_minute import FirstMinuteKeeper
from audiotag_nas.serving.model_manifest import Manifest
from audiotag_nas.serving.windows import FrameJoiner, Windows

_BATCH_WINDOWS = 4


class StreamScorer:
    """An exported model with the settings that turn its scores into events."""

    def __init__(
        self,
        saved_model: Any,
        manifest: Manifest,
        *,
        thresholds: Sequence[float],
        events: EventSettings,
    ) -> None:
        self._saved_model = saved_model
        self._tags = manifest.tags
        self._features = manifest.features
        self._thresholds = tuple(thresholds)
        self._events = events
        self._windows = Windows(
            manifest.features,
            manifest.clip_seconds,
            pads=manifest.pads_short_clips,
        )

    @property
    def block_seconds(self) -> float:
        """Length of the blocks with which `score` is fastest."""
        return self._windows.hop_samples / self._features.sample_rate_hz

    def score(
        self, blocks: Iterable[np.ndarray], *, keep_first_minute: bool
    ) -> ClipScores:
        """Scores float32 blocks (samples,) at the model's sample rate.

        Raises:
            DataError: the blocks have fewer samples than one frame.
        """
        num_samples = num_frames = 0

        def counted() -> Iterator[np.ndarray]:
            nonlocal num_samples
            for block in blocks:
                num_samples += len(block)
                yield block

        thresholds = np.asarray(self._thresholds)
        joiner = FrameJoiner(self._windows)
        finder = EventFinder(self._tags, self._features, self._events)
        clip_scores = np.zeros(len(self._tags))
        first_minute = (
            FirstMinuteKeeper(self._features) if keep_first_minute else None
        )
        for window, clip, frames, last in self._window_scores(counted()):
            clip_scores = np.maximum(clip_scores, clip)
            joined, window_best = joiner.add(frames, clip, last=last)
            if last:
                # Drop the frames that come from the padding of a short clip.
                left = self._features.num_frames(num_samples) - num_frames
                joined, window_best = joined[:left], window_best[:left]
            num_frames += len(joined)
            active = (joined >= thresholds) & (window_best >= thresholds)
            finder.add(joined, active)
            if first_minute is not None and not first_minute.is_complete:
                log_mels = self._saved_model.log_mel(window[None])
                first_minute.add(log_mels.numpy()[0], joined)
        rate = self._features.sample_rate_hz
        seconds = num_samples / rate
        return ClipScores(
            tags=self._tags,
            thresholds=self._thresholds,
            seconds=seconds,
            clip_scores=clip_scores,
            events=finder.finish(seconds),
            first_minute=None if first_minute is None else first_minute.get(),
            frame_step_seconds=self._features.frame_step / rate,
        )

    def _window_scores(
        self, blocks: Iterable[np.ndarray]
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, bool]]:
        """Yields (window, clip scores, frame scores, is it the last window)."""
        batch: list[np.ndarray] = []
        for window in self._windows.cut(blocks):
            if batch and (
                len(batch) == _BATCH_WINDOWS or len(window) != len(batch[0])
            ):
                yield from self._score_batch(batch, last=False)
                batch = []
            batch.append(window)
        if not batch or not self._features.num_frames(len(batch[-1])):
            raise DataError(
                f"must hold at least one frame, {self._features.frame_length} "
                f"samples at {self._features.sample_rate_hz} Hz. Received: "
                f"{len(batch[-1]) if batch else 0}"
            )
        yield from self._score_batch(batch, last=True)

    def _score_batch(
        self, windows: list[np.ndarray], *, last: bool
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, bool]]:
        scores = self._saved_model.serve(np.stack(windows))
        clips = scores["clip_scores"].numpy()
        frames = scores["frame_scores"].numpy()
        final = len(windows) - 1 if last else -1
        for index, window in enumerate(windows):
            yield window, clips[index], frames[index], index == final
