"""The CHiME-Home data set (Foster et al. 2015) as DCASE 2016 task 4 uses it.

The tree is read as unpacked, see docs/data.md. A chunk of 4 s is a clip, the
5-minute recording that it was cut from is its segment. Only the annotations
are read here; whether the audio is there shows when it is opened, or in
`chime_home_check`.

`read_chunk` and `write_chunk`, `read_list` and `write_list` are inverses, so
that made-up data sets can be written in the very same layout.
"""

import csv
import dataclasses
import functools
import io
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from audiotag_nas.config import CHIME_HOME_TAGS
from audiotag_nas.data.clip import Clip
from audiotag_nas.data.findings import (
    Finding,
    Report,
    raise_first,
    read_lines,
    shown,
)
from audiotag_nas.data.splits import NUM_FOLDS, check_split
from audiotag_nas.errors import DataError
from audiotag_nas.files import atomic_write_text

TAGS = CHIME_HOME_TAGS
"""The scored tags, in the challenge's order."""
SILENCE = "S"
UNIDENTIFIABLE = "U"
LABELS = (*TAGS, SILENCE, UNIDENTIFIABLE)
"""All that an annotator can say of a chunk."""

CHUNK_FRAMES = 192_000
"""Samples of a chunk at 48 kHz, the unit of `framestart`."""
RATES_HZ = (16_000, 48_000)

FOLDS_LIST = "development_chunks_refined_crossval_dcase2016.csv"

# As written by tools that keep every number as a float, too.
_WHOLE_NUMBER = re.compile(r"([0-9]{1,15})(?:\.0*)?")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]*)?")


@dataclasses.dataclass(frozen=True)
class ChunkAnnotation:
    """The 11 fields of a chunk's file, named and ordered as there.

    Attributes:
        segmentname: the recording.
        chunknumber: of the chunk in it, from 0.
        framestart: its first sample in the recording, at 48 kHz.
        annotation_a1: the labels of the first annotator, e.g. `cvo`; may be
            empty.
        session_a1: that annotator's session, None where it is not given.
        annotation_a2: of the second.
        session_a2: of the second.
        annotation_a3: of the third.
        session_a3: of the third.
        majorityvote: the labels that two or three of them gave; may be empty.
        chunkname: the chunk, `<segmentname>_chunk<chunknumber>`.
    """

    segmentname: str
    chunknumber: int
    framestart: int
    annotation_a1: str
    session_a1: float | None
    annotation_a2: str
    session_a2: float | None
    annotation_a3: str
    session_a3: float | None
    majorityvote: str
    chunkname: str

    @property
    def annotations(self) -> tuple[str, str, str]:
        return self.annotation_a1, self.annotation_a2, self.annotation_a3


FIELDS = tuple(field.name for field in dataclasses.fields(ChunkAnnotation))


@dataclasses.dataclass(frozen=True)
class ListRow:
    """One line of a list of chunks; `fold` only where the list has folds."""

    line: int
    index: int
    chunk: str
    fold: int | None


def read_clips(
    dataset_dir: str | os.PathLike,
    split: str,
    *,
    raw: bool = False,
    sample_rate_hz: int = 16_000,
) -> list[Clip]:
    """The clips of one split, in the order of its list.

    Args:
        dataset_dir: the unpacked `chime_home` directory, or its parent.
        split: `development` or `evaluation`.
        raw: all annotated chunks, not only the refined ones on which the
            annotators agree.
        sample_rate_hz: which of the two audio files, 16000 or 48000.

    Returns:
        Clips with the letters of the majority vote as tags, `S` and `U`
        included, and the challenge's folds for the refined development list.

    Raises:
        DataError: a file is missing or malformed, naming it and the line.
    """
    check_split(split)
    if sample_rate_hz not in RATES_HZ:
        raise DataError(
            f"sample_rate_hz: CHiME-Home has {' and '.join(map(str, RATES_HZ))}"
            f" Hz. Received: {sample_rate_hz}"
        )
    root = find_root(dataset_dir)
    rows_path = root / list_name(split, raw=raw)
    rows = read_list(rows_path)
    folds: dict[str, int | None] = {}
    if split == "development" and not raw:
        folds = read_folds(root, rows)
    clips = []
    for row in rows:
        annotation = read_listed_chunk(root, rows_path, row)
        clips.append(
            Clip(
                clip_id=row.chunk,
                segment_id=annotation.segmentname,
                tags=tuple(dict.fromkeys(annotation.majorityvote)),
                split=split,
                fold=folds.get(row.chunk),
                path=audio_path(root, row.chunk, sample_rate_hz),
            )
        )
    return clips


