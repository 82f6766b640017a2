"""Runs the whole job: data, baseline, search, grid, training, export.

The job ends with an exported tagger and a table that compares the found network
with the CRNN baseline. After an interruption, the same command continues.

  audiotag-nas run --config=demo --workdir=runs/demo
"""

from collections.abc import Sequence

from audiotag_nas.command_line import command, experiment_flags, runner_flags

_EXPERIMENT = experiment_flags.define_experiment_flags()
_RUNNER = runner_flags.define_runner_flags()
experiment_flags.define_early_stop_flag()


def main(argv: Sequence[str]) -> None:
    config, runner = _EXPERIMENT.config, _RUNNER()
    from audiotag_nas.experiment.main_job import run_main_job
    from audiotag_nas.experiment.tuner import ArchitectureTuner

    run_main_job(
        ArchitectureTuner(config, workdir=_EXPERIMENT.workdir, runner=runner)
    )


if __name__ == "__main__":
    command.run(main, interrupted=command.RESUMABLE)
