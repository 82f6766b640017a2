"""Computes all log-mels of an experiment and stores them as TFRecords.

One set per spectrogram size and split is stored in <workdir>/features. A
complete set of the same data is not computed again.

  audiotag-nas prepare --config=demo --workdir=runs/demo
"""

from collections.abc import Sequence

from audiotag_nas.command_line import command, experiment_flags

_EXPERIMENT = experiment_flags.define_experiment_flags()
experiment_flags.define_early_stop_flag()


def main(argv: Sequence[str]) -> None:
    config = _EXPERIMENT.config
    from audiotag_nas.experiment.tuner import ArchitectureTuner

    tuner = ArchitectureTuner(config, workdir=_EXPERIMENT.workdir)
    tuner.prepare()


if __name__ == "__main__":
    command.run(main, interrupted=command.RESUMABLE)
