"""Shows the state of an experiment on one screen.

The screen lists the numbers of trials, the best trials so far, the reasons for
failures, the trials per hour, the time left and the utilization of the workers.
The command works while a search runs, after the search was killed and after it
has finished. The command changes no file.

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
