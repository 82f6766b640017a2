"""Writes all trials of a working directory as one CSV table.

The table has one row per trial of any stage, in the order in which the trials
finished. It has one column per field, decision, setting and metric (see
docs/reference/journal.md). Trials with superseded settings are omitted; their
number is printed. The tool also works during a search.

  audiotag-nas export_trials --workdir=runs/demo --output=trials.csv
"""

import sys
from collections.abc import Sequence

from absl import flags

from audiotag_nas.command_line import command, flag_paths
from audiotag_nas.terminal import print_lines

_WORKDIR = flags.DEFINE_string(
    "workdir", None, "The experiment's directory.", required=True
)
_OUTPUT = flags.DEFINE_string(
    "output", None, "The CSV file. Default: standard output."
)


def main(argv: Sequence[str]) -> None:
    from audiotag_nas.experiment.generations import read_generations
    from audiotag_nas.experiment.results import export_table, superseded_lines
    from audiotag_nas.experiment.workspace import Workspace
    from audiotag_nas.files import write_output
    from audiotag_nas.report.tables import format_csv

    output_path = flag_paths.output_path(_OUTPUT)
    workspace = Workspace(flag_paths.directory(_WORKDIR))
    workspace.read_config()
    generations = read_generations(workspace)
    headers, rows = export_table(generations.current)
    omitted = superseded_lines(len(generations.superseded))
    text = format_csv(rows, headers=headers)
    if output_path is None:
        print(text, end="")
        for line in omitted:
            print(line, file=sys.stderr)
        return
    write_output(output_path, text)
    print_lines(f"{output_path}: {len(rows)} trials", *omitted)


if __name__ == "__main__":
    command.run(main)
