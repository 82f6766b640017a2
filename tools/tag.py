"""Tags sound files with an exported model: which tags, and when.

    tag --model workdir/export kitchen.mp3 hall.flac
    tag --model workdir/export --csv tags.csv --plot_dir pictures *.wav

Any format that soundfile reads, any sample rate, mono or stereo; long files
pass in a stream. Prints, for each file, every tag whose score reaches its
threshold with the times at which it is active. A file that can't be tagged is
reported with the reason, and the others go on: the exit status is 1 if some
failed and 2 if all did. A picture that can't be drawn is a note. After Ctrl-C
the tables hold the files done, as `tags.interrupted.csv` for `tags.csv`.
docs/tagging.md has the formats of --csv and --json.
"""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from audiotag_nas import cli
from audiotag_nas.terminal import interrupts_kept

if TYPE_CHECKING:
    from audiotag_nas.serving.manifest import Manifest
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
_PLOT_DIR = flags.DEFINE_string(
    "plot_dir", None, "Where to draw a picture of each file's first minute."
)

_EXIT_SOME_FAILED = 1
_EXIT_ALL_FAILED = 2


def main(argv: Sequence[str]) -> int:
    from audiotag_nas.errors import ConfigError
    from audiotag_nas.files import check_writable_directory
    from audiotag_nas.serving.events import EventSettings

    paths = argv[1:]
    if not paths:
        raise ConfigError("give at least one sound file.")
    csv_path, json_path = cli.output_path(_CSV), cli.output_path(_JSON)
    plot_dir = None if _PLOT_DIR.value is None else cli.directory(_PLOT_DIR)
    if plot_dir is not None:
        check_writable_directory(plot_dir)
    from audiotag_nas.serving.tagger import Tagger

    tagger = Tagger.load(
        _MODEL.value,
        threshold=_THRESHOLD.value,
        events=EventSettings(
            merge_gap_seconds=_MERGE_GAP_SECONDS.value,
            min_event_seconds=_MIN_EVENT_SECONDS.value,
        ),
    )
    tagged: list[TaggedFile] = []
    try:
        for number, path in enumerate(paths, 1):
            with interrupts_kept():
                tagged.append(_tag(tagger, path, number, plot_dir))
    except KeyboardInterrupt:
        written = []
        if tagged:
            written = _write_tables(
                tagged,
                tagger.manifest,
                _interrupted_name(csv_path),
                _interrupted_name(json_path),
            )
        kept = f" Those are in {' and '.join(written)}." if written else ""
        print(
            f"interrupted after {len(tagged)} of {len(paths)} files.{kept}",
            file=sys.stderr,
        )
        return cli.EXIT_INTERRUPTED
    _write_tables(tagged, tagger.manifest, csv_path, json_path)
    return _exit_status(tagged)


def _tag(
    tagger: "Tagger", path: str, number: int, plot_dir: str | None
) -> "TaggedFile":
    """Tags and draws one file, and prints what came of it."""
    tagged = tagger.tag_file(path)
    if plot_dir is not None and tagged.scores is not None:
        # Numbered, since files of different directories may share a name.
        picture = f"{number:04d}_{tagged.path.name}.png"
        tagged = _drawn(tagged, Path(plot_dir) / picture)
    _print(tagged)
    return tagged


def _interrupted_name(path: str | None) -> str | None:
    """Where a table of some of the files goes: never in place of a whole."""
    if path is None:
        return None
    whole = Path(path)
    return str(whole.with_name(f"{whole.stem}.interrupted{whole.suffix}"))


def _write_tables(
    tagged: "list[TaggedFile]",
    manifest: "Manifest",
    csv_path: str | None,
    json_path: str | None,
) -> list[str]:
    """Returns the paths of what it wrote."""
    from audiotag_nas.serving import tables

    if csv_path is not None:
        tables.write_csv(csv_path, tagged)
    if json_path is not None:
        tables.write_json(json_path, tagged, manifest)
    return [path for path in (csv_path, json_path) if path is not None]


def _drawn(tagged: "TaggedFile", picture: Path) -> "TaggedFile":
    """Draws it; what hinders that becomes a note, the tags are there."""
    from audiotag_nas.errors import StoreError
    from audiotag_nas.files import store_errors

    try:
        with store_errors(picture, goes_on=False):
            tagged.plot(picture)
    except (StoreError, RuntimeError, ValueError) as error:
        # A name that is too long, a full disk, what matplotlib refuses.
        note = f"can't be drawn: {' '.join(str(error).split())}"
        return dataclasses.replace(tagged, notes=(*tagged.notes, note))
    return tagged


def _print(tagged: "TaggedFile") -> None:
    for note in tagged.notes:
        print(f"{tagged.path}: {note}", file=sys.stderr)
    seconds = f" ({tagged.seconds:.1f} s)" if tagged.seconds else ""
    print(f"{tagged.path}{seconds}")
    for line in tagged.describe():
        print(f"  {line}", flush=True)


def _exit_status(tagged: "Sequence[TaggedFile]") -> int:
    num_failed = sum(file.scores is None for file in tagged)
    if not num_failed:
        return 0
    print(
        f"{num_failed} of {len(tagged)} files could not be tagged.",
        file=sys.stderr,
    )
    return _EXIT_ALL_FAILED if num_failed == len(tagged) else _EXIT_SOME_FAILED


if __name__ == "__main__":
    cli.run(main, positional="files")
