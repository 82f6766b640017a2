"""The challenge's CSV files: labels and scores of any system, read and written.

Scores are rows `filename,label,score`, one a clip and tag, higher meaning
more present; labels are rows `filename,tags` such as `x.wav,cop`, where empty
tags make a clip a negative for all. Neither needs a header; one of those
names is left out. A name without the
ending of a sound file means the one with it, and the other way round, where
that is one file only; names are compared as they are written otherwise.
"""

import csv
import functools
import io
import math
import os
import re
import stat
from collections.abc import Iterator, Sequence
from typing import TextIO

import numpy as np
import numpy.typing as npt

from audiotag_nas.errors import ConfigError, DataError
from audiotag_nas.files import atomic_write_text

UNSCORED = ("S", "U")
"""CHiME-Home's silence and unidentifiable sound: annotated, not scored."""

TAG_SEPARATOR = ";"
"""Between the tags of a clip where they are longer than one letter."""

SOUND_ENDINGS = (
    *(".wav", ".flac", ".mp3", ".ogg", ".oga", ".opus", ".aif", ".aiff"),
    *(".aifc", ".au", ".snd", ".caf", ".w64", ".rf64", ".m4a", ".aac", ".wma"),
    *(".mp1", ".mp2", ".nist", ".sph", ".sf", ".voc"),
)
"""In lower case. Whatever else follows a dot belongs to a file's name."""


_DECIMAL = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_MAX_LINE = 2**20  # characters
_MAX_SHOWN = 80


def without_ending(name: str) -> str:
    """A file's name without the ending of a sound file, if it has one."""
    stem, ending = os.path.splitext(name)
    return stem if ending.lower() in SOUND_ENDINGS else name


def read_labels(
    path: str | os.PathLike,
    tags: Sequence[str],
    *,
    unscored: Sequence[str] = UNSCORED,
) -> tuple[tuple[str, ...], npt.NDArray[np.bool_]]:
    """Reads a labels file.

    Args:
        path: rows `filename,tags`; the tags are letters in a row, or are
            separated by `;` where a tag of the vocabulary is longer.
        tags: the vocabulary, K names.
        unscored: tags that are allowed and ignored.

    Returns:
        The n file names in the file's order, and (n, K) bool.

    Raises:
        ConfigError: a repeated tag in the vocabulary.
        DataError: an unreadable file, or a malformed, repeated or unknown
            entry, by file, line and name.
    """
    columns = _columns(tags, unscored)
    lines: dict[str, int] = {}
    rows = []
    for line, (name, cell) in _read_rows(path, ("filename", "tags")):
        if name in lines:
            raise DataError(
                f"{path}, line {line}: {name!r} stands on line {lines[name]} "
                "already."
            )
        lines[name] = line
        row = np.zeros(len(tags), bool)
        for tag in _split_tags(cell, [*tags, *unscored]):
            if tag not in columns:
                raise DataError(
                    f"{path}, line {line}: {name!r} has the unknown tag "
                    f"{tag!r}. Known: {' '.join(columns)}. Other tags are "
                    "named by --tags=dog,rain,..."
                )
            if columns[tag] is not None:
                row[columns[tag]] = True
        rows.append(row)
    if not rows:
        raise DataError(f"{path}: there are no labels in it.")
    return tuple(lines), np.array(rows)


