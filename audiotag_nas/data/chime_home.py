"""Reads the CHiME-Home data set (Foster et al. 2015) of DCASE 2016 task 4.

docs/guide/data.md describes the files. Each chunk of 4 s is a clip. The clip's
segment is the 5-minute recording from which the clip was cut. This module reads
lists and annotations; `chime_home_check` also reads the sound files.
`write_list` and `write_chunk` write synthetic data sets in the same format.
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

SILENCE = "S"
UNIDENTIFIABLE = "U"
LABELS = (*CHIME_HOME_TAGS, SILENCE, UNIDENTIFIABLE)
"""The labels that an annotator can give to a chunk."""

CHUNK_FRAMES = 192_000
"""The length of a chunk in samples at 48 kHz, the unit of `framestart`."""
RATES_HZ = (16_000, 48_000)

FOLDS_LIST = "development_chunks_refined_crossval_dcase2016.csv"

# Some tools write every number as a float, e.g. "3.0".
_WHOLE_NUMBER = re.compile(r"([0-9]{1,15})(?:\.0*)?")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]*)?")


@dataclasses.dataclass(frozen=True)
class ChunkAnnotation:
    """The 11 fields of an annotation file; names and order are the file's.

    `framestart` is the position of the chunk's first sample in the recording,
    in samples at 48 kHz. Annotations and the majority vote are texts of label
    letters, such as `cvo`, and may be empty. A session is None if the file
    gives none. `chunkname` is `<segmentname>_chunk<chunknumber>`; chunk numbers
    start at 0.
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
    """One line of a list of chunks; `fold` is None if the list has no folds."""

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
    """Reads the clips of one split, in the order of its list.

    Args:
        dataset_dir: the unpacked `chime_home` directory, or its parent.
        split: `development` or `evaluation`.
        raw: True reads all annotated chunks. False reads only the refined
            chunks, on which the annotators agree.
        sample_rate_hz: selects the 16000 or 48000 Hz sound files.

    Returns:
        Clips whose tags are the letters of the majority vote, including `S`
        and `U`. Refined development clips have the challenge's folds.

    Raises:
        DataError: a file is missing or malformed.

    Example:
        >>> os.mkdir("chunks")
        >>> chunk = ChunkAnnotation(
        ...     segmentname="home.s0", chunknumber=7, framestart=1344000,
        ...     annotation_a1="cv", session_a1=1, annotation_a2="cvo",
        ...     session_a2=1, annotation_a3="c", session_a3=1,
        ...     majorityvote="cv", chunkname="home.s0_chunk7")
        >>> write_chunk("chunks/home.s0_chunk7.csv", chunk)
        >>> write_list("evaluation_chunks_refined.csv", [(0, "home.s0_chunk7")])
        >>> [clip] = read_clips(".", "evaluation")
        >>> clip.segment_id, clip.tags, str(clip.path)
        ('home.s0', ('c', 'v'), 'chunks/home.s0_chunk7.16kHz.wav')
    """
    check_split(split)
    if sample_rate_hz not in RATES_HZ:
        raise DataError(
            f"sample_rate_hz: must be {' or '.join(map(str, RATES_HZ))}. "
            f"Received: {sample_rate_hz}"
        )
    root = find_root(dataset_dir)
    rows_path = root / list_name(split, raw=raw)
    rows = read_list(rows_path)
    if split == "development" and not raw:
        rows = with_listed_folds(root, rows)
    return [
        make_clip(
            *(root, split, row, read_listed_chunk(root, rows_path, row)),
            sample_rate_hz=sample_rate_hz,
        )
        for row in rows
    ]


def make_clip(
    root: Path,
    split: str,
    row: ListRow,
    annotation: ChunkAnnotation,
    *,
    sample_rate_hz: int,
) -> Clip:
    """Returns the clip of a listed chunk."""
    return Clip(
        clip_id=row.chunk,
        segment_id=annotation.segmentname,
        tags=tuple(dict.fromkeys(annotation.majorityvote)),
        split=split,
        fold=row.fold,
        path=audio_path(root, row.chunk, sample_rate_hz),
    )


