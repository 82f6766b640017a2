"""A user's own sound files, listed in one CSV file.

    path,tags,split,fold,segment
    kitchen/001.flac,speech;dishes,development,0,kitchen-monday
    kitchen/002.mp3,,evaluation,,

One row is one clip; docs/data.md says what each column takes. Every row is
looked at before any is refused: `check_manifest` says of each what is wrong,
`read_manifest` and `read_clips` refuse what it calls an error.
"""

import collections
import csv
import dataclasses
import hashlib
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from audiotag_nas.data.clip import NUM_FOLDS, Clip
from audiotag_nas.data.findings import (
    SPLITS,
    FileError,
    Finding,
    check_split,
    count_tags,
    read_lines,
    shared_segment_findings,
    shown,
    split_segments,
)
from audiotag_nas.errors import DataError

REQUIRED_COLUMNS = ("path", "tags", "split")
COLUMNS = (*REQUIRED_COLUMNS, "fold", "segment")
TAG_SEPARATOR = ";"

_NUM_REASONS_SHOWN = 3


@dataclasses.dataclass(frozen=True)
class ManifestRow:
    """One row, accepted or not.

    Attributes:
        line: where the row begins in the manifest, from 1.
        path: as written there.
        reasons: why it is rejected; none for an accepted row.
        notes: what is worth knowing of an accepted row.
        clip: of an accepted row.
    """

    line: int
    path: str
    reasons: tuple[str, ...]
    notes: tuple[str, ...] = ()
    clip: Clip | None = None

    @property
    def accepted(self) -> bool:
        return not self.reasons


@dataclasses.dataclass(frozen=True)
class ManifestReport:
    """What a manifest holds.

    Attributes:
        manifest_path: the manifest.
        rows: all of them, in order.
        findings: what concerns no single row, e.g. a segment in both splits.
    """

    manifest_path: str
    rows: tuple[ManifestRow, ...]
    findings: tuple[Finding, ...]

    @property
    def clips(self) -> list[Clip]:
        """Those of the accepted rows, of both splits."""
        return [row.clip for row in self.rows if row.clip is not None]

    def split_clips(self, split: str) -> list[Clip]:
        """Those of the accepted rows of one split."""
        return [clip for clip in self.clips if clip.split == split]

    @property
    def rejected(self) -> list[ManifestRow]:
        return [row for row in self.rows if not row.accepted]

    @property
    def split_counts(self) -> dict[str, int]:
        """Accepted clips of each split."""
        counts = collections.Counter(clip.split for clip in self.clips)
        return {split: counts[split] for split in SPLITS}

    @property
    def tag_counts(self) -> dict[str, dict[str, int]]:
        """Accepted clips that carry each tag, split by split."""
        return {
            split: count_tags(c for c in self.clips if c.split == split)
            for split in SPLITS
        }

    @property
    def fold_counts(self) -> dict[int, int]:
        """Accepted development clips of each fold."""
        counts = collections.Counter(
            clip.fold for clip in self.clips if clip.fold is not None
        )
        return dict(sorted(counts.items()))


AudioCheck = Callable[[Path], tuple[list[str], list[str]]]
"""Path -> the reasons to reject a file, and notes on it."""


def read_clips(
    manifest_path: str | os.PathLike,
    data_root: str | os.PathLike,
    split: str,
    *,
    strict: bool = True,
) -> list[Clip]:
    """The clips of one split, in the manifest's order.

    Args:
        manifest_path: the CSV file.
        data_root: the directory that its paths are relative to and stay in.
        split: `development` or `evaluation`.
        strict: False leaves rejected rows out instead of raising, and takes
            segments that are in both splits.

    Returns:
        Clips whose id is the path in the data root. Development clips have a
        fold, evaluation clips none.

    Raises:
        DataError: the manifest can't be read, or there is no clip of that
            split; if strict, as `read_manifest`.
    """
    check_split(split)
    read = read_manifest if strict else check_manifest
    clips = read(manifest_path, data_root).split_clips(split)
    if not clips:
        raise DataError(f"{manifest_path}: has no row of the split {split!r}.")
    return clips