def find_root(dataset_dir: str | os.PathLike) -> Path:
    """The directory that holds the lists: the one given or `chime_home` in it.

    Raises:
        DataError: neither holds `chunks` or a list.
    """
    given = Path(dataset_dir)
    for root in (given, given / "chime_home"):
        if (root / "chunks").is_dir() or any(root.glob("*_chunks_*.csv")):
            return root
    if not given.exists():
        raise DataError(f"{given}: no such directory.")
    raise DataError(
        f"{given}: must be the unpacked chime_home directory (chunks/ and "
        f"lists such as {list_name('development', raw=False)}) or its parent. "
        f"Received: {'one without them' if given.is_dir() else 'a file'}"
    )


def list_name(split: str, *, raw: bool) -> str:
    return f"{split}_chunks_{'raw' if raw else 'refined'}.csv"


def annotation_path(root: Path, chunk: str) -> Path:
    return root / "chunks" / f"{chunk}.csv"


def audio_path(root: Path, chunk: str, sample_rate_hz: int) -> Path:
    return root / "chunks" / f"{chunk}.{sample_rate_hz // 1000}kHz.wav"


def read_list(
    path: str | os.PathLike,
    *,
    with_folds: bool = False,
    report: Report = raise_first,
) -> list[ListRow]:
    """Reads `index,chunkname` or `index,chunkname,fold` lines, no header.

    Raises:
        DataError: missing, or from `report` for a malformed line or a chunk
            that is listed twice.
    """
    rows: list[ListRow] = []
    lines_of: dict[str, int] = {}
    num_cells = 3 if with_folds else 2
    for line, cells in _read_cells(path, report):
        say = functools.partial(_say, report, path, line)
        if len(cells) != num_cells:
            form = "index,chunkname,fold" if with_folds else "index,chunkname"
            say(f"must be {form}.", ",".join(cells))
            continue
        index, chunk = _whole_number(cells[0]), cells[1]
        fold = _whole_number(cells[2]) if with_folds else None
        if index is None:
            say("the index must be a whole number.", cells[0])
        elif not chunk or chunk != os.path.basename(chunk):
            say("the chunk must be a name.", chunk)
        elif chunk in lines_of:
            say(f"the chunk is in line {lines_of[chunk]} already.", chunk)
        elif with_folds and (fold is None or fold >= NUM_FOLDS):
            say(f"the fold must be from 0 to {NUM_FOLDS - 1}.", cells[2])
        else:
            lines_of[chunk] = line
            rows.append(ListRow(line, index, chunk, fold))
    if not rows:
        report(Finding(str(path), None, "must list at least one chunk."))
    return rows


def read_folds(
    root: Path, refined: Sequence[ListRow], *, report: Report = raise_first
) -> dict[str, int | None]:
    """The fold of each chunk of the refined development list.

    Raises:
        DataError: the list of folds is missing, or from `report` if it is
            malformed or has other chunks than `refined`.
    """
    path = root / FOLDS_LIST
    rows = read_list(path, with_folds=True, report=report)
    folds = {row.chunk: row.fold for row in rows}
    refined_path = root / list_name("development", raw=False)
    known = {row.chunk for row in refined}
    for row in rows:
        if row.chunk not in known:
            rule = f"the chunk must be in {refined_path.name} too."
            _say(report, path, row.line, rule, row.chunk)
    for row in refined:
        if row.chunk not in folds:
            rule = f"the chunk must have a fold in {path.name}."
            _say(report, refined_path, row.line, rule, row.chunk)
    return folds


