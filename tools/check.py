"""Checks a data set before training, and explains each fault.

    check --manifest clips.csv --data_root sounds/
    check --chime_home chime_home/

The data set is a manifest of your own files, or an unpacked CHiME-Home. Each
sound file is decoded to its end. Each fault is printed with the file, the line,
the rule and the value. Then the number of clips per tag, split and fold is
printed. The exit status is 1 if there is a fault; notes do not count as faults.
docs/guide/data.md describes the formats.
"""

import functools
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from audiotag_nas.command_line import command, flag_paths
from audiotag_nas.terminal import print_lines

if TYPE_CHECKING:
    from audiotag_nas.data.findings import Finding

Row = tuple[str, int | None, str, str, str]
"""A row of the CSV output: file, line, listed path, status, reason."""

_MANIFEST = flags.DEFINE_string(
    "manifest",
    None,
    "CSV file with the header path,tags,split[,fold][,segment].",
)
_DATA_ROOT = flags.DEFINE_string(
    "data_root",
    None,
    "Directory to which the paths in the manifest are relative. The default is "
    "the directory of the manifest.",
)
_CHIME_HOME = flags.DEFINE_string(
    "chime_home", None, "Unpacked chime_home directory, or its parent."
)
_SAMPLE_RATE_HZ = flags.DEFINE_enum(
    "sample_rate_hz",
    "16000",
    ["16000", "48000"],
    "Which CHiME-Home sound files to check: those with this sample rate in Hz.",
)
_MIN_CLIP_SECONDS = flags.DEFINE_float(
    "min_clip_seconds",
    0.0,
    "A sound file that is shorter than this is a fault.",
    lower_bound=0.0,
)
_AUDIO = flags.DEFINE_bool(
    "audio", True, "Decode the sound files that the manifest lists."
)
_CSV = flags.DEFINE_string(
    "csv", None, "Write all faults, notes and accepted rows to this CSV file."
)

_MAX_NOTES = 20


def main(argv: Sequence[str]) -> None:
    del argv
    from audiotag_nas.errors import ConfigError

    csv_path = flag_paths.output_path(_CSV)
    manifest_path, dataset_dir = _MANIFEST.value, _CHIME_HOME.value
    if _DATA_ROOT.value is not None and manifest_path is None:
        raise ConfigError("--data_root: can be given only with --manifest.")
    if manifest_path is not None and dataset_dir is None:
        num_faults, rows = _check_manifest(manifest_path)
    elif dataset_dir is not None and manifest_path is None:
        num_faults, rows = _check_chime_home(dataset_dir)
    else:
        raise ConfigError(
            "exactly one of --manifest and --chime_home must be given."
        )
    if csv_path is not None:
        _write_csv(csv_path, rows)
    sys.exit(1 if num_faults else 0)


def _check_manifest(manifest_path: str) -> tuple[int, list[Row]]:
    """Prints the report; returns the number of faults and the CSV rows."""
    from audiotag_nas.data import manifest
    from audiotag_nas.data.splits import SPLITS

    root = _DATA_ROOT.value
    lengths: list[float] = []
    report = manifest.check_manifest(
        manifest_path,
        Path(manifest_path).parent if root is None else root,
        check_audio=(
            functools.partial(_check_audio, lengths=lengths)
            if _AUDIO.value
            else None
        ),
    )
    faults, notes = _faults_and_notes(report.findings)
    accepted: list[Row] = []
    for row in report.rows:
        place = (manifest_path, row.line, row.path)
        faults += [(*place, "rejected", reason) for reason in row.reasons]
        notes += [(*place, "note", note) for note in row.notes]
        if row.accepted:
            accepted.append((*place, "accepted", ""))
    _print_findings(faults, notes)
    _print_counts({split: report.split_clips(split) for split in SPLITS})
    _print_lengths(lengths)
    print(
        f"\n{len(accepted)} of {len(report.rows)} rows accepted, "
        f"{len(report.rejected)} rejected; faults: {len(faults)}, "
        f"notes: {len(notes)}."
    )
    return len(faults), [*faults, *notes, *accepted]


