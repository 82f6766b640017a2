"""Writes tagged files to CSV and JSON tables, in a versioned schema.

CSV has one row per event. A present tag without an event, a file without a
present tag and a failed file have one row each. Cells that don't apply are
empty. Times are seconds from the file's start. The JSON table also has all
scores. Both tables grow file by file. See docs/reference/file_formats.md.
"""

import csv
import io
import json
import os
import textwrap
from typing import Any, Protocol

from audiotag_nas.serving.growing_file import Existing, GrowingFile
from audiotag_nas.serving.model_manifest import Manifest
from audiotag_nas.serving.tagged_file import TaggedFile
from audiotag_nas.spreadsheet import quoted_formula
from audiotag_nas.terminal import escaped

SCHEMA_VERSION = 1
COLUMNS = (
    "schema_version",
    "path",
    "status",
    "seconds",
    "tag",
    "score",
    "threshold",
    "onset_seconds",
    "offset_seconds",
    "event_score",
    "reason",
)


class Table(Protocol):
    """A table that grows by one tagged file at a time."""

    def add(self, tagged: TaggedFile) -> None:
        """Adds one tagged file.

        Raises:
            StoreError: the table can't be written.
        """


class CsvTable:
    """The events of tagged files as CSV, with one line per row.

    Raises:
        StoreError: the file can't be created or continued (`GrowingFile`).
    """

    def __init__(
        self, path: str | os.PathLike, *, existing: Existing = Existing.REFUSE
    ) -> None:
        # The last line break is the tail. All others begin an entry.
        self._file = GrowingFile(
            path, head=",".join(COLUMNS), tail="\n", existing=existing
        )

    def add(self, tagged: TaggedFile) -> None:
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        for row in csv_rows(tagged):
            writer.writerow({k: _cell(v) for k, v in row.items()})
        self._file.add("\n" + text.getvalue().removesuffix("\n"))


class JsonTable:
    """All results of tagged files as one JSON value.

    Raises:
        StoreError: the file can't be created or continued (`GrowingFile`).
    """

    def __init__(
        self,
        path: str | os.PathLike,
        manifest: Manifest,
        *,
        existing: Existing = Existing.REFUSE,
    ) -> None:
        value = {
            "schema_version": SCHEMA_VERSION,
            "model": {
                "tags": list(manifest.tags),
                "clip_seconds": manifest.clip_seconds,
                "versions": manifest.versions,
            },
            "files": [],
        }
        end = "]\n}"
        self._file = GrowingFile(
            path,
            head=json.dumps(value, indent=1).removesuffix(end),
            separator=",",
            tail=f"\n {end}\n",
            existing=existing,
        )

    def add(self, tagged: TaggedFile) -> None:
        text = json.dumps(json_value(tagged), indent=1)
        self._file.add("\n" + textwrap.indent(text, "  "))


def csv_rows(tagged: TaggedFile) -> list[dict[str, Any]]:
    """Returns one or more rows for one file."""
    base = {
        "schema_version": SCHEMA_VERSION,
        "path": tagged.path_text,
        "status": tagged.status,
        "reason": tagged.reason or "; ".join(tagged.notes),
    }
    scores = tagged.scores
    if scores is None:
        return [base]
    base["seconds"] = round(scores.seconds, 3)
    rows = []
    for tag in scores.present:
        threshold = scores.thresholds[scores.tags.index(tag)]
        tag_row = base | {
            "tag": tag,
            "score": round(scores.score(tag), 6),
            "threshold": round(threshold, 6),
        }
        rows += [
            tag_row
            | {
                "onset_seconds": round(event.onset_seconds, 3),
                "offset_seconds": round(event.offset_seconds, 3),
                "event_score": round(event.score, 6),
            }
            for event in scores.times(tag)
        ] or [tag_row]
    return rows or [base]


def json_value(tagged: TaggedFile) -> dict[str, Any]:
    """Returns the results of one file as plain values."""
    value: dict[str, Any] = {
        "path": tagged.path_text,
        "status": tagged.status,
        "reason": escaped(tagged.reason),
        "notes": [escaped(note) for note in tagged.notes],
    }
    scores = tagged.scores
    if scores is None:
        return value
    return value | {
        "seconds": scores.seconds,
        "tags": {
            tag: {
                "score": scores.score(tag),
                "threshold": threshold,
                "present": tag in scores.present,
            }
            for tag, threshold in zip(
                scores.tags, scores.thresholds, strict=True
            )
        },
        "events": [
            {
                "tag": event.tag,
                "onset_seconds": event.onset_seconds,
                "offset_seconds": event.offset_seconds,
                "score": event.score,
            }
            for event in scores.events
        ],
    }


def _cell(value: Any) -> Any:
    """Returns a cell without line breaks, with formulas quoted."""
    if not isinstance(value, str):
        return value
    return quoted_formula(escaped(value))