def read_scores(
    path: str | os.PathLike,
    tags: Sequence[str],
    filenames: Sequence[str],
    *,
    unscored: Sequence[str] = UNSCORED,
) -> npt.NDArray[np.float64]:
    """Reads a scores file: one score for each of `filenames` and `tags`.

    Rows of an unscored tag are checked and left out.

    Returns:
        (n, K) float64, in the order of `filenames` and `tags`.

    Raises:
        ConfigError: a repeated tag in the vocabulary.
        DataError: an unreadable file; a malformed row; an unknown file or
            tag, or a name that means several files; a pair twice or not at
            all; a score that is no finite decimal number.
    """
    columns = _columns(tags, unscored)
    clips = {name: number for number, name in enumerate(filenames)}
    meant = _NamesMeant(filenames)
    scores = np.full((len(filenames), len(tags)), np.nan)
    lines: dict[tuple[str, str], int] = {}
    header = ("filename", "label", "score")
    for line, (written, tag, text) in _read_rows(path, header):
        where = f"{path}, line {line}: {written!r}, tag {tag!r}"
        name = meant.find(written, where)
        if name is None:
            raise DataError(
                f"{where}: the labels have no such file, with or without an "
                "ending such as .wav. They begin with "
                f"{', '.join(map(repr, filenames[:1]))}."
            )
        if tag not in columns:
            raise DataError(
                f"{where}: unknown tag. Known: {' '.join(columns)}. Other tags "
                "are named by --tags=dog,rain,..."
            )
        if (name, tag) in lines:
            raise DataError(
                f"{where} stands on line {lines[name, tag]} already."
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
    """Reads rows `filename,segment`: the recording of each of `filenames`.

    Rows of other files are left out.

    Raises:
        DataError: an unreadable file, a file name twice or not at all, or
            one that means several.
    """
    meant = _NamesMeant(filenames)
    segments: dict[str, str] = {}
    for line, (written, segment) in _read_rows(path, ("filename", "segment")):
        where = f"{path}, line {line}: {written!r}"
        name = meant.find(written, where)
        if name is None:
            continue
        if name in segments:
            raise DataError(f"{where} has a segment already.")
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
    """Writes scores (n, K) in the challenge's format, whole or not at all.

    A float32 score is read back as the same number.
    """
    scores = np.asarray(scores, np.float64)
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    for name, row in zip(filenames, scores, strict=True):
        for tag, score in zip(tags, row, strict=True):
            writer.writerow([name, tag, f"{score:.9g}"])
    atomic_write_text(path, buffer.getvalue())


def write_labels(
    path: str | os.PathLike,
    filenames: Sequence[str],
    tags: Sequence[str],
    labels: npt.ArrayLike,
) -> None:
    """Writes labels (n, K) as `read_labels` reads them."""
    glue = "" if all(len(tag) == 1 for tag in tags) else TAG_SEPARATOR
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    for name, row in zip(filenames, np.asarray(labels), strict=True):
        present = [t for t, value in zip(tags, row, strict=True) if value]
        writer.writerow([name, glue.join(present)])
    atomic_write_text(path, buffer.getvalue())


class _NamesMeant:
    """Which of the labels' files a name means."""

    def __init__(self, filenames: Sequence[str]):
        self._names = set(filenames)
        self._of_stem: dict[str, list[str]] = {}
        for name in filenames:
            self._of_stem.setdefault(without_ending(name), []).append(name)

    def find(self, name: str, where: str) -> str | None:
        """The file's name in the labels; None where it is not among them.

        Raises:
            DataError: it means several, which the message (after `where`)
                names.
        """
        if name in self._names:
            return name
        stem = without_ending(name)
        if stem != name:
            # Not x.flac for x.wav: where both have an ending it counts.
            return stem if stem in self._names else None
        found = self._of_stem.get(stem, [])
        if len(found) > 1:
            raise DataError(
                f"{where}: must have its ending, since the labels have "
                f"{' and '.join(map(repr, found))}."
            )
        return found[0] if found else None


def _columns(
    tags: Sequence[str], unscored: Sequence[str]
) -> dict[str, int | None]:
    """Each allowed tag's column; None for one that is not scored."""
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
    """Yields line numbers and stripped cells; skips empty lines and header."""
    try:
        with _opened(path) as file:
            # No row needs a longer line, and the csv module refuses it.
            lines = iter(functools.partial(file.readline, _MAX_LINE), "")
            yield from _parse_rows(path, lines, columns)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise DataError(f"{path}: not a text file in UTF-8.") from None


def _opened(path: str | os.PathLike) -> TextIO:
    """A text file, opened.

    Raises:
        DataError: what is there is not a regular file; a device or a pipe
            may have no end.
        OSError: it can't be opened.
    """
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise DataError(
            f"{path}: must be a regular file, not a directory, pipe or device."
        )
    # A spreadsheet may have put a byte-order mark in front.
    return open(path, encoding="utf-8-sig", newline="")


def _parse_rows(
    path: str | os.PathLike, lines: Iterator[str], columns: Sequence[str]
) -> Iterator[tuple[int, list[str]]]:
    """As `_read_rows`, of the lines of the file."""
    reader = csv.reader(lines, strict=True)
    try:
        for row in reader:
            if not row:
                continue
            if len(row) != len(columns):
                raise DataError(
                    f"{path}, line {reader.line_num}: a row is "
                    f"{','.join(columns)}. Received: {_shown(','.join(row))}"
                )
            cells = [cell.strip() for cell in row]
            if reader.line_num > 1 or cells != list(columns):
                yield reader.line_num, cells
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num}: {error}") from None


def _shown(text: str) -> str:
    return repr(text if len(text) <= _MAX_SHOWN else text[:_MAX_SHOWN] + "...")
