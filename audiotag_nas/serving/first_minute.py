"""The first minute of a sound, from which a picture is drawn."""

import dataclasses

import numpy as np

from audiotag_nas.config import FeatureConfig

FIRST_MINUTE_SECONDS = 60.0


@dataclasses.dataclass(frozen=True)
class FirstMinute:
    """The network's input and output for the start of a sound.

    Attributes:
        log_mel: the network's input, (frames, mel bins).
        frame_scores: the score of each tag in each frame, (frames, tags).
    """

    log_mel: np.ndarray
    frame_scores: np.ndarray


class FirstMinuteKeeper:
    """Keeps the frames of the first minute of a stream."""

    def __init__(self, features: FeatureConfig) -> None:
        rate = features.sample_rate_hz
        self._num_missing = max(
            1, round(FIRST_MINUTE_SECONDS * rate / features.frame_step)
        )
        self._log_mels: list[np.ndarray] = []
        self._scores: list[np.ndarray] = []

    @property
    def is_complete(self) -> bool:
        return self._num_missing == 0

    def add(self, log_mel: np.ndarray, frame_scores: np.ndarray) -> None:
        """Adds the next frames. Log-mel frames without scores are dropped."""
        num_kept = min(len(frame_scores), self._num_missing)
        self._log_mels.append(log_mel[:num_kept])
        self._scores.append(frame_scores[:num_kept])
        self._num_missing -= num_kept

    def get(self) -> FirstMinute:
        """Returns the kept frames, after at least one call of `add`."""
        return FirstMinute(
            np.concatenate(self._log_mels), np.concatenate(self._scores)
        )
