"""Cuts a stream into overlapping windows, and joins their frame scores.

The network was trained on clips of a few seconds. A longer sound is cut into
windows of that length, which overlap by half. The distance between neighboring
windows is a whole number of frames, so overlapping windows have frames in
common. The score of a frame is the weighted mean over the windows that hold the
frame. The weight is the frame's distance from the nearer border of the window,
because the network lacks context there.

The memory in use does not depend on the length of the stream.
"""

from collections.abc import Iterable, Iterator

import numpy as np

from audiotag_nas.config import FeatureConfig


class Windows:
    """The windows of a stream.

    Args:
        features: the front end of the model.
        clip_seconds: length of a window.
        pads: whether a stream shorter than a window is padded with zeros, as
            the short clips were in training.
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
        # A window has two or more frames, so that a hop never drops all frames.
        self.num_samples = max(
            round(clip_seconds * features.sample_rate_hz),
            features.frame_length + features.frame_step,
        )
        self.num_frames = features.num_frames(self.num_samples)
        self.hop_frames = max(1, self.num_frames // 2)
        self.hop_samples = self.hop_frames * features.frame_step

    def cut(self, blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Cuts float32 blocks (samples,) into windows (num_samples,).

        The last window may be shorter. A stream that is shorter than a window
        gives one window.
        """
        pending = np.zeros(0, np.float32)
        is_first = True
        for block in blocks:
            pending = np.concatenate([pending, block])
            # A window that no sample follows is the last window.
            while len(pending) > self.num_samples:
                yield pending[: self.num_samples]
                is_first = False
                pending = pending[self.hop_samples :]
        # A stream shorter than a frame is not padded, because it is an error.
        if is_first and self._pads and self._features.num_frames(len(pending)):
            pending = np.pad(pending, (0, self.num_samples - len(pending)))
        if len(pending):
            yield pending


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
        """Adds the scores of the next window, (frames, tags) and (tags,).

        Returns:
            Two arrays (frames, tags) for the frames that no later window holds.
            They have the joined frame scores and, for each frame, the highest
            clip score of the windows that hold the frame.
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
