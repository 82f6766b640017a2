"""Scores trained networks on the evaluation split, which nothing has seen.

Also writes the scores in the challenge's format, so that any tool, ours
(`score`) or another, can compute the same numbers again.
"""

import csv
import dataclasses
import io
from pathlib import Path

import keras
import numpy as np

from audiotag_nas import metrics
from audiotag_nas.config import ExperimentConfig
from audiotag_nas.data import pipeline
from audiotag_nas.data.prepared import PreparedSet
from audiotag_nas.files import atomic_write_text
from audiotag_nas.metrics import PairedDifference, TagReport
from audiotag_nas.training import trainer

_BATCH_SIZE = 32


@dataclasses.dataclass(frozen=True)
class ScoredSplit:
    """A network's scores of the clips of one split.

    Attributes:
        clip_ids: the clips, in order.
        segments: the recording of each clip.
        labels: (clips, tags), 0 or 1.
        scores: (clips, tags).
    """

    clip_ids: tuple[str, ...]
    segments: tuple[str, ...]
    labels: np.ndarray
    scores: np.ndarray

    def reordered(self, clip_ids: tuple[str, ...]) -> "ScoredSplit":
        """The same clips in another order, for a comparison in pairs."""
        place = {clip_id: i for i, clip_id in enumerate(self.clip_ids)}
        index = [place[clip_id] for clip_id in clip_ids]
        return ScoredSplit(
            clip_ids=clip_ids,
            segments=tuple(self.segments[i] for i in index),
            labels=self.labels[index],
            scores=self.scores[index],
        )


def score_split(
    model: keras.Model,
    prepared: PreparedSet,
    *,
    tags: tuple[str, ...],
    folds: tuple[int, ...] | None = None,
) -> ScoredSplit:
    """Scores the clips of `prepared` (of some folds, or all)."""
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
    """The metrics of one system, with intervals over segments."""
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
    """Found minus baseline, on the same clips."""
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


def write_scores(
    scored: ScoredSplit, tags: tuple[str, ...], scores_path: Path
) -> None:
    """Writes `filename,label,score` rows, as the challenge has them."""
    rows = [
        (f"{clip_id}.wav", tag, f"{score:.9g}")
        for clip_id, row in zip(scored.clip_ids, scored.scores, strict=True)
        for tag, score in zip(tags, row, strict=True)
    ]
    atomic_write_text(scores_path, _csv(rows))


def write_labels(
    scored: ScoredSplit, tags: tuple[str, ...], labels_path: Path
) -> None:
    """Writes `filename,tags` rows; tags of several letters are joined by ;"""
    joint = "" if all(len(tag) == 1 for tag in tags) else ";"
    rows = [
        (
            f"{clip_id}.wav",
            joint.join(tag for tag, on in zip(tags, row, strict=True) if on),
        )
        for clip_id, row in zip(scored.clip_ids, scored.labels, strict=True)
    ]
    atomic_write_text(labels_path, _csv(rows))


def _csv(rows: list[tuple]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue()
