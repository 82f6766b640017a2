"""Tags sound files with an exported model: which tags, and when.

    tag --model workdir/export kitchen.mp3 hall.flac
    tag --model workdir/export --csv tags.csv --plot_dir pictures *.wav

Any format that soundfile reads, any sample rate, mono or stereo; long files
pass in a stream. Prints, for each file, every tag whose score reaches its
threshold with the times at which it is active. A file that can't be tagged is
reported with the reason, and the others go on: the exit status is 1 if some
failed and 2 if all did. A picture that can't be drawn is a note. The tables
are written file by file: after Ctrl-C (exit status 130) or SIGTERM (143) they
hold the files done. docs/tagging.md has the formats of --csv and --json.
"""

import dataclasses
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from audiotag_nas import interrupts, terminal
from audiotag_nas.command_line import command, exit_status, flag_paths

if TYPE_CHECKING:
    from audiotag_nas.serving.growing_file import Existing
    from audiotag_nas.serving.output_tables import Table
    from audiotag_nas.serving.tagger import TaggedFile, Tagger

_MODEL = flags.DEFINE_string(
    "model", None, "Directory of the exported model.", required=True
)
_THRESHOLD = flags.DEFINE_float(
    "threshold",
    None,
    "For all tags, instead of those stored in the model.",
    lower_bound=0.0,
    upper_bound=1.0,
)
_MERGE_GAP_SECONDS = flags.DEFINE_float(
    "merge_gap_seconds",
    0.2,
    "Shorter pauses within a tag are bridged.",
    lower_bound=0.0,
)
_MIN_EVENT_SECONDS = flags.DEFINE_float(
    "min_event_seconds",
    0.1,
    "Shorter stretches of a tag are dropped.",
    lower_bound=0.0,
)
_CSV = flags.DEFINE_string("csv", None, "Where to write the events as CSV.")
_JSON = flags.DEFINE_string(
    "json", None, "Where to write scores and events as JSON."
)
_APPEND = flags.DEFINE_bool(
    "append", False, "Continue tables that exist already."
)
_OVERWRITE = flags.DEFINE_bool(
    "overwrite", False, "Replace tables that exist already."
)
_PLOT_DIR = flags.DEFINE_string(
    "plot_dir", None, "Where to draw a picture of each file's first minute."
)

_EXIT_SOME_FAILED = 1
_EXIT_ALL_FAILED = 2


@dataclasses.dataclass
class _Counts:
    """How many files are done."""

    total: int
    done: int = 0
    failed: int = 0


def main(argv: Sequence[str]) -> int:
    from audiotag_nas.errors import ConfigError
    from audiotag_nas.files import check_writable_directory
    from audiotag_nas.serving import growing_file

    paths = argv[1:]
    if not paths:
        raise ConfigError("give at least one sound file.")
    csv_path, json_path = (
        flag_paths.output_path(_CSV),
        flag_paths.output_path(_JSON),
    )
    table_paths = [path for path in (csv_path, json_path) if path is not None]
    existing = _existing(table_paths)
    if existing is growing_file.Existing.REFUSE:
        for path in table_paths:
            growing_file.check_absent(path)
    plot_dir = (
        None if _PLOT_DIR.value is None else flag_paths.directory(_PLOT_DIR)
    )
    if plot_dir is not None:
        check_writable_directory(plot_dir)
    counts = _Counts(len(paths))
    try:
        with interrupts.termination_raised():
            with interrupts.interrupts_kept():
                tagger = _load_tagger()
            tables = _tables(csv_path, json_path, tagger, existing)
            _tag_all(paths, tagger, tables, counts, plot_dir)
    except KeyboardInterrupt as error:
        terminated = isinstance(error, interrupts.Terminated)
        terminal.print_lines(
            f"{'terminated' if terminated else 'interrupted'} after "
            f"{counts.done} of {counts.total} files."
            + _where_rows_are(table_paths, counts),
            file=sys.stderr,
        )
        return exit_status.TERMINATED if terminated else exit_status.INTERRUPTED
    return _exit_status(counts)


