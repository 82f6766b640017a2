"""Lists the trials of a working directory, best first; CSV on request.

Works while a search runs, and after.

  audiotag-nas results --workdir=runs/demo --stage=grid
"""

import csv
import io
from collections.abc import Sequence

from absl import flags

from audiotag_nas import cli

_WORKDIR = flags.DEFINE_string("workdir", None, cli.WORKDIR_HELP, required=True)
_STAGE = flags.DEFINE_enum(
    "stage",
    "search",
    ["baseline", "search", "grid", "final"],
    "Whose trials.",
)
_NUM_TRIALS = flags.DEFINE_integer(
    "num_trials", 10, "How many to list.", lower_bound=1
)
_CSV = flags.DEFINE_string("csv", None, "Also writes all of them to this file.")


def main(argv: Sequence[str]) -> None:
    from audiotag_nas.experiment.results import (
        ranked_entries,
        results_lines,
        results_table,
    )
    from audiotag_nas.experiment.workspace import Workspace
    from audiotag_nas.files import atomic_write_text

    workspace = Workspace(_WORKDIR.value)
    workspace.read_config()
    entries = ranked_entries(workspace, _STAGE.value)
    print("\n".join(results_lines(entries, num_trials=_NUM_TRIALS.value)))
    if _CSV.value is not None:
        buffer = io.StringIO()
        csv.writer(buffer, lineterminator="\n").writerows(
            results_table(entries)
        )
        atomic_write_text(_CSV.value, buffer.getvalue())


if __name__ == "__main__":
    cli.run(main)