def read_manifest(
    manifest_path: str | os.PathLike, data_root: str | os.PathLike
) -> ManifestReport:
    """A manifest without errors: its clips, and the notes on them.

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
            f"rows are rejected (the tool `check` lists all). "
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
    """Looks at every row.

    Args:
        manifest_path: the CSV file.
        data_root: the directory that its paths are relative to and stay in.
        check_audio: also looks into each file.

    Raises:
        DataError: no such file or directory, or a header that can't be used;
            a bad row is in the report instead.
    """
    root = Path(data_root)
    if not root.is_dir():
        raise DataError(
            f"data root: must be a directory. Received: {shown(root)}"
        )
    parser = _RowParser(root.resolve(), check_audio)
    rows = [
        ManifestRow(line, "", (problem,))
        if problem
        else parser.parse(line, cells)
        for line, cells, problem in _records(manifest_path)
    ]
    if not rows:
        reason = "must have at least one row."
        raise FileError(Finding(str(manifest_path), None, reason))
    rows = _with_folds(rows)
    findings = _across_rows(str(manifest_path), rows)
    return ManifestReport(str(manifest_path), tuple(rows), tuple(findings))


def _records(
    path: str | os.PathLike,
) -> Iterator[tuple[int, dict[str, str], str]]:
    """(line, cells by column, problem) of each row; checks the header."""
    # A quoted cell may span lines, so the reader gets the line ends.
    lines = [f"{text}\n" for text in read_lines(path)]
    reader = csv.reader(lines, strict=True)
    columns: list[str] = []
    while True:
        line = reader.line_num + 1
        try:
            cells = [cell.strip() for cell in next(reader)]
        except StopIteration:
            break
        except csv.Error as error:
            if not columns:
                raise FileError(
                    Finding(str(path), line, f"must be CSV ({error}).")
                ) from None
            yield line, {}, f"must be CSV ({error})."
            continue
        if not any(cells):
            continue
        if not columns:
            columns = cells
            _check_header(path, line, columns)
        elif len(cells) != len(columns):
            yield (
                line,
                {},
                f"must have {len(columns)} cells like the header. "
                f"Received: {len(cells)}",
            )
        else:
            yield line, dict(zip(columns, cells, strict=True)), ""
    if not columns:
        reason = f"must begin with the header {','.join(COLUMNS)}."
        raise FileError(Finding(str(path), 1, reason))


def _check_header(
    path: str | os.PathLike, line: int, columns: list[str]
) -> None:
    unknown = [name for name in columns if name not in COLUMNS]
    missing = [name for name in REQUIRED_COLUMNS if name not in columns]
    twice = [name for name in COLUMNS if columns.count(name) > 1]
    for names, problem in (
        (missing, "must have"),
        (unknown, "must not have"),
        (twice, "must not have twice"),
    ):
        if names:
            reason = (
                f"the header {problem} {', '.join(map(repr, names))}. Columns: "
                f"{', '.join(COLUMNS)}, separated by commas; fold and segment "
                f"may be left out. Received: {shown(','.join(columns))}"
            )
            raise FileError(Finding(str(path), line, reason))


class _RowParser:
    """Turns rows into clips, remembering which files have been listed."""

    def __init__(self, root: Path, check_audio: AudioCheck | None):
        self._root = root
        self._check_audio = check_audio
        self._line_of: dict[Path, int] = {}

    def parse(self, line: int, cells: dict[str, str]) -> ManifestRow:
        reasons: list[str] = []
        notes: list[str] = []
        tags = _tags(cells["tags"], reasons)
        split = cells["split"]
        if split not in SPLITS:
            reasons.append(
                f"split: must be {' or '.join(SPLITS)}. "
                f"Received: {shown(split)}"
            )
        fold = _fold(cells.get("fold", ""), reasons)
        path = self._path(line, cells["path"], reasons)
        if path is not None and self._check_audio is not None:
            bad, notes = self._check_audio(path)
            reasons += bad
        if reasons or path is None:
            return ManifestRow(line, cells["path"], tuple(reasons))
        clip_id = path.relative_to(self._root).as_posix()
        clip = Clip(
            clip_id=clip_id,
            segment_id=cells.get("segment") or clip_id,
            tags=tags,
            split=split,
            fold=fold if split == "development" else None,
            path=path,
        )
        return ManifestRow(line, cells["path"], (), tuple(notes), clip)

    def _path(self, line: int, text: str, reasons: list[str]) -> Path | None:
        """The file; None if it is refused."""
        rule = ""
        try:
            path = self._root / text
            target = path.resolve()
            if not text:
                rule = "must name a file."
            elif not target.is_relative_to(self._root):
                rule = "must stay inside the data root."
            elif not target.is_file():
                rule = "must be a file that exists."
            # The clip keeps the name that was written, where it is plain.
            if ".." in path.parts or not path.is_relative_to(self._root):
                path = target
        except (OSError, ValueError, RuntimeError) as error:
            rule = f"must be a path ({error})."
        if not rule and target in self._line_of:
            rule = f"is the file of line {self._line_of[target]} already."
        if rule:
            reasons.append(f"path: {rule} Received: {shown(text)}")
            return None
        self._line_of[target] = line
        return path


def _tags(text: str, reasons: list[str]) -> tuple[str, ...]:
    tags = tuple(tag.strip() for tag in text.split(TAG_SEPARATOR))
    # A separator at the end is a habit of many tools.
    if tags[-1] == "":
        tags = tags[:-1]
    if not all(tag and tag.isprintable() for tag in tags):
        reasons.append(
            "tags: must be printable names separated by "
            f"{TAG_SEPARATOR!r}. Received: {shown(text)}"
        )
    return tuple(dict.fromkeys(tags))


def _fold(text: str, reasons: list[str]) -> int | None:
    if not text:
        return None
    # pandas writes whole numbers as 0.0 where some rows of a column are empty.
    whole = re.fullmatch(r"([0-9]{1,9})(\.0*)?", text)
    if whole is None:
        reasons.append(
            f"fold: must be a whole number from 0. Received: {shown(text)}"
        )
        return None
    return int(whole[1])


def assigned_fold(segment: str) -> int:
    """The fold of a segment for which the manifest names none.

    A hash of the segment's name alone, so that segments stay whole and
    nobody's fold changes when rows are added.
    """
    digest = hashlib.sha256(segment.encode()).digest()
    return int.from_bytes(digest[:8], "big") % NUM_FOLDS


def _with_folds(rows: list[ManifestRow]) -> list[ManifestRow]:
    """Gives every development clip a fold: its segment's, else assigned."""
    known: dict[str, int] = {}
    for row in rows:
        if row.clip is not None and row.clip.fold is not None:
            known.setdefault(row.clip.segment_id, row.clip.fold)
    result = []
    for row in rows:
        clip = row.clip
        if (
            clip is not None
            and clip.split == "development"
            and clip.fold is None
        ):
            fold = known.get(clip.segment_id)
            if fold is None:
                fold = assigned_fold(clip.segment_id)
            clip = dataclasses.replace(clip, fold=fold)
            row = dataclasses.replace(row, clip=clip)
        result.append(row)
    return result


def _across_rows(path: str, rows: list[ManifestRow]) -> list[Finding]:
    """What shows only when rows are held against one another."""
    clips = [row.clip for row in rows if row.clip is not None]
    line_of = {row.clip.clip_id: row.line for row in rows if row.clip}
    findings = list(
        shared_segment_findings(
            clips, lambda clip: (path, line_of[clip.clip_id])
        )
    )
    for segment, folds in split_segments(clips).items():
        reason = (
            f"the segment {shown(segment)} lies in the folds "
            f"{', '.join(map(str, folds))}; validation will be flattered."
        )
        findings.append(Finding(path, None, reason, is_error=False))
    return findings
