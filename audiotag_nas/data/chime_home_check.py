"""Checks all files of a CHiME-Home directory.

The reader (`chime_home`) stops at the first error. The check collects all
errors, and adds notes, e.g. on majority votes that contradict the annotators,
on segments with clips in several folds, and on unusual sound files.
"""

import dataclasses
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from audiotag_nas.data.audio import inspect_audio
from audiotag_nas.data.chime_home import (
    CHUNK_FRAMES,
    LABELS,
    SILENCE,
    UNIDENTIFIABLE,
    ChunkAnnotation,
    ListRow,
    annotation_path,
    audio_path,
    find_root,
    list_name,
    make_clip,
    read_list,
    read_listed_chunk,
    with_listed_folds,
)
from audiotag_nas.data.clip import Clip
from audiotag_nas.data.findings import FileError, Finding, Report
from audiotag_nas.data.splits import (
    SPLITS,
    segments_in_several_folds,
    shared_segment_findings,
)
from audiotag_nas.errors import DataError

Progress = Callable[[int, int], None]
"""Called with (number of checked chunks, number of all chunks)."""


@dataclasses.dataclass(frozen=True)
class ChimeHomeReport:
    """The content of a CHiME-Home directory, with errors and notes.

    Attributes:
        root: the directory of the lists.
        clips: maps the name of each list (`development_chunks_raw.csv`, ...)
            to the listed clips whose annotations could be read.
        findings: all errors and notes.
        num_audio_files: the number of sound files without errors.
    """

    root: Path
    clips: dict[str, list[Clip]]
    findings: tuple[Finding, ...]
    num_audio_files: int

    @property
    def errors(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.is_error]


def majority_vote(annotation: ChunkAnnotation) -> set[str]:
    """Returns the labels that at least two of the three annotators gave."""
    return {
        label
        for label in LABELS
        if sum(label in votes for votes in annotation.annotations) >= 2
    }


def is_refined(annotation: ChunkAnnotation) -> bool:
    """Returns False if any label except `U` has exactly one vote, else True."""
    return not any(
        sum(label in votes for votes in annotation.annotations) == 1
        for label in LABELS
        if label != UNIDENTIFIABLE
    )


def check_dataset(
    dataset_dir: str | os.PathLike,
    *,
    sample_rate_hz: int = 16_000,
    min_clip_seconds: float = 0.0,
    check_audio: bool = True,
    progress: Progress | None = None,
) -> ChimeHomeReport:
    """Checks every list, every annotation and every sound file.

    If the directory has no sound files at all, only lists and annotations are
    checked.

    Args:
        dataset_dir: the unpacked `chime_home` directory, or its parent.
        sample_rate_hz: selects the 16000 or 48000 Hz sound files.
        min_clip_seconds: a shorter sound file is an error.
        check_audio: False checks only lists and annotations.
        progress: called after every 500 chunks.

    Raises:
        DataError: `dataset_dir` is no CHiME-Home directory.
    """
    root = find_root(dataset_dir)
    findings: list[Finding] = []
    lists = _check_lists(root, findings.append)
    suffix = f".{sample_rate_hz // 1000}kHz.wav"
    has_audio = check_audio and any((root / "chunks").glob(f"*{suffix}"))
    if check_audio and not has_audio:
        reason = f"has no *{suffix}; only lists and annotations are checked."
        findings.append(
            Finding(str(root / "chunks"), None, reason, is_error=False)
        )
    # Chunks of refined lists are in raw lists too; each is checked once.
    first_rows: dict[str, tuple[str, ListRow]] = {}
    for name, rows in lists.items():
        for row in rows:
            first_rows.setdefault(row.chunk, (name, row))
    annotations: dict[str, ChunkAnnotation] = {}
    num_audio_files = 0
    for done, (chunk, (name, row)) in enumerate(first_rows.items(), start=1):
        annotation = _check_annotation(root, name, row, findings.append)
        if annotation is not None:
            annotations[chunk] = annotation
        if has_audio:
            path = audio_path(root, chunk, sample_rate_hz)
            found = list(_check_audio(path, sample_rate_hz, min_clip_seconds))
            findings += found
            num_audio_files += not any(f.is_error for f in found)
        if progress is not None and done % 500 == 0:
            progress(done, len(first_rows))
    clips = {
        name: [
            make_clip(
                *(root, name.partition("_")[0], row, annotations[row.chunk]),
                sample_rate_hz=sample_rate_hz,
            )
            for row in rows
            if row.chunk in annotations
        ]
        for name, rows in lists.items()
    }
    findings += _findings_across_lists(root, lists, clips, annotations)
    return ChimeHomeReport(root, clips, tuple(findings), num_audio_files)


