"""Makes every log-mel that an experiment needs, as TFRecords.

One set a spectrogram size and split, under <workdir>/features. What is there
already, whole and of the same origin, is used as it is.

  audiotag-nas prepare --config=demo --workdir=runs/demo
"""

from collections.abc import Sequence

from absl import flags
from ml_collections import config_flags

from audiotag_nas import cli

_CONFIG = config_flags.DEFINE_config_file("config", help_string=cli.CONFIG_HELP)
_WORKDIR = flags.DEFINE_string("workdir", None, cli.WORKDIR_HELP, required=True)


def main(argv: Sequence[str]) -> None:
    config = cli.validated(_CONFIG.value)
    from audiotag_nas.experiment.progress import Progress
    from audiotag_nas.experiment.tuner import ArchitectureTuner

    tuner = ArchitectureTuner(
        config, workdir=_WORKDIR.value, progress=Progress()
    )
    tuner.prepare()


if __name__ == "__main__":
    cli.run(main)
