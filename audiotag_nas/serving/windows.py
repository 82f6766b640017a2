"""Long files in windows: cut with overlap, scores joined frame by frame.

The network was trained on clips of a few seconds, so a longer file passes it
in windows of that length that overlap by half (the hop is a whole number of
frames, so the frames of all windows lie on one raster). A frame's score is
the mean over the windows it lies in, weighted by how far it is from their
borders, where the network sees half of what surrounds the frame. A clip of
one window has just the network's own scores; a shorter one is filled up with
zeros if the network was trained on such.

Memory does not grow with the file. NumPy only.
"""

from collections.abc import Iterable, Iterator

import numpy as np

from audiotag_nas.config import FeatureConfig


class Windows:
    """The raster of windows for one front end and window length.

    Args:
        features: the front end.
        clip_seconds: of a window.
        pads: whether a stream shorter than a window is padded with zeros.
    """

    def __init__(
        self,
        features: FeatureConfig,
        clip_seconds: float,
        *,
        pads: bool = False,
    ) -> None:
        self._features = features
        self._pads = pads
        # Two frames at least: what is left after a hop then holds a frame.
        self.num_samples = max(
            round(clip_seconds * features.sample_rate_hz),
            features.frame_length + features.frame_step,
        )
        self.num_frames = features.num_frames(self.num_samples)
        self.hop_frames = max(1, self.num_frames // 2)
        self.hop_samples = self.hop_frames * features.frame_step

    def cut(self, blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Windows (num_samples,) of a stream of float32 (samples,) blocks.

        The last one is shorter where the stream's length demands it; a
        stream shorter than a window is one window.
        """
        waiting = np.zeros(0, np.float32)
        is_first = True
        for block in blocks:
            waiting = np.concatenate([waiting, block])
            # Only what is followed by more is not the last window.
            while len(waiting) > self.num_samples:
                yield waiting[: self.num_samples]
                is_first = False
                waiting = waiting[self.hop_samples :]
        # Less than a frame stays what it is: nothing to be tagged.
        if is_first and self._pads and self._features.num_frames(len(waiting)):
            waiting = np.pad(waiting, (0, self.num_samples - len(waiting)))
        if len(waiting):
            yield waiting


class FrameJoiner:
    """Joins the frame scores of overlapping windows."""

    def __init__(self, windows: Windows) -> None:
        self._hop = windows.hop_frames
        self._sums: np.ndarray | None = None
        self._weights = np.zeros((0, 1))
        self._clip_scores: np.ndarray | None = None

    def add(
        self, frame_scores: np.ndarray, clip_scores: np.ndarray, *, last: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """Takes the next window: scores (frames, tags) and (tags,).

        Returns:
            For the frames that no later window covers: their joined scores,
            and the highest clip score among the windows that each lies in,
            both (frames, tags).
        """
        num_frames, num_tags = frame_scores.shape
        if self._sums is None or self._clip_scores is None:
            self._sums = np.zeros((0, num_tags))
            self._clip_scores = np.zeros((0, num_tags))
        missing = max(num_frames - len(self._sums), 0)
        grow = ((0, missing), (0, 0))
        sums = np.pad(self._sums, grow)
        weights = np.pad(self._weights, grow)
        clips = np.pad(self._clip_scores, grow)
        index = np.arange(num_frames)
        weight = np.minimum(index + 1, num_frames - index)[:, None]
        sums[:num_frames] += weight * frame_scores
        weights[:num_frames] += weight
        clips[:num_frames] = np.maximum(clips[:num_frames], clip_scores)
        done = len(sums) if last else self._hop
        self._sums, self._weights = sums[done:], weights[done:]
        self._clip_scores = clips[done:]
        return sums[:done] / weights[:done], clips[:done]
