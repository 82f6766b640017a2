"""Retrains the architecture of a completed trial, usually for more epochs.

The new trial has the settings of the completed trial, and the epochs and
patience of the final training. --epochs and --config.training.FIELD override
these values. The new trial belongs to the stage `train` and can be exported.

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
    "Id of the trial whose architecture is retrained; `results` lists the ids.",
    required=True,
)
_EPOCHS = flags.DEFINE_integer(
    "epochs",
    None,
    "Maximum number of epochs. Default: the epochs of the final training.",
    lower_bound=1,
)


def main(argv: Sequence[str]) -> None:
    settings = _EXPERIMENT.overrides("training")
    config, runner = _EXPERIMENT.config, _RUNNER()
    if _EPOCHS.value is not None:
        settings["epochs"] = _EPOCHS.value
    from audiotag_nas.experiment.tuner import ArchitectureTuner
    from audiotag_nas.experiment.workspace import Workspace

    workdir = _EXPERIMENT.workdir
    # --config.training applies to this trial, not to the experiment.
    config.training = Workspace(workdir).read_config().training
    tuner = ArchitectureTuner(config, workdir=workdir, runner=runner)
    result = tuner.train(_TRIAL.value, settings)
    print(
        f"{result.trial_id}: validation EER "
        f"{result.metrics['validation_eer']:.4f}. `audiotag-nas export "
        f"--workdir={workdir} --trial={result.trial_id} "
        "--export_dir=DIRECTORY` exports the network."
    )


if __name__ == "__main__":
    command.run(main, interrupted=command.RESUMABLE)