def find_root(dataset_dir: str | os.PathLike) -> Path:
    """Returns `dataset_dir` or its `chime_home`, whichever holds the lists.

    Raises:
        DataError: neither directory contains `chunks` or a list.
    """
    given = Path(dataset_dir)
    for root in (given, given / "chime_home"):
        if (root / "chunks").is_dir() or any(root.glob("*_chunks_*.csv")):
            return root
    if not given.exists():
        raise DataError(f"{given}: no such directory.")
    raise DataError(
        f"{given}: must be the unpacked chime_home directory (with chunks/ "
        f"and {list_name('development', raw=False)}) or its parent. Received: "
        f"a {'directory without these' if given.is_dir() else 'file'}"
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
    """Reads a list. Its lines are `index,chunkname[,fold]`, without a header.

    Malformed lines and repeated chunks are reported.

    Raises:
        DataError: the file can't be read, or `report` raises this error.
    """
    rows: list[ListRow] = []
    lines_of: dict[str, int] = {}
    num_cells = 3 if with_folds else 2
    for line, cells in _read_cells(path, report):
        reject = functools.partial(_report_value, report, path, line)
        if len(cells) != num_cells:
            form = "index,chunkname,fold" if with_folds else "index,chunkname"
            reject(f"must be {form}.", ",".join(cells))
            continue
        index, chunk = _whole_number(cells[0]), cells[1]
        fold = _whole_number(cells[2]) if with_folds else None
        if index is None:
            reject("the index must be a whole number.", cells[0])
        elif not chunk or chunk != os.path.basename(chunk):
            reject("the chunk must be a name.", chunk)
        elif chunk in lines_of:
            reject(
                f"must not repeat the chunk of line {lines_of[chunk]}.", chunk
            )
        elif with_folds and (fold is None or fold >= NUM_FOLDS):
            reject(f"the fold must be from 0 to {NUM_FOLDS - 1}.", cells[2])
        else:
            lines_of[chunk] = line
            rows.append(ListRow(line, index, chunk, fold))
    if not rows:
        report(Finding(str(path), None, "must list at least one chunk."))
    return rows


def with_listed_folds(
    root: Path, refined: Sequence[ListRow], *, report: Report = raise_first
) -> list[ListRow]:
    """Adds the folds in `FOLDS_LIST` to the rows of the refined list.

    Malformed lines of `FOLDS_LIST` are reported, and also chunks that are in
    only one of the two lists.

    Raises:
        DataError: `FOLDS_LIST` can't be read, or `report` raises this error.
    """
    path = root / FOLDS_LIST
    rows = read_list(path, with_folds=True, report=report)
    folds = {row.chunk: row.fold for row in rows}
    refined_path = root / list_name("development", raw=False)
    known = {row.chunk for row in refined}
    for row in rows:
        if row.chunk not in known:
            rule = f"the chunk must be in {refined_path.name} too."
            _report_value(report, path, row.line, rule, row.chunk)
    for row in refined:
        if row.chunk not in folds:
            rule = f"the chunk must have a fold in {path.name}."
            _report_value(report, refined_path, row.line, rule, row.chunk)
    return [
        dataclasses.replace(row, fold=folds.get(row.chunk)) for row in refined
    ]


def read_chunk(path: str | os.PathLike) -> ChunkAnnotation:
    """Reads the annotation of one chunk.

    Line ends of any kind, quotes and blank lines are allowed. Votes,
    annotations and sessions may be empty. The majority vote must consist of
    known labels. Annotations are not checked, because they decide no tag.

    Raises:
        DataError: the file is missing or malformed.
    """
    values: dict[str, Any] = {}
    line = 0
    for line, cells in _read_cells(path, raise_first):
        reject = functools.partial(_report_value, raise_first, path, line)
        if len(values) == len(FIELDS):
            reject(f"must end after {FIELDS[-1]}.", ",".join(cells))
        name = FIELDS[len(values)]
        if len(cells) != 2 or cells[0] != name:
            reject(f"must be {name},<value>.", ",".join(cells))
        values[name] = _parse(name, cells[1], reject)
    if len(values) < len(FIELDS):
        rule = f"must be {FIELDS[len(values)]},<value>."
        _report_value(raise_first, path, line + 1, rule, "")
    annotation = ChunkAnnotation(**values)
    file_name = os.path.basename(path).removesuffix(".csv")
    chunk = f"{annotation.segmentname}_chunk{annotation.chunknumber}"
    for expected, rule in (
        (file_name, "the name of the file"),
        (chunk, "from segmentname and chunknumber"),
    ):
        if annotation.chunkname != expected:
            rule = f"chunkname must be {expected}, {rule}."
            _report_value(raise_first, path, line, rule, annotation.chunkname)
    return annotation


def read_listed_chunk(
    root: Path, list_path: Path, row: ListRow
) -> ChunkAnnotation:
    """Reads the annotation of a listed chunk.

    Raises:
        DataError: the annotation is malformed or missing. For a missing
            annotation, the error names the line of the list.
    """
    path = annotation_path(root, row.chunk)
    if not path.is_file():
        rule = f"the chunk must have an annotation, {path}."
        _report_value(raise_first, list_path, row.line, rule, row.chunk)
    return read_chunk(path)


def write_chunk(path: str | os.PathLike, annotation: ChunkAnnotation) -> None:
    """Writes the annotation file of a chunk atomically."""
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
    """Writes rows of `(index, chunk)` or `(index, chunk, fold)`."""
    _write_rows(path, rows)


def _write_rows(path: str | os.PathLike, rows: Iterable[Sequence]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    atomic_write_text(path, text.getvalue())


def _read_cells(
    path: str | os.PathLike, report: Report
) -> Iterator[tuple[int, list[str]]]:
    """Yields (line number, stripped cells) for each line that is not blank.

    Lines are parsed one by one, so an unclosed quote damages only one line.
    """
    for line, text in enumerate(read_lines(path), start=1):
        if text.strip():
            try:
                (cells,) = csv.reader([text], strict=True)
            except csv.Error as error:
                _report_value(
                    report, path, line, f"must be CSV ({error}).", text
                )
                continue
            yield line, [cell.strip() for cell in cells]


def _parse(name: str, value: str, reject: Callable[[str, str], None]) -> Any:
    """Parses one value of an annotation file; `reject` must raise an error."""
    if name in ("chunknumber", "framestart"):
        number = _whole_number(value)
        if number is None:
            reject(f"{name} must be a whole number.", value)
        return number
    if name.startswith("session"):
        if value.lower() in ("", "nan"):
            return None
        if _NUMBER.fullmatch(value) is None:
            reject(f"{name} must be a number.", value)
        return float(value)
    if name == "majorityvote" and not set(value) <= set(LABELS):
        reject(f"{name} must be letters of {''.join(LABELS)}.", value)
    if name in ("segmentname", "chunkname") and not value:
        reject(f"{name} must not be empty.", value)
    return value


def _whole_number(text: str) -> int | None:
    match = _WHOLE_NUMBER.fullmatch(text)
    return None if match is None else int(match[1])


def _report_value(
    report: Report, path: str | os.PathLike, line: int, rule: str, value: str
) -> None:
    report(Finding(str(path), line, f"{rule} Received: {shown(value)}"))