def _existing(table_paths: list[str]) -> "Existing":
    """What happens to tables that are there.

    Raises:
        ConfigError: flags that contradict one another.
    """
    from audiotag_nas.errors import ConfigError
    from audiotag_nas.serving.growing_file import Existing

    if _APPEND.value and _OVERWRITE.value:
        raise ConfigError("give either --append or --overwrite.")
    if (_APPEND.value or _OVERWRITE.value) and not table_paths:
        name = _APPEND.name if _APPEND.value else _OVERWRITE.name
        raise ConfigError(f"--{name}: goes with --csv or --json.")
    if len(set(map(os.path.realpath, table_paths))) < len(table_paths):
        raise ConfigError(
            "--json: must name another file than --csv. "
            f"Received: {_JSON.value!r}"
        )
    if _APPEND.value:
        return Existing.APPEND
    return Existing.OVERWRITE if _OVERWRITE.value else Existing.REFUSE


def _load_tagger() -> "Tagger":
    from audiotag_nas.serving.events import EventSettings
    from audiotag_nas.serving.tagger import Tagger

    return Tagger.load(
        _MODEL.value,
        threshold=_THRESHOLD.value,
        events=EventSettings(
            merge_gap_seconds=_MERGE_GAP_SECONDS.value,
            min_event_seconds=_MIN_EVENT_SECONDS.value,
        ),
    )


def _tables(
    csv_path: str | None,
    json_path: str | None,
    tagger: "Tagger",
    existing: "Existing",
) -> "list[Table]":
    from audiotag_nas.serving.output_tables import CsvTable, JsonTable

    tables: list[Table] = []
    if csv_path is not None:
        tables.append(CsvTable(csv_path, existing=existing))
    if json_path is not None:
        tables.append(JsonTable(json_path, tagger.manifest, existing=existing))
    return tables


def _tag_all(
    paths: Sequence[str],
    tagger: "Tagger",
    tables: "Sequence[Table]",
    counts: _Counts,
    plot_dir: str | None,
) -> None:
    """Tags, records and prints one file after the other; keeps none."""
    for number, path in enumerate(paths, 1):
        with interrupts.interrupts_kept():
            tagged = _tag(tagger, path, number, plot_dir)
        # A file is in all tables and counted, or in none and not counted.
        with interrupts.interrupts_deferred():
            for table in tables:
                table.add(tagged)
            counts.done += 1
            counts.failed += tagged.scores is None
        _print(tagged)


def _tag(
    tagger: "Tagger", path: str, number: int, plot_dir: str | None
) -> "TaggedFile":
    """Tags one file and draws it, if pictures are asked for."""
    tagged = tagger.tag_file(path, keep_opening=plot_dir is not None)
    if plot_dir is None or tagged.scores is None:
        return tagged
    # Numbered, since files of different directories may share a name.
    return _drawn(
        tagged, Path(plot_dir) / f"{number:04d}_{tagged.path.name}.png"
    )


def _drawn(tagged: "TaggedFile", picture: Path) -> "TaggedFile":
    """Draws it; a failure to draw becomes a note, as the tags are there."""
    from audiotag_nas.errors import StoreError
    from audiotag_nas.files import store_errors

    try:
        with store_errors(picture, continues=False):
            tagged.plot(picture)
    except (StoreError, RuntimeError, ValueError) as error:
        # A name that is too long, a full disk, what matplotlib refuses.
        note = f"can't be drawn: {' '.join(str(error).split())}"
        return dataclasses.replace(tagged, notes=(*tagged.notes, note))
    return tagged


def _print(tagged: "TaggedFile") -> None:
    terminal.print_lines(
        *(f"{tagged.path}: {note}" for note in tagged.notes), file=sys.stderr
    )
    seconds = f" ({tagged.seconds:.1f} s)" if tagged.seconds else ""
    terminal.print_lines(
        f"{tagged.path}{seconds}",
        *(f"  {line}" for line in tagged.describe()),
    )


def _where_rows_are(table_paths: list[str], counts: _Counts) -> str:
    if not (table_paths and counts.done):
        return ""
    return f" Those are in {' and '.join(table_paths)}."


def _exit_status(counts: _Counts) -> int:
    if not counts.failed:
        return 0
    print(
        f"{counts.failed} of {counts.total} files could not be tagged.",
        file=sys.stderr,
    )
    all_failed = counts.failed == counts.total
    return _EXIT_ALL_FAILED if all_failed else _EXIT_SOME_FAILED


if __name__ == "__main__":
    command.run(main, positional="files")