def _print_lengths(lengths: list[float]) -> None:
    """Prints how training treats clips that are too short or too long."""
    from audiotag_nas.config import DataConfig

    data = DataConfig()
    num_short = sum(x < data.min_clip_seconds for x in lengths)
    num_long = sum(x > data.clip_seconds for x in lengths)
    if num_short:
        print(
            f"\nclips shorter than {data.min_clip_seconds} s: {num_short}. "
            "Training rejects them unless you reduce "
            "config.data.min_clip_seconds."
        )
    if num_long:
        print(
            f"\nclips longer than {data.clip_seconds} s: {num_long}. Training "
            f"uses only the first {data.clip_seconds} s of each clip "
            "(config.data.clip_seconds)."
        )


def _check_audio(
    path: Path, *, lengths: list[float]
) -> tuple[list[str], list[str]]:
    """Adds the file's length; returns reasons to reject the file, and notes."""
    from audiotag_nas.data.audio import inspect_audio
    from audiotag_nas.errors import DataError

    try:
        summary = inspect_audio(path)
    except DataError as error:
        return [f"audio: {error}"], []
    lengths.append(summary.seconds)
    notes = [f"audio: {note}" for note in summary.notes]
    if summary.seconds < _MIN_CLIP_SECONDS.value:
        reason = (
            f"audio: {path}: must be at least {_MIN_CLIP_SECONDS.value} s "
            f"long. Received: {summary.seconds:.3f}"
        )
        return [reason], notes
    return [], notes


def _check_chime_home(dataset_dir: str) -> tuple[int, list[Row]]:
    """Prints the report; returns the number of faults and the CSV rows."""
    from audiotag_nas.data.chime_home_check import check_dataset

    report = check_dataset(
        dataset_dir,
        sample_rate_hz=int(_SAMPLE_RATE_HZ.value),
        min_clip_seconds=_MIN_CLIP_SECONDS.value,
        progress=_print_progress,
    )
    faults, notes = _faults_and_notes(report.findings)
    _print_findings(faults, notes)
    _print_counts(report.clips)
    print(
        f"\nfaults: {len(faults)}, notes: {len(notes)}, valid sound files: "
        f"{report.num_audio_files}."
    )
    return len(faults), [*faults, *notes]


def _faults_and_notes(
    findings: Sequence["Finding"],
) -> tuple[list[Row], list[Row]]:
    """Returns the errors and the notes as rows, in two lists."""
    faults: list[Row] = []
    notes: list[Row] = []
    for finding in findings:
        rows, status = (
            (faults, "error") if finding.is_error else (notes, "note")
        )
        rows.append((finding.path, finding.line, "", status, finding.reason))
    return faults, notes


def _print_progress(done: int, total: int) -> None:
    print(f"checked {done} of {total} chunks", file=sys.stderr)


def _print_findings(faults: list[Row], notes: list[Row]) -> None:
    """Prints every fault and the first notes."""
    shown = [*faults, *notes[:_MAX_NOTES]]
    for path, line, listed, status, reason in shown:
        place = path if line is None else f"{path}:{line}"
        name = f" {listed}" if listed else ""
        print_lines(f"{place}: {status}{name}: {reason}")
    if len(notes) > _MAX_NOTES:
        print(
            f"... and {len(notes) - _MAX_NOTES} more notes (--csv writes all)."
        )


def _print_counts(clips_by_list: dict[str, list]) -> None:
    """Prints the number of clips of each list, also per tag and per fold."""
    from audiotag_nas.data.clip import count_tags
    from audiotag_nas.report import tables

    lists = clips_by_list.values()
    tag_counts = [count_tags(clips) for clips in lists]
    tags = dict.fromkeys(tag for counts in tag_counts for tag in counts)
    folds = [[clip.fold for clip in clips] for clips in lists]
    fold_numbers = sorted({fold for found in folds for fold in found} - {None})
    untagged = (sum(not clip.tags for clip in clips) for clips in lists)
    rows: list[list] = [
        ["clips", *map(len, lists)],
        *(
            [f"tag {tag}", *(counts.get(tag, 0) for counts in tag_counts)]
            for tag in tags
        ),
        ["no tag", *untagged],
        *(
            [f"fold {fold}", *(found.count(fold) for found in folds)]
            for fold in fold_numbers
        ),
    ]
    headers = ["", *(name.removesuffix(".csv") for name in clips_by_list)]
    print(f"\n{tables.format_table(rows, headers=headers)}")


def _write_csv(path: str, rows: list[Row]) -> None:
    from audiotag_nas.files import write_output
    from audiotag_nas.report import tables

    headers = ["file", "line", "path", "status", "reason"]
    write_output(path, tables.format_csv(rows, headers=headers))


if __name__ == "__main__":
    command.run(main)
