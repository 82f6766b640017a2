"""Grid search over mixup, spectrogram size and batch size.

The grid search trains the architecture that the search in --workdir recommends.
An unfinished search is finished first.

  audiotag-nas grid --config=demo --workdir=runs/demo
"""

from collections.abc import Sequence

from audiotag_nas.command_line import command, experiment_flags, runner_flags

_EXPERIMENT = experiment_flags.define_experiment_flags()
_RUNNER = runner_flags.define_runner_flags()
experiment_flags.define_early_stop_flag()


def main(argv: Sequence[str]) -> None:
    config, runner = _EXPERIMENT.config, _RUNNER()
    from audiotag_nas.experiment.results import ranked_entries
    from audiotag_nas.experiment.tuner import ArchitectureTuner

    tuner = ArchitectureTuner(
        config, workdir=_EXPERIMENT.workdir, runner=runner
    )
    num_done = len(ranked_entries(tuner.workspace, "search"))
    if num_done < config.search.num_trials:
        tuner.progress.line(
            f"the search is finished first: {num_done} of "
            f"{config.search.num_trials} trials are done"
        )
    architecture = tuner.get_recommended_architecture()
    print(f"grid search for {architecture.describe()}")
    outcome = tuner.grid_search(architecture)
    print(f"best settings: {outcome.best_trial.hparams}")


if __name__ == "__main__":
    command.run(main, interrupted=command.RESUMABLE)
