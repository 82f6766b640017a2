"""The start of a sound, kept for a picture of it."""

import dataclasses

import numpy as np

OPENING_SECONDS = 60.0
"""How much of a file is kept."""


@dataclasses.dataclass(frozen=True)
class Opening:
    """The start of a sound, as the network saw and scored it.

    Attributes:
        log_mel: (frames, mels).
        frame_scores: (frames, tags).
    """

    log_mel: np.ndarray
    frame_scores: np.ndarray


class OpeningKeeper:
    """Keeps the first frames of a stream; none where `num_frames` is 0."""

    def __init__(self, num_frames: int) -> None:
        self._missing = num_frames
        self._log_mels: list[np.ndarray] = []
        self._scores: list[np.ndarray] = []

    @property
    def is_open(self) -> bool:
        return self._missing > 0

    def add(self, log_mel: np.ndarray, frame_scores: np.ndarray) -> None:
        """`log_mel` starts at the same frame and may be longer."""
        keep = min(len(frame_scores), self._missing)
        self._log_mels.append(log_mel[:keep])
        self._scores.append(frame_scores[:keep])
        self._missing -= keep

    def get(self) -> Opening | None:
        """What was kept; None for no frames."""
        if not self._log_mels:
            return None
        return Opening(
            np.concatenate(self._log_mels), np.concatenate(self._scores)
        )
