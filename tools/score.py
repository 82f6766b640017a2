"""Computes the equal error rate of each tag, and their mean, from scores.

    score --labels labels.csv --scores scores.csv

The labels file has a row `filename,tags` for each clip, such as `x.wav,cop`. If
`tags` is empty, the clip has no tag. The scores file has a row
`filename,label,score` for each clip and tag. The first row of a file may be a
header with these column names. The default tags are those of DCASE 2016 task 4,
and --tags sets other tags. An error message names the file, tag or score that
is missing, unknown, repeated or malformed. docs/reference/metrics.md defines
the metrics.
"""

import json
import math
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from absl import flags

from audiotag_nas.command_line import command, flag_paths
from audiotag_nas.config import CHIME_HOME_TAGS
from audiotag_nas.terminal import print_lines

if TYPE_CHECKING:
    from audiotag_nas.metrics import TagReport

_LABELS = flags.DEFINE_string(
    "labels", None, "CSV file with rows filename,tags.", required=True
)
_SCORES = flags.DEFINE_string(
    "scores", None, "CSV file with rows filename,label,score.", required=True
)
_TAGS = flags.DEFINE_list(
    "tags",
    list(CHIME_HOME_TAGS),
    "The tags to score, in order. If any tag has several letters, ';' "
    "separates the tags of a clip in the labels file.",
)
_UNSCORED = flags.DEFINE_list(
    "unscored", ["S", "U"], "Tags that are allowed, but not scored."
)
_SEGMENTS = flags.DEFINE_string(
    "segments",
    None,
    "CSV file with rows filename,segment. The segment is the recording from "
    "which the file was cut. --bootstrap resamples whole segments, because "
    "clips of the same recording are not independent.",
)
_BOOTSTRAP = flags.DEFINE_integer(
    "bootstrap",
    0,
    "Number of resamples for 95 % intervals, e.g. 1000. With 0, no intervals "
    "are computed.",
    lower_bound=0,
)
_SEED = flags.DEFINE_integer(
    "seed", 0, "Seed of the resampling.", lower_bound=0
)
_CSV = flags.DEFINE_string("csv", None, "Write all metrics to this CSV file.")
_JSON = flags.DEFINE_string(
    "json", None, "Write all metrics to this JSON file."
)


def main(argv: Sequence[str]) -> None:
    del argv
    # These imports are late, so that --help answers at once.
    from audiotag_nas import files
    from audiotag_nas.metrics import evaluate_tags, score_files
    from audiotag_nas.report import result_tables

    csv_path, json_path = (
        flag_paths.output_path(_CSV),
        flag_paths.output_path(_JSON),
    )
    filenames, labels = score_files.read_labels(
        _LABELS.value, _TAGS.value, unscored=_UNSCORED.value
    )
    scores = score_files.read_scores(
        _SCORES.value, _TAGS.value, filenames, unscored=_UNSCORED.value
    )
    segments = None
    if _SEGMENTS.value is not None:
        segments = score_files.read_segments(_SEGMENTS.value, filenames)
    elif _BOOTSTRAP.value:
        print(
            "note: without --segments, each file counts as a recording of its "
            "own. If several files were cut from the same recording, the "
            "intervals are too narrow.",
            file=sys.stderr,
        )
    report = evaluate_tags(
        labels,
        scores,
        _TAGS.value,
        segments=segments,
        num_bootstrap=_BOOTSTRAP.value,
        seed=_SEED.value,
    )
    print_lines(*_lines(report))
    if csv_path is not None:
        files.write_output(csv_path, result_tables.report_csv(report))
    if json_path is not None:
        text = json.dumps(report.to_json(), indent=2, allow_nan=False)
        files.write_output(json_path, text + "\n")


def _lines(report: "TagReport") -> list[str]:
    """Returns lines with the EER and interval of each tag and of the mean."""
    rows = [
        (tag, row.eer, row.eer_interval) for tag, row in report.tags.items()
    ]
    rows.append(("mean", report.mean_eer, report.mean_eer_interval))
    width = max(len(name) for name, _, _ in rows)
    lines = []
    for name, eer, (low, high) in rows:
        value = "undefined" if math.isnan(eer) else f"{eer:.6f}"
        line = f"{name:<{width}}  {value}"
        if not math.isnan(low):
            line += f"  [{low:.6f}, {high:.6f}]"
        lines.append(line)
    if report.undefined:
        reasons = ", ".join(
            f"{tag} ({report.tags[tag].num_positives} positive and "
            f"{report.tags[tag].num_negatives} negative clips)"
            for tag in report.undefined
        )
        lines.append(
            f"The mean excludes tags without an EER ({len(report.undefined)}): "
            f"{reasons}"
        )
    return lines


if __name__ == "__main__":
    command.run(main)
