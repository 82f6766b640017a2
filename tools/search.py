"""Searches architectures and lists the best trials.

The tool prepares the data if necessary, runs `search.num_trials` trials and
keeps the best networks. After an interruption, the same command continues.

  audiotag-nas search --config=demo --workdir=runs/demo
"""

from collections.abc import Sequence

from audiotag_nas.command_line import command, experiment_flags, runner_flags
from audiotag_nas.terminal import print_lines

_EXPERIMENT = experiment_flags.define_experiment_flags()
_RUNNER = runner_flags.define_runner_flags()
experiment_flags.define_early_stop_flag()


def main(argv: Sequence[str]) -> None:
    config, runner = _EXPERIMENT.config, _RUNNER()
    from audiotag_nas.experiment.tuner import ArchitectureTuner

    tuner = ArchitectureTuner(
        config, workdir=_EXPERIMENT.workdir, runner=runner
    )
    outcome = tuner.search()
    if outcome.stop_reason:
        print_lines(f"ended early: {outcome.stop_reason}")
    tuner.results_summary()


if __name__ == "__main__":
    command.run(main, interrupted=command.RESUMABLE)
