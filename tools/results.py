"""Lists the trials of a working directory, best first.

Works while a search runs, and after.

  audiotag-nas results --workdir=runs/demo --stage=grid
"""

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


def main(argv: Sequence[str]) -> None:
    from audiotag_nas.experiment.results import ranked_entries, results_lines
    from audiotag_nas.experiment.workspace import Workspace

    workspace = Workspace(_WORKDIR.value)
    workspace.read_config()
    entries = ranked_entries(workspace, _STAGE.value)
    print("\n".join(results_lines(entries, num_trials=_NUM_TRIALS.value)))


if __name__ == "__main__":
    cli.run(main)
