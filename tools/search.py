"""Searches architectures, and prints the best.

Prepares the data if need be, trains `search.num_trials` children and keeps
the best networks. Stopped at any point, the same command goes on.

  audiotag-nas search --config=demo --workdir=runs/demo
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
    outcome = tuner.search()
    if outcome.stop_reason:
        print(f"ended early: {outcome.stop_reason}")
    tuner.results_summary()


if __name__ == "__main__":
    cli.run(main)
