"""What a check finds in a file, and counts of what is there.

Readers and checks share one parser each: a reader stops at the first error
(`raise_first`), a check collects them all. What stops no reader travels with
the clips: `finding_lines` is what a person sees of it.
"""

import collections
import dataclasses
import os
from collections.abc import Callable, Iterable, Iterator, Sequence

from audiotag_nas.data.clip import Clip
from audiotag_nas.errors import DataError

SPLITS = ("development", "evaluation")

_MAX_NOTES = 20


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing found.

    Attributes:
        path: of the file that it was found in.
        line: in that file, from 1; None if it concerns the whole.
        reason: the rule, and the value received.
        is_error: False: worth knowing, but nothing is rejected for it.
    """

    path: str
    line: int | None
    reason: str
    is_error: bool = True

    def __str__(self) -> str:
        place = self.path if self.line is None else f"{self.path}:{self.line}"
        return f"{place}: {self.reason}"


class FileError(DataError):
    """A finding that stops a reader."""

    def __init__(self, finding: Finding):
        super().__init__(str(finding))
        self.finding = finding


Report = Callable[[Finding], None]


def raise_first(finding: Finding) -> None:
    """The `Report` of a reader.

    Raises:
        FileError: at once.
    """
    raise FileError(finding)


def shown(value: object) -> str:
    """A value as it is quoted in a reason: on one line, and not too long."""
    text = str(value)
    return repr(text if len(text) <= 80 else text[:77] + "...")


def read_lines(path: str | os.PathLike) -> list[str]:
    """The lines of a UTF-8 file without their ends; a BOM is dropped.

    Raises:
        FileError: missing, or not UTF-8, naming the line.
    """
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        reason = f"can't be read: {error.strerror}"
        raise FileError(Finding(str(path), None, reason)) from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        reason = "must be UTF-8 text."
        raise FileError(Finding(str(path), line, reason)) from None
    # Not str.splitlines, which also splits at U+2028 and the like.
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def check_split(split: str) -> None:
    """Refuses a split that does not exist.

    Raises:
        DataError: no split of that name.
    """
    if split not in SPLITS:
        raise DataError(
            f"split: must be one of {', '.join(SPLITS)}. Received: {split!r}"
        )


def count_tags(clips: Iterable[Clip]) -> dict[str, int]:
    """The number of clips that carry each tag, the commonest first."""
    counts = collections.Counter(
        tag for clip in clips for tag in set(clip.tags)
    )
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def shared_segments(clips: Iterable[Clip]) -> dict[str, list[Clip]]:
    """Segments with clips in more than one split, and those clips."""
    by_segment = collections.defaultdict(list)
    for clip in clips:
        by_segment[clip.segment_id].append(clip)
    return {
        segment: members
        for segment, members in by_segment.items()
        if len({clip.split for clip in members}) > 1
    }


def shared_segment_findings(
    clips: Iterable[Clip], place: Callable[[Clip], tuple[str, int | None]]
) -> Iterator[Finding]:
    """An error for each segment with clips in both splits.

    Args:
        clips: of both splits.
        place: file and line that list a clip.
    """
    for segment, members in shared_segments(clips).items():
        of_split = {clip.split: clip for clip in reversed(members)}
        development, evaluation = (of_split[split] for split in SPLITS)
        path, line = place(evaluation)
        reason = (
            "development and evaluation must not share a segment. Received: "
            f"{shown(segment)}, of {shown(evaluation.clip_id)} in evaluation "
            f"and {shown(development.clip_id)} in development"
        )
        yield Finding(path, line, reason)


def finding_lines(findings: Sequence[Finding]) -> list[str]:
    """A line per finding: every error, and the first notes."""
    errors = [f"error: {f}" for f in findings if f.is_error]
    notes = [f"note: {f}" for f in findings if not f.is_error]
    lines = errors + notes[:_MAX_NOTES]
    if len(notes) > _MAX_NOTES:
        lines.append(
            f"... and {len(notes) - _MAX_NOTES} more notes (the tool `check` "
            "lists all)"
        )
    return lines


def split_segments(clips: Iterable[Clip]) -> dict[str, list[int]]:
    """Segments whose clips lie in more than one fold, and those folds."""
    folds = collections.defaultdict(set)
    for clip in clips:
        if clip.fold is not None:
            folds[clip.segment_id].add(clip.fold)
    return {
        segment: sorted(found)
        for segment, found in folds.items()
        if len(found) > 1
    }
