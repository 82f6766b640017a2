"""Prints each field of a config with its value, allowed values and meaning.

  audiotag-nas config --config=demo
  audiotag-nas config --workdir=runs/demo
  audiotag-nas config --config=demo --config.training.batch_size=32

With --reference, the command prints docs/reference/config.md instead.
"""

from collections.abc import Sequence

from absl import flags

from audiotag_nas.command_line import command, experiment_flags
from audiotag_nas.terminal import print_lines

_EXPERIMENT = experiment_flags.define_experiment_flags(needs_workdir=False)
_REFERENCE = flags.DEFINE_bool(
    "reference", False, "Print the reference page of all fields, as Markdown."
)


def main(argv: Sequence[str]) -> None:
    del argv
    from audiotag_nas.command_line import config_screen

    if _REFERENCE.value:
        print(config_screen.reference_page(), end="")
        return
    config = _EXPERIMENT.unchecked_config
    print_lines(*config_screen.config_lines(config))
    config.validate()


if __name__ == "__main__":
    command.run(main)
