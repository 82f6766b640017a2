"""Trains the architecture of any trial longer, without a new search.

With the trial's settings, and by default with the epochs and patience of the
final training; fields of --config.training change them. The training is
journaled in the stage `train`, and `export` exports its network.

  audiotag-nas train --workdir=runs/demo --trial=search-0007 --epochs=40
"""

from collections.abc import Sequence

from absl import flags

from audiotag_nas.command_line import command, experiment_flags, runner_flags

_EXPERIMENT = experiment_flags.define_experiment_flags()
_RUNNER = runner_flags.define_runner_flags()
_TRIAL = flags.DEFINE_string(
    "trial",
    None,
    "Whose architecture: an id that `results` lists.",
    required=True,
)
_EPOCHS = flags.DEFINE_integer(
    "epochs",
    None,
    "How many at most; by default those of the final training.",
    lower_bound=1,
)


def main(argv: Sequence[str]) -> None:
    settings = _EXPERIMENT.overrides("training")
    config, runner = _EXPERIMENT.config, _RUNNER()
    if _EPOCHS.value is not None:
        settings["epochs"] = _EPOCHS.value
    from audiotag_nas.experiment.progress import Progress
    from audiotag_nas.experiment.tuner import ArchitectureTuner
    from audiotag_nas.experiment.workspace import Workspace

    workdir = _EXPERIMENT.workdir
    # The settings are this training's, not the experiment's.
    config.training = Workspace(workdir).read_config().training
    tuner = ArchitectureTuner(
        config, workdir=workdir, progress=Progress(), runner=runner
    )
    result = tuner.train(_TRIAL.value, settings)
    print(
        f"{result.trial_id}, validation EER "
        f"{result.metrics['validation_eer']:.4f}: `audiotag-nas export "
        f"--workdir={workdir} --trial={result.trial_id} "
        "--export_dir=DIRECTORY` exports it"
    )


if __name__ == "__main__":
    command.run(main, interrupted=command.RESUMABLE)
