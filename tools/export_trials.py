"""Writes every trial of a working directory as one CSV table.

All stages, in the order in which they finished; one column for every field,
decision, setting and metric (docs/journal.md). Works while a search runs.

  audiotag-nas export_trials --workdir=runs/demo --output=trials.csv
"""

from collections.abc import Sequence

from absl import flags

from audiotag_nas import cli

_WORKDIR = flags.DEFINE_string(
    "workdir", None, "The experiment's directory.", required=True
)
_OUTPUT = flags.DEFINE_string(
    "output", None, "The CSV file; standard output if it is left out."
)


def main(argv: Sequence[str]) -> None:
    from audiotag_nas.errors import StoreError
    from audiotag_nas.experiment.results import export_table
    from audiotag_nas.experiment.workspace import Workspace
    from audiotag_nas.files import atomic_write_text
    from audiotag_nas.report.tables import format_csv
    from audiotag_nas.search.journal import read_entries

    workspace = Workspace(cli.directory(_WORKDIR))
    workspace.read_config()
    headers, rows = export_table(read_entries(workspace.journal_path))
    text = format_csv(rows, headers=headers)
    if _OUTPUT.value is None:
        print(text, end="")
        return
    try:
        atomic_write_text(_OUTPUT.value, text)
    except OSError as error:
        raise StoreError(
            f"{_OUTPUT.value}: can't be written ({error.strerror})."
        ) from error
    print(f"{_OUTPUT.value}: {len(rows)} trials")


if __name__ == "__main__":
    cli.run(main)
