"""Tagged files as CSV and JSON, in a versioned schema.

CSV: one row an event; a tag that is present without an event, a file without
a tag and a file that failed have one row each, with the cells that don't
apply empty. Times are seconds from the file's start. JSON has the same and
all scores. Documented in docs/tagging.md.
"""

import csv
import io
import json
import os
from collections.abc import Iterable, Sequence
from typing import Any

from audiotag_nas.files import write_output
from audiotag_nas.serving.manifest import Manifest
from audiotag_nas.serving.tagger import TaggedFile

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


def write_csv(path: str | os.PathLike, tagged: Iterable[TaggedFile]) -> None:
    """Writes all events of all files, whole or not at all.

    Raises:
        StoreError: it can't be written.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for file in tagged:
        for row in csv_rows(file):
            writer.writerow({k: _cell(v) for k, v in row.items()})
    write_output(path, text.getvalue())


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


def write_json(
    path: str | os.PathLike, tagged: Sequence[TaggedFile], manifest: Manifest
) -> None:
    """Writes everything about all files, whole or not at all.

    Raises:
        StoreError: it can't be written.
    """
    value = {
        "schema_version": SCHEMA_VERSION,
        "model": {
            "tags": list(manifest.tags),
            "clip_seconds": manifest.clip_seconds,
            "versions": manifest.versions,
        },
        "files": [json_value(file) for file in tagged],
    }
    write_output(path, json.dumps(value, indent=1) + "\n")


def json_value(tagged: TaggedFile) -> dict[str, Any]:
    """One file as plain values."""
    value: dict[str, Any] = {
        "path": tagged.path_text,
        "status": tagged.status,
        "reason": tagged.reason,
        "notes": list(tagged.notes),
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
    """Text that a spreadsheet would run as a formula is quoted."""
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@")):
        return f"'{value}"
    return value
