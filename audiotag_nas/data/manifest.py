"""Reads the list of a user's own sound files from a CSV file (the manifest).

    path,tags,split,fold,segment
    kitchen/001.flac,speech;dishes,development,0,kitchen-monday
    kitchen/002.mp3,,evaluation,,

Each row is one clip. docs/guide/data.md describes the columns. `check_manifest`
reports the errors of all rows; `read_valid_manifest` and `read_clips` raise
a DataError instead.
"""

import dataclasses
import os
from pathlib import Path

from audiotag_nas.data.clip import Clip
from audiotag_nas.data.findings import FileError, Finding, shown
from audiotag_nas.data.manifest_rows import AudioCheck, ManifestRow, read_rows
from audiotag_nas.data.splits import (
    check_split,
    segments_in_several_folds,
    shared_segment_findings,
    with_folds,
)
from audiotag_nas.errors import DataError

_NUM_REASONS_SHOWN = 3


@dataclasses.dataclass(frozen=True)
class ManifestReport:
    """The content of a manifest, and its errors.

    Attributes:
        manifest_path: the manifest.
        rows: all rows, in order.
        findings: errors and notes that concern several rows, e.g. a segment
            in both splits.
    """

    manifest_path: str
    rows: tuple[ManifestRow, ...]
    findings: tuple[Finding, ...]

    @property
    def clips(self) -> list[Clip]:
        """The clips of the accepted rows in both splits."""
        return [row.clip for row in self.rows if row.clip is not None]

    def split_clips(self, split: str) -> list[Clip]:
        """The clips of the accepted rows of one split."""
        return [clip for clip in self.clips if clip.split == split]

    @property
    def rejected(self) -> list[ManifestRow]:
        return [row for row in self.rows if not row.accepted]


def read_clips(
    manifest_path: str | os.PathLike,
    data_root: str | os.PathLike,
    split: str,
    *,
    strict: bool = True,
) -> list[Clip]:
    """Reads the clips of one split, in the manifest's order.

    Args:
        manifest_path: the CSV file.
        data_root: the directory that contains the sound files; paths in the
            manifest are relative to this directory.
        split: `development` or `evaluation`.
        strict: False skips rejected rows instead of raising an error, and
            accepts segments that are in both splits.

    Returns:
        The clips. The id of a clip is its sound file's path in the data root.
        Each development clip has a fold; evaluation clips have none.

    Raises:
        DataError: the manifest can't be read, has no clip of the split or, if
            `strict`, has an error.

    Example:
        >>> import numpy as np
        >>> from audiotag_nas.data.audio import write_wav
        >>> write_wav("yard.wav", np.zeros(8000), sample_rate_hz=8000)
        >>> with open("clips.csv", "w") as file:
        ...     print("path,tags,split", file=file)
        ...     print("yard.wav,dog;rain,development", file=file)
        >>> [clip] = read_clips("clips.csv", ".", "development")
        >>> clip.clip_id, clip.tags, clip.fold
        ('yard.wav', ('dog', 'rain'), 0)
    """
    check_split(split)
    read = read_valid_manifest if strict else check_manifest
    clips = read(manifest_path, data_root).split_clips(split)
    if not clips:
        raise DataError(f"{manifest_path}: has no row of the split {split!r}.")
    return clips


def read_valid_manifest(
    manifest_path: str | os.PathLike, data_root: str | os.PathLike
) -> ManifestReport:
    """Reads a manifest, which must be free of errors.

    Raises:
        DataError: the manifest can't be read, a row is rejected, or a segment
            has clips in both splits.
    """
    report = check_manifest(manifest_path, data_root)
    if report.rejected:
        reasons = [
            f"line {row.line}: {' '.join(row.reasons)}"
            for row in report.rejected[:_NUM_REASONS_SHOWN]
        ]
        raise DataError(
            f"{manifest_path}: {len(report.rejected)} of {len(report.rows)} "
            f"rows are rejected (the command `check` lists them). "
            f"{' '.join(reasons)}"
        )
    for finding in report.findings:
        if finding.is_error:
            raise FileError(finding)
    return report


def check_manifest(
    manifest_path: str | os.PathLike,
    data_root: str | os.PathLike,
    *,
    check_audio: AudioCheck | None = None,
) -> ManifestReport:
    """Reads a manifest and reports every error.

    Args:
        manifest_path: the CSV file.
        data_root: the directory that contains the sound files.
        check_audio: checks one sound file; if None, no file is checked.

    Raises:
        DataError: the manifest or `data_root` is missing, or the header is
            wrong. A rejected row raises no error, but is in the report.
    """
    root = Path(data_root)
    if not root.is_dir():
        raise DataError(
            f"data root: must be a directory. Received: {shown(root)}"
        )
    rows = read_rows(manifest_path, root.resolve(), check_audio)
    if not rows:
        reason = "must have at least one row."
        raise FileError(Finding(str(manifest_path), None, reason))
    clips = iter(with_folds(row.clip for row in rows if row.clip is not None))
    rows = [
        row if row.clip is None else dataclasses.replace(row, clip=next(clips))
        for row in rows
    ]
    findings = _findings_across_rows(str(manifest_path), rows)
    return ManifestReport(str(manifest_path), tuple(rows), tuple(findings))


def _findings_across_rows(path: str, rows: list[ManifestRow]) -> list[Finding]:
    clips = [row.clip for row in rows if row.clip is not None]
    line_of = {row.clip.clip_id: row.line for row in rows if row.clip}
    findings = list(
        shared_segment_findings(
            clips, lambda clip: (path, line_of[clip.clip_id])
        )
    )
    for segment, folds in segments_in_several_folds(clips).items():
        reason = (
            f"the segment {shown(segment)} lies in the folds "
            f"{', '.join(map(str, folds))}; validation results will be "
            "optimistic."
        )
        findings.append(Finding(path, None, reason, is_error=False))
    return findings
