"""Tables of tagged files as CSV and JSON, in a versioned schema.

CSV: one row per event; a tag that is present without an event, a file without
a tag and a file that failed have one row each, with the cells that don't
apply empty. Times are seconds from the file's start. JSON has the same and
all scores. Both are written file by file. Documented in docs/tagging.md.
"""

import csv
import io
import json
import os
import textwrap
from typing import Any, Protocol

from audiotag_nas.serving.growing_file import Existing, GrowingFile
from audiotag_nas.serving.model_manifest import Manifest
from audiotag_nas.serving.tagger import TaggedFile
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
    """A file that tagged files are written to, one after the other."""

    def add(self, tagged: TaggedFile) -> None:
        """Writes one file.

        Raises:
            StoreError: it can't be written.
        """


class CsvTable:
    """The events of tagged files as CSV; one line of the file is one row.

    Raises:
        StoreError: as `GrowingFile`.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        *,
        existing: Existing = Existing.REFUSE,
    ) -> None:
        # A line break ends the file, not a row: it is the tail.
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
    """Everything about tagged files as one JSON value.

    Raises:
        StoreError: as `GrowingFile`.
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
    """The rows of one file; at least one."""
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
        of_tag = base | {
            "tag": tag,
            "score": round(scores.score(tag), 6),
            "threshold": round(threshold, 6),
        }
        rows += [
            of_tag
            | {
                "onset_seconds": round(event.onset_seconds, 3),
                "offset_seconds": round(event.offset_seconds, 3),
                "event_score": round(event.score, 6),
            }
            for event in scores.times(tag)
        ] or [of_tag]
    return rows or [base]


def json_value(tagged: TaggedFile) -> dict[str, Any]:
    """One file as plain values."""
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
    """A cell on one line; text that a spreadsheet would run is quoted."""
    if not isinstance(value, str):
        return value
    return quoted_formula(escaped(value))
