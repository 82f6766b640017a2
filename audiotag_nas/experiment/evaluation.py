"""Scores trained networks and compares two of them on the same clips."""

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from audiotag_nas import metrics
from audiotag_nas.config import ExperimentConfig
from audiotag_nas.data.stored_features import PreparedSet
from audiotag_nas.metrics import PairedDifference, TagReport, file_names

if TYPE_CHECKING:
    import keras

_BATCH_SIZE = 32


@dataclasses.dataclass(frozen=True)
class ScoredSplit:
    """The scores that a network gives to the clips of one split.

    Attributes:
        clip_ids: the id of each clip.
        segments: the segment of each clip.
        labels: array (clips, tags) of 0 and 1.
        scores: array (clips, tags).
    """

    clip_ids: tuple[str, ...]
    segments: tuple[str, ...]
    labels: np.ndarray
    scores: np.ndarray

    @property
    def filenames(self) -> list[str]:
        """The file names of the clips, as in score files of DCASE 2016.

        Clip ids of CHiME-Home lack the extension. Other clip ids include it.
        """
        return [
            clip_id
            if file_names.without_ending(clip_id) != clip_id
            else f"{clip_id}.wav"
            for clip_id in self.clip_ids
        ]

    def reordered(self, clip_ids: tuple[str, ...]) -> "ScoredSplit":
        """Returns the scores in the order of `clip_ids`."""
        place = {clip_id: i for i, clip_id in enumerate(self.clip_ids)}
        index = [place[clip_id] for clip_id in clip_ids]
        return ScoredSplit(
            clip_ids=clip_ids,
            segments=tuple(self.segments[i] for i in index),
            labels=self.labels[index],
            scores=self.scores[index],
        )


def score_split(
    model: "keras.Model",
    prepared: PreparedSet,
    *,
    tags: tuple[str, ...],
    folds: tuple[int, ...] | None = None,
) -> ScoredSplit:
    """Scores all clips of `prepared`, or only the clips in `folds`."""
    from audiotag_nas.data import pipeline
    from audiotag_nas.training import trainer

    clips = prepared.select(folds)
    data = pipeline.make_evaluation_dataset(
        prepared, tags=tags, folds=folds, batch_size=_BATCH_SIZE
    )
    return ScoredSplit(
        clip_ids=tuple(clip.clip_id for clip in clips),
        segments=tuple(clip.segment_id for clip in clips),
        labels=prepared.labels(tags, folds=folds),
        scores=trainer.predict(model, data, num_clips=len(clips)),
    )


def evaluate(
    scored: ScoredSplit,
    config: ExperimentConfig,
    *,
    thresholds: np.ndarray | None = None,
) -> TagReport:
    """Returns the metrics, with intervals from a bootstrap over segments."""
    return metrics.evaluate_tags(
        scored.labels,
        scored.scores,
        config.data.tags,
        segments=scored.segments,
        thresholds=thresholds,
        num_bootstrap=config.final.bootstrap_samples,
        seed=config.seed,
    )


def compare(
    baseline: ScoredSplit, found: ScoredSplit, config: ExperimentConfig
) -> PairedDifference:
    """Returns the paired difference of the mean EERs, found minus baseline."""
    found = found.reordered(baseline.clip_ids)
    return metrics.paired_difference(
        baseline.labels,
        baseline.scores,
        found.scores,
        config.data.tags,
        segments=baseline.segments,
        num_bootstrap=config.final.bootstrap_samples,
        seed=config.seed,
    )
