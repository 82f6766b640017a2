"""Reads and writes CSV files of labels and scores, as in DCASE 2016 task 4.

A scores file has a row `filename,label,score` for each clip and tag. A higher
score means that the tag is more probable. A labels file has a row
`filename,tags` for each clip, such as `x.wav,cop`. If `tags` is empty, the clip
has no tag. The first row may be a header with these column names.
`FileNameIndex` matches the file names in scores and labels.
"""

import csv
import functools
import io
import math
import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from audiotag_nas.errors import ConfigError, DataError
from audiotag_nas.files import atomic_write_text
from audiotag_nas.metrics.file_names import FileNameIndex

UNSCORED = ("S", "U")
"""CHiME-Home's tags for silence and unidentifiable sound."""

TAG_SEPARATOR = ";"
"""Separates the tags of a clip if any tag has several letters."""

_DECIMAL = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_MAX_LINE = 2**20  # characters
_MAX_SHOWN = 80


def read_labels(
    path: str | os.PathLike,
    tags: Sequence[str],
    *,
    unscored: Sequence[str] = UNSCORED,
) -> tuple[tuple[str, ...], npt.NDArray[np.bool_]]:
    """Reads a labels file.

    Args:
        path: CSV file with rows `filename,tags`. The tags are consecutive
            letters, or are separated by `;` if any tag has several letters.
        tags: the names of the K tags.
        unscored: tags that may occur in the file and are ignored.

    Returns:
        The n file names in the order of the file, and the labels (n, K) bool.

    Raises:
        ConfigError: `tags` is empty, or has an empty or repeated tag.
        DataError: the file can't be read, or has a malformed, repeated or
            unknown entry. The message names the file, the line and the entry.
    """
    columns = _columns(tags, unscored)
    lines: dict[str, int] = {}
    rows = []
    for line, (name, cell) in _read_rows(path, ("filename", "tags")):
        if name in lines:
            raise DataError(
                f"{path}, line {line}: {name!r} must occur once. It is also "
                f"on line {lines[name]}."
            )
        lines[name] = line
        row = np.zeros(len(tags), bool)
        for tag in _split_tags(cell, [*tags, *unscored]):
            if tag not in columns:
                raise DataError(
                    f"{path}, line {line}: {name!r}: {_unknown(tag, columns)}"
                )
            if columns[tag] is not None:
                row[columns[tag]] = True
        rows.append(row)
    if not rows:
        raise DataError(f"{path}: must have a row for at least one clip.")
    return tuple(lines), np.array(rows)


def read_scores(
    path: str | os.PathLike,
    tags: Sequence[str],
    filenames: Sequence[str],
    *,
    unscored: Sequence[str] = UNSCORED,
) -> npt.NDArray[np.float64]:
    """Reads the score of each of `tags` for each of `filenames`.

    >>> from audiotag_nas.metrics.score_files import read_scores
    >>> with open("scores.csv", "w") as file:
    ...     _ = file.write("a.wav,dog,0.9\\na.wav,rain,0.2\\n")
    >>> read_scores("scores.csv", ("dog", "rain"), ["a.wav"])
    array([[0.9, 0.2]])

    Rows of unscored tags are checked, but not returned.

    Returns:
        The scores (n, K), float64, in the order of `filenames` and `tags`.

    Raises:
        ConfigError: `tags` is empty, or has an empty or repeated tag.
        DataError: the file can't be read; a row is malformed; a file or tag
            is unknown; a name matches several files; a pair of file and tag is
            missing or repeated; a score is not a finite decimal number.
    """
    columns = _columns(tags, unscored)
    clips = {name: number for number, name in enumerate(filenames)}
    index = FileNameIndex(filenames)
    scores = np.full((len(filenames), len(tags)), np.nan)
    lines: dict[tuple[str, str], int] = {}
    header = ("filename", "label", "score")
    for line, (written, tag, text) in _read_rows(path, header):
        where = f"{path}, line {line}: {written!r}, tag {tag!r}"
        name = index.find(written, where)
        if name is None:
            raise DataError(
                f"{where}: the labels have no such file, with or without an "
                "ending such as .wav. Their first file is "
                f"{', '.join(map(repr, filenames[:1]))}."
            )
        if tag not in columns:
            raise DataError(f"{where}: {_unknown(tag, columns)}")
        if (name, tag) in lines:
            raise DataError(
                f"{where}: must occur once. It is also on line "
                f"{lines[name, tag]}."
            )
        lines[name, tag] = line
        score = _parse_score(text, where)
        if columns[tag] is not None:
            scores[clips[name], columns[tag]] = score
    missing = [
        (n, tag) for n in filenames for tag in tags if (n, tag) not in lines
    ]
    if missing:
        name, tag = missing[0]
        more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        raise DataError(f"{path}: no score for {name!r}, tag {tag!r}{more}.")
    return scores


