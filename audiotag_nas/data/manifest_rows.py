"""Parses and checks the rows of a manifest one by one.

docs/guide/data.md describes the columns. A row with errors is in the result
too, with all reasons for its rejection.
"""

import csv
import dataclasses
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from audiotag_nas.data.clip import Clip
from audiotag_nas.data.findings import FileError, Finding, read_lines, shown
from audiotag_nas.data.splits import SPLITS

REQUIRED_COLUMNS = ("path", "tags", "split")
COLUMNS = (*REQUIRED_COLUMNS, "fold", "segment")
TAG_SEPARATOR = ";"

AudioCheck = Callable[[Path], tuple[list[str], list[str]]]
"""Returns the reasons to reject a sound file, and notes on the file."""


@dataclasses.dataclass(frozen=True)
class ManifestRow:
    """One row, accepted or rejected.

    Attributes:
        line: the first line of the row in the manifest, counted from 1.
        path: the path as written in the manifest.
        reasons: why the row is rejected; empty for an accepted row.
        notes: remarks on an accepted row.
        clip: the clip; None for a rejected row.
    """

    line: int
    path: str
    reasons: tuple[str, ...]
    notes: tuple[str, ...] = ()
    clip: Clip | None = None

    @property
    def accepted(self) -> bool:
        return not self.reasons


def read_rows(
    manifest_path: str | os.PathLike,
    data_root: Path,
    check_audio: AudioCheck | None,
) -> list[ManifestRow]:
    """Reads and checks every row.

    Args:
        manifest_path: the CSV file.
        data_root: the resolved directory to which paths are relative.
        check_audio: checks one sound file; if None, no file is checked.

    Raises:
        FileError: the manifest can't be read, or its header is wrong.
    """
    parser = _RowParser(data_root, check_audio)
    return [
        ManifestRow(line, "", (error,)) if error else parser.parse(line, cells)
        for line, cells, error in _records(manifest_path)
    ]


def _records(
    path: str | os.PathLike,
) -> Iterator[tuple[int, dict[str, str], str]]:
    """Checks the header. Yields (line, cells by column, error) for each row."""
    # Line ends are restored, because a quoted cell may contain line ends.
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
            reason = f"must be CSV ({error})."
            if not columns:
                raise FileError(Finding(str(path), line, reason)) from None
            yield line, {}, reason
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
    repeated = [name for name in COLUMNS if columns.count(name) > 1]
    for names, rule in (
        (missing, "must have"),
        (unknown, "must not have"),
        (repeated, "must not repeat"),
    ):
        if names:
            reason = (
                f"the header {rule} {', '.join(map(repr, names))}. Columns: "
                f"{', '.join(COLUMNS)}, separated by commas; fold and segment "
                f"are optional. Received: {shown(','.join(columns))}"
            )
            raise FileError(Finding(str(path), line, reason))


class _RowParser:
    """Turns rows into clips, and rejects repeated sound files."""

    def __init__(self, data_root: Path, check_audio: AudioCheck | None):
        self._root = data_root
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
            audio_reasons, notes = self._check_audio(path)
            reasons += audio_reasons
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
        """Returns the path of the sound file, or None if `text` is rejected."""
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
            # The clip's id comes from the path as written. A path with `..`, or
            # one that enters the data root by a link, is resolved first.
            if ".." in path.parts or not path.is_relative_to(self._root):
                path = target
        except (OSError, ValueError, RuntimeError) as error:
            rule = f"must be a path ({error})."
        if not rule and target in self._line_of:
            rule = f"must not repeat the file of line {self._line_of[target]}."
        if rule:
            reasons.append(f"path: {rule} Received: {shown(text)}")
            return None
        self._line_of[target] = line
        return path


def _tags(text: str, reasons: list[str]) -> tuple[str, ...]:
    tags = tuple(tag.strip() for tag in text.split(TAG_SEPARATOR))
    # Many tools write a separator after the last tag.
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
    # pandas writes 0 as 0.0 if some cells of the column are empty.
    whole = re.fullmatch(r"([0-9]{1,9})(\.0*)?", text)
    if whole is None:
        reasons.append(
            f"fold: must be a whole number from 0. Received: {shown(text)}"
        )
        return None
    return int(whole[1])
