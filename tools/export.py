"""Exports a trained network of a working directory, to tag sounds with.

Any completed trial whose network is kept (the best ten of each stage): a child
of the search, a point of the grid, `final-found` or `final-baseline`. `run`
exports the better of the last two by itself.

  audiotag-nas export --workdir=runs/demo --trial=final-found \\
      --export_dir=models/found
"""

from collections.abc import Sequence

from absl import flags

from audiotag_nas.command_line import command, flag_paths
from audiotag_nas.terminal import print_lines

_WORKDIR = flags.DEFINE_string(
    "workdir", None, "The experiment's directory.", required=True
)
_TRIAL = flags.DEFINE_string(
    "trial", None, "Whose network: an id that `results` lists.", required=True
)
_EXPORT_DIR = flags.DEFINE_string(
    "export_dir",
    None,
    "Where to: a directory of its own, s3:// too; a model there is replaced.",
    required=True,
)


def main(argv: Sequence[str]) -> None:
    from audiotag_nas.data.storage import as_place
    from audiotag_nas.experiment.model_export import export_trial
    from audiotag_nas.experiment.workspace import Workspace
    from audiotag_nas.serving.model_manifest import check_replaceable

    workspace = Workspace(flag_paths.directory(_WORKDIR))
    config = workspace.reopen()
    place = as_place(flag_paths.directory(_EXPORT_DIR))
    check_replaceable(place)
    result = export_trial(config, workspace, _TRIAL.value, place)
    print_lines(
        f"{_TRIAL.value}, validation EER "
        f"{result.metrics['validation_eer']:.4f}: exported to {place}"
    )


if __name__ == "__main__":
    command.run(main)
