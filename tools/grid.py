"""Grid search over mixup, spectrogram size and batch size.

For the architecture that the finished search in --workdir recommends (the
search is finished first if it is not).

  audiotag-nas grid --config=demo --workdir=runs/demo
"""

from collections.abc import Sequence

from audiotag_nas.command_line import command, experiment_flags, runner_flags

_EXPERIMENT = experiment_flags.define_experiment_flags()
_RUNNER = runner_flags.define_runner_flags()
experiment_flags.define_early_stop_flag()


def main(argv: Sequence[str]) -> None:
    config, runner = _EXPERIMENT.config, _RUNNER()
    from audiotag_nas.experiment.progress import Progress
    from audiotag_nas.experiment.tuner import ArchitectureTuner
    from audiotag_nas.inspection.results import ranked_entries

    progress = Progress()
    tuner = ArchitectureTuner(
        config, workdir=_EXPERIMENT.workdir, progress=progress, runner=runner
    )
    num_done = len(ranked_entries(tuner.workspace, "search"))
    if num_done < config.search.num_trials:
        progress.line(
            f"the architecture search comes first: {num_done} of "
            f"{config.search.num_trials} children are trained"
        )
    architecture = tuner.get_recommended_architecture()
    print(f"grid for {architecture.describe()}")
    outcome = tuner.grid_search(architecture)
    print(f"best: {outcome.best_trial.hparams}")


if __name__ == "__main__":
    command.run(main, interrupted=command.RESUMABLE)
