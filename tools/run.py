"""Runs the whole job: data, baseline, search, grid, training, export.

From sound files to a searched, trained, scored and exported tagger, with a
table that puts the found network beside the CRNN baseline. Stopped at any
point, the same command goes on.

  audiotag-nas run --config=demo --workdir=runs/demo
"""

from collections.abc import Sequence

from absl import flags
from ml_collections import config_flags

from audiotag_nas import cli

_CONFIG = config_flags.DEFINE_config_file("config", help_string=cli.CONFIG_HELP)
_WORKDIR = flags.DEFINE_string("workdir", None, cli.WORKDIR_HELP, required=True)


def main(argv: Sequence[str]) -> None:
    config = cli.validated(_CONFIG.value)
    from audiotag_nas.experiment.main_job import run_main_job
    from audiotag_nas.experiment.progress import Progress
    from audiotag_nas.experiment.tuner import ArchitectureTuner

    progress = Progress()
    tuner = ArchitectureTuner(config, workdir=_WORKDIR.value, progress=progress)
    run_main_job(tuner, progress)


if __name__ == "__main__":
    cli.run(main)
