"""Tags sound files with an exported model.

    tag --model workdir/export kitchen.mp3 hall.flac
    tag --model workdir/export --csv tags.csv --plot_dir pictures *.wav

The command reads all formats that soundfile reads, with any sample rate, length
and number of channels. For each file, it prints the tags whose scores reach
their thresholds, and the times at which these tags are active.

If a file can't be tagged, the reason is reported and the command continues with
the next file. The exit status is 1 if some files failed and 2 if all files
failed. A picture that can't be drawn is reported as a note. The tables of --csv
and --json (docs/reference/file_formats.md) grow file by file, so after Ctrl-C
(exit status 130) or SIGTERM (143) they have the rows of the finished files.
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
    from audiotag_nas.serving.tagged_file import TaggedFile
    from audiotag_nas.serving.tagger import Tagger

_MODEL = flags.DEFINE_string(
    "model", None, "Directory of the exported model.", required=True
)
_THRESHOLD = flags.DEFINE_float(
    "threshold",
    None,
    "One threshold for all tags, instead of the thresholds of the model.",
    lower_bound=0.0,
    upper_bound=1.0,
)
_MERGE_GAP_SECONDS = flags.DEFINE_float(
    "merge_gap_seconds",
    0.2,
    "Two events of a tag are merged if their gap is shorter than this.",
    lower_bound=0.0,
)
_MIN_EVENT_SECONDS = flags.DEFINE_float(
    "min_event_seconds",
    0.1,
    "After merging, events shorter than this are dropped.",
    lower_bound=0.0,
)
_CSV = flags.DEFINE_string("csv", None, "CSV file to write, with the events.")
_JSON = flags.DEFINE_string(
    "json", None, "JSON file to write, with scores and events."
)
_APPEND = flags.DEFINE_bool(
    "append", False, "Continue the files of --csv and --json if they exist."
)
_OVERWRITE = flags.DEFINE_bool(
    "overwrite", False, "Replace the files of --csv and --json if they exist."
)
_PLOT_DIR = flags.DEFINE_string(
    "plot_dir", None, "Directory for a picture of each file's first minute."
)

_EXIT_SOME_FAILED = 1
_EXIT_ALL_FAILED = 2


@dataclasses.dataclass
class _Counts:
    """Numbers of all, finished and failed files."""

    total: int
    done: int = 0
    failed: int = 0


def main(argv: Sequence[str]) -> int:
    from audiotag_nas.errors import ConfigError
    from audiotag_nas.files import check_writable_directory
    from audiotag_nas.serving import growing_file

    paths = argv[1:]
    if not paths:
        raise ConfigError("at least one sound file must be given.")
    csv_path = flag_paths.output_path(_CSV)
    json_path = flag_paths.output_path(_JSON)
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
            + _saved_in(table_paths, counts),
            file=sys.stderr,
        )
        return exit_status.TERMINATED if terminated else exit_status.INTERRUPTED
    return _exit_status(counts)


def _existing(table_paths: list[str]) -> "Existing":
    """Returns what the flags request for tables that exist.

    Raises:
        ConfigError: the flags contradict each other.
    """
    from audiotag_nas.errors import ConfigError
    from audiotag_nas.serving.growing_file import Existing

    if _APPEND.value and _OVERWRITE.value:
        raise ConfigError("--append and --overwrite: only one can be given.")
    if (_APPEND.value or _OVERWRITE.value) and not table_paths:
        name = _APPEND.name if _APPEND.value else _OVERWRITE.name
        raise ConfigError(f"--{name}: needs --csv or --json.")
    if len(set(map(os.path.realpath, table_paths))) < len(table_paths):
        raise ConfigError(
            "--json: must name a different file than --csv. "
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
    """Tags each file, adds the file to the tables and prints the result."""
    for number, path in enumerate(paths, 1):
        with interrupts.interrupts_kept():
            tagged = _tag(tagger, path, number, plot_dir)
        # An interrupt must not leave a file in only one of the tables.
        with interrupts.interrupts_deferred():
            for table in tables:
                table.add(tagged)
            counts.done += 1
            counts.failed += tagged.scores is None
        _print(tagged)


def _tag(
    tagger: "Tagger", path: str, number: int, plot_dir: str | None
) -> "TaggedFile":
    """Tags one file and, if `plot_dir` is given, draws its picture."""
    tagged = tagger.tag_file(path, keep_first_minute=plot_dir is not None)
    if plot_dir is None or tagged.scores is None:
        return tagged
    # The number distinguishes files of the same name in different directories.
    return _drawn(
        tagged, Path(plot_dir) / f"{number:04d}_{tagged.path.name}.png"
    )


def _drawn(tagged: "TaggedFile", picture: Path) -> "TaggedFile":
    """Draws the picture of a tagged file. An error becomes a note."""
    from audiotag_nas.errors import StoreError
    from audiotag_nas.files import store_errors

    try:
        with store_errors(picture, continues=False):
            tagged.plot(picture)
    except (StoreError, RuntimeError, ValueError) as error:
        # E.g. the name is too long, the disk is full, or matplotlib fails.
        note = f"can't be drawn: {' '.join(str(error).split())}"
        return dataclasses.replace(tagged, notes=(*tagged.notes, note))
    return tagged


def _print(tagged: "TaggedFile") -> None:
    terminal.print_lines(
        *(f"{tagged.path}: {note}" for note in tagged.notes), file=sys.stderr
    )
    seconds = f" ({tagged.seconds:.1f} s)" if tagged.seconds else ""
    terminal.print_lines(
        f"{tagged.path}{seconds}", *(f"  {line}" for line in tagged.describe())
    )


def _saved_in(table_paths: list[str], counts: _Counts) -> str:
    if not (table_paths and counts.done):
        return ""
    return f" Their results are in {' and '.join(table_paths)}."


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