def read_segments(
    path: str | os.PathLike, filenames: Sequence[str]
) -> list[str]:
    """Reads the segment of each of `filenames` from rows `filename,segment`.

    Rows of other files are ignored.

    Raises:
        DataError: the file can't be read; a file name is missing, repeated,
            or matches several files.
    """
    index = FileNameIndex(filenames)
    segments: dict[str, str] = {}
    for line, (written, segment) in _read_rows(path, ("filename", "segment")):
        where = f"{path}, line {line}: {written!r}"
        name = index.find(written, where)
        if name is None:
            continue
        if name in segments:
            raise DataError(f"{where}: must have only one segment.")
        segments[name] = segment
    for name in filenames:
        if name not in segments:
            raise DataError(f"{path}: no segment for {name!r}.")
    return [segments[name] for name in filenames]


def write_scores(
    path: str | os.PathLike,
    filenames: Sequence[str],
    tags: Sequence[str],
    scores: npt.ArrayLike,
) -> None:
    """Writes scores (n, K) with enough digits to keep float32 values exact."""
    scores = np.asarray(scores, np.float64)
    rows = [
        [name, tag, f"{score:.9g}"]
        for name, row in zip(filenames, scores, strict=True)
        for tag, score in zip(tags, row, strict=True)
    ]
    _write_rows(path, rows)


def write_labels(
    path: str | os.PathLike,
    filenames: Sequence[str],
    tags: Sequence[str],
    labels: npt.ArrayLike,
) -> None:
    """Writes labels (n, K) for `read_labels`."""
    separator = "" if all(len(tag) == 1 for tag in tags) else TAG_SEPARATOR
    rows = []
    for name, row in zip(filenames, np.asarray(labels), strict=True):
        present = [t for t, value in zip(tags, row, strict=True) if value]
        rows.append([name, separator.join(present)])
    _write_rows(path, rows)


def _write_rows(path: str | os.PathLike, rows: list[list[str]]) -> None:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    atomic_write_text(path, buffer.getvalue())


def _columns(
    tags: Sequence[str], unscored: Sequence[str]
) -> dict[str, int | None]:
    """Returns the column of each allowed tag; None for an unscored tag."""
    if not tags or len(set(tags)) != len(tags) or not all(tags):
        raise ConfigError(
            "tags must be different names, at least one. "
            f"Received: {list(tags)}"
        )
    columns: dict[str, int | None] = dict.fromkeys(tags, None)
    columns |= {tag: number for number, tag in enumerate(tags)}
    for tag in unscored:
        columns.setdefault(tag, None)
    return columns


def _unknown(tag: str, columns: Iterable[str]) -> str:
    return (
        f"unknown tag {tag!r}. Known: {' '.join(columns)}. Give other tags by "
        "--tags=dog,rain,..."
    )


def _split_tags(cell: str, vocabulary: Sequence[str]) -> list[str]:
    if all(len(tag) == 1 for tag in vocabulary):
        return list(cell)
    return [tag for tag in cell.split(TAG_SEPARATOR) if tag]


def _parse_score(text: str, where: str) -> float:
    score = float(text) if _DECIMAL.fullmatch(text) else math.nan
    if not math.isfinite(score):
        raise DataError(
            f"{where}: the score must be a finite decimal number. "
            f"Received: {_shown(text)}"
        )
    return score


def _read_rows(
    path: str | os.PathLike, columns: Sequence[str]
) -> Iterator[tuple[int, list[str]]]:
    """Yields (line number, cells) of each row; skips header and empty rows."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            # A device or pipe may be endless.
            raise DataError(
                f"{path}: must be a regular file, not a directory, pipe or "
                "device."
            )
        # `utf-8-sig` skips a byte-order mark, which some spreadsheets write.
        with open(path, encoding="utf-8-sig", newline="") as file:
            # A line longer than _MAX_LINE is split; the csv module refuses it.
            lines = iter(functools.partial(file.readline, _MAX_LINE), "")
            yield from _parse_rows(path, lines, columns)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise DataError(f"{path}: not a text file in UTF-8.") from None


def _parse_rows(
    path: str | os.PathLike, lines: Iterator[str], columns: Sequence[str]
) -> Iterator[tuple[int, list[str]]]:
    """Yields the results of `_read_rows`, from the lines of the file."""
    reader = csv.reader(lines, strict=True)
    try:
        for row in reader:
            if not row:
                continue
            if len(row) != len(columns):
                raise DataError(
                    f"{path}, line {reader.line_num}: a row must be "
                    f"{','.join(columns)}. Received: {_shown(','.join(row))}"
                )
            cells = [cell.strip() for cell in row]
            if reader.line_num > 1 or cells != list(columns):
                yield reader.line_num, cells
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num}: {error}") from None


def _shown(text: str) -> str:
    return repr(text if len(text) <= _MAX_SHOWN else text[:_MAX_SHOWN] + "...")
