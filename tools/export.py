"""Exports a trained network of a working directory, for tagging.

A completed trial of any stage can be exported if its network was kept. Most
stages keep their ten best networks, and `train` keeps all networks. The tool
`run` exports the better of the networks `final-found` and `final-baseline`.

  audiotag-nas export --workdir=runs/demo --trial=final-found \\
      --export_dir=models/found
"""

from collections.abc import Sequence

from absl import flags

from audiotag_nas.command_line import command, flag_paths
from audiotag_nas.terminal import print_lines

_WORKDIR = flags.DEFINE_string(
    "workdir", None, "Working directory of the experiment.", required=True
)
_TRIAL = flags.DEFINE_string(
    "trial", None, "Id of the trial; `results` lists the ids.", required=True
)
_EXPORT_DIR = flags.DEFINE_string(
    "export_dir",
    None,
    "Directory for the model. It must be new or empty, or contain an exported "
    "model, which is replaced. It may be remote (s3://).",
    required=True,
)


def main(argv: Sequence[str]) -> None:
    from audiotag_nas.data.storage import as_path
    from audiotag_nas.experiment.model_export import export_trial
    from audiotag_nas.experiment.workspace import Workspace
    from audiotag_nas.serving.model_directory import check_replaceable

    workspace = Workspace(flag_paths.directory(_WORKDIR))
    config = workspace.reopen()
    place = as_path(flag_paths.directory(_EXPORT_DIR))
    check_replaceable(place)
    result = export_trial(config, workspace, _TRIAL.value, place)
    print_lines(
        f"{_TRIAL.value} (validation EER "
        f"{result.metrics['validation_eer']:.4f}) was exported to {place}"
    )


if __name__ == "__main__":
    command.run(main)
