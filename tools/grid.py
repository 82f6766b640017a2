"""Grid search over mixup, spectrogram size and batch size.

For the architecture that the finished search in --workdir recommends (the
search is finished first if it is not).

  audiotag-nas grid --config=demo --workdir=runs/demo
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
    from audiotag_nas.space import architecture_from_tokens

    tuner = ArchitectureTuner(
        config, workdir=_WORKDIR.value, progress=Progress()
    )
    architecture = architecture_from_tokens(
        config.search.space(), tuner.search().recommendation
    )
    print(f"grid for {architecture.describe()}")
    outcome = tuner.grid_search(architecture)
    print(f"best: {outcome.best_trial.hparams}")


if __name__ == "__main__":
    cli.run(main)