def _check_lists(root: Path, report: Report) -> dict[str, list[ListRow]]:
    """Reads the four lists, and adds folds to the refined development list."""
    lists: dict[str, list[ListRow]] = {}
    for split in SPLITS:
        for raw in (True, False):
            name = list_name(split, raw=raw)
            try:
                lists[name] = read_list(root / name, report=report)
            except FileError as error:
                report(error.finding)
                lists[name] = []
    name = list_name("development", raw=False)
    try:
        lists[name] = with_listed_folds(root, lists[name], report=report)
    except FileError as error:
        report(error.finding)
    return lists


def _check_annotation(
    root: Path, list_file: str, row: ListRow, report: Report
) -> ChunkAnnotation | None:
    """Returns the annotation of a chunk, or None if it can't be read."""
    try:
        annotation = read_listed_chunk(root, root / list_file, row)
    except FileError as error:
        report(error.finding)
        return None
    path = annotation_path(root, row.chunk)
    for reason in _annotation_notes(annotation):
        report(Finding(str(path), None, reason, is_error=False))
    return annotation


def _annotation_notes(annotation: ChunkAnnotation) -> Iterator[str]:
    """Yields notes on values that `read_chunk` accepts but that look wrong."""
    vote, expected = set(annotation.majorityvote), majority_vote(annotation)
    if vote != expected:
        yield (
            f"majorityvote must have the labels of at least two annotators, "
            f"{''.join(sorted(expected))!r} for {annotation.annotations}. "
            f"Received: {annotation.majorityvote!r}"
        )
    for number, votes in enumerate(annotation.annotations, start=1):
        if not set(votes) <= set(LABELS):
            yield (
                f"annotation_a{number} must be letters of "
                f"{''.join(LABELS)}. Received: {votes!r}"
            )
    if SILENCE in vote and len(vote) > 1:
        yield (
            f"{SILENCE} (silence) must not be combined with other labels. "
            f"Received: {annotation.majorityvote!r}"
        )
    if annotation.framestart != annotation.chunknumber * CHUNK_FRAMES:
        yield (
            f"framestart must be chunknumber x {CHUNK_FRAMES}. "
            f"Received: {annotation.framestart}"
        )


def _check_audio(
    path: Path, sample_rate_hz: int, min_clip_seconds: float
) -> Iterator[Finding]:
    try:
        summary = inspect_audio(path)
    except DataError as error:
        reason = str(error).removeprefix(f"{path}: ")
        yield Finding(str(path), None, reason)
        return
    for note in summary.notes:
        reason = note.removeprefix(f"{path}: ")
        yield Finding(str(path), None, reason, is_error=False)
    if summary.sample_rate_hz != sample_rate_hz:
        # This is a note, not an error, because every reader resamples.
        reason = (
            f"the sample rate must be {sample_rate_hz} Hz, as in the file's "
            f"name. Received: {summary.sample_rate_hz}"
        )
        yield Finding(str(path), None, reason, is_error=False)
    if summary.seconds < min_clip_seconds:
        reason = (
            f"must be at least {min_clip_seconds} s long. "
            f"Received: {summary.seconds:.3f}"
        )
        yield Finding(str(path), None, reason)


def _findings_across_lists(
    root: Path,
    lists: dict[str, list[ListRow]],
    clips: dict[str, list[Clip]],
    annotations: dict[str, ChunkAnnotation],
) -> Iterator[Finding]:
    """Yields the findings that concern several lists or chunks."""
    every_clip = [clip for members in clips.values() for clip in members]
    location = {
        (name.partition("_")[0], row.chunk): (str(root / name), row.line)
        for name, rows in lists.items()
        for row in rows
    }
    yield from shared_segment_findings(
        every_clip, lambda clip: location[clip.split, clip.clip_id]
    )
    for split in SPLITS:
        raw, refined = (list_name(split, raw=raw) for raw in (True, False))
        known = {row.chunk for row in lists[raw]}
        for row in lists[refined]:
            if lists[raw] and row.chunk not in known:
                reason = f"the chunk must be in {raw} too. Received: "
                yield Finding(
                    str(root / refined), row.line, f"{reason}{row.chunk!r}"
                )
            annotation = annotations.get(row.chunk)
            if annotation is not None and not is_refined(annotation):
                reason = (
                    "a refined chunk must have no label that only one "
                    f"annotator gave. Received: {row.chunk!r}"
                )
                yield Finding(
                    str(root / refined), row.line, reason, is_error=False
                )
    for segment, folds in segments_in_several_folds(every_clip).items():
        reason = (
            f"the segment {segment!r} lies in the folds "
            f"{', '.join(map(str, folds))}; they are used as listed."
        )
        path = str(root / list_name("development", raw=False))
        yield Finding(path, None, reason, is_error=False)
