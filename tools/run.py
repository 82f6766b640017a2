"""Runs the whole job: data, baseline, search, grid, training, export.

From sound files to a searched, trained, scored and exported tagger, with a
table that puts the found network beside the CRNN baseline. Stopped at any
point, the same command goes on.

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
    from audiotag_nas.experiment.progress import Progress
    from audiotag_nas.experiment.tuner import ArchitectureTuner

    progress = Progress()
    tuner = ArchitectureTuner(
        config, workdir=_EXPERIMENT.workdir, progress=progress, runner=runner
    )
    run_main_job(tuner, progress)


if __name__ == "__main__":
    command.run(main, interrupted=command.RESUMABLE)