def read_chunk(path: str | os.PathLike) -> ChunkAnnotation:
    """Reads the annotation of one chunk.

    Any line ends, quotes, blank lines, and an empty vote, annotation or
    session are taken. The letters of the majority vote must be labels; those
    of single annotators, which decide nothing, are taken as they are.

    Raises:
        DataError: missing, or malformed, naming the line.
    """
    values: dict[str, Any] = {}
    line = 0
    for line, cells in _read_cells(path, raise_first):
        say = functools.partial(_say, raise_first, path, line)
        if len(values) == len(FIELDS):
            say(f"must end after {FIELDS[-1]}.", ",".join(cells))
        name = FIELDS[len(values)]
        if len(cells) != 2 or cells[0] != name:
            say(f"must be {name},<value>.", ",".join(cells))
        values[name] = _parse(name, cells[1], say)
    if len(values) < len(FIELDS):
        rule = f"must be {FIELDS[len(values)]},<value>."
        _say(raise_first, path, line + 1, rule, "")
    annotation = ChunkAnnotation(**values)
    file_name = os.path.basename(path).removesuffix(".csv")
    chunk = f"{annotation.segmentname}_chunk{annotation.chunknumber}"
    for expected, rule in (
        (file_name, "as the file is named"),
        (chunk, "after segmentname and chunknumber"),
    ):
        if annotation.chunkname != expected:
            rule = f"chunkname must be {expected}, {rule}."
            _say(raise_first, path, line, rule, annotation.chunkname)
    return annotation


def read_listed_chunk(
    root: Path, list_path: Path, row: ListRow
) -> ChunkAnnotation:
    """Reads the annotation of a chunk that a list names.

    Raises:
        DataError: as `read_chunk`; a missing file is the list's error, and
            names its line.
    """
    path = annotation_path(root, row.chunk)
    if not path.is_file():
        rule = f"the chunk must have an annotation, {path}."
        _say(raise_first, list_path, row.line, rule, row.chunk)
    return read_chunk(path)


def write_chunk(path: str | os.PathLike, annotation: ChunkAnnotation) -> None:
    """Writes a chunk's file, whole or not at all."""
    values = dataclasses.asdict(annotation)
    _write_rows(
        path,
        (
            (name, "" if values[name] is None else values[name])
            for name in FIELDS
        ),
    )


def write_list(
    path: str | os.PathLike, rows: Iterable[Sequence[int | str]]
) -> None:
    """Writes a list of `(index, chunk)` or `(index, chunk, fold)` rows."""
    _write_rows(path, rows)


def _write_rows(path: str | os.PathLike, rows: Iterable[Sequence]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    atomic_write_text(path, text.getvalue())


def _read_cells(
    path: str | os.PathLike, report: Report
) -> Iterator[tuple[int, list[str]]]:
    """The stripped cells of each line that is not blank, with its number.

    A line is a record: a quote that is not closed can't swallow the next.
    """
    for line, text in enumerate(read_lines(path), start=1):
        if text.strip():
            try:
                (cells,) = csv.reader([text], strict=True)
            except csv.Error as error:
                _say(report, path, line, f"must be CSV ({error}).", text)
                continue
            yield line, [cell.strip() for cell in cells]


def _parse(name: str, value: str, say: Callable[[str, str], None]) -> Any:
    """The value of one field of a chunk's file; `say` raises."""
    if name in ("chunknumber", "framestart"):
        number = _whole_number(value)
        if number is None:
            say(f"{name} must be a whole number.", value)
        return number
    if name.startswith("session"):
        if value.lower() in ("", "nan"):
            return None
        if _NUMBER.fullmatch(value) is None:
            say(f"{name} must be a number.", value)
        return float(value)
    if name == "majorityvote" and not set(value) <= set(LABELS):
        say(f"{name} must be letters of {''.join(LABELS)}.", value)
    if name in ("segmentname", "chunkname") and not value:
        say(f"{name} must not be empty.", value)
    return value


def _whole_number(text: str) -> int | None:
    match = _WHOLE_NUMBER.fullmatch(text)
    return None if match is None else int(match[1])


def _say(
    report: Report,
    path: str | os.PathLike,
    line: int,
    rule: str,
    value: str,
) -> None:
    report(Finding(str(path), line, f"{rule} Received: {shown(value)}"))
