"""Shows the state of an experiment on one screen.

Numbers of trials, reasons of failures, the best trials so far, trials per
hour, time left and utilization. Works while a search runs, after it was
killed and after it has finished; changes nothing.

  audiotag-nas status --workdir=runs/demo
  watch audiotag-nas status --workdir=runs/demo
"""

from collections.abc import Sequence

from absl import flags

from audiotag_nas.command_line import command, flag_paths
from audiotag_nas.terminal import escaped_text

_WORKDIR = flags.DEFINE_string(
    "workdir", None, "The experiment's directory.", required=True
)


def main(argv: Sequence[str]) -> None:
    from audiotag_nas.inspection.status import read_status
    from audiotag_nas.inspection.status_screen import status_lines

    lines = status_lines(read_status(flag_paths.directory(_WORKDIR)))
    print(escaped_text("\n".join(lines)))


if __name__ == "__main__":
    command.run(main)
