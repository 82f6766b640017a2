"""Runs a tool: parses its command line and reports the user's errors.

An error of the user is reported as one line that names the cause. This module
does not import TensorFlow.
"""

import io
import logging
import os
import sys
from collections.abc import Callable, Sequence

from absl import app, flags
from absl import logging as absl_logging

from audiotag_nas.command_line import exit_status, flag_errors, overrides
from audiotag_nas.command_line.broken_output import broken_output_ends
from audiotag_nas.command_line.library_messages import without_library_messages
from audiotag_nas.command_line.messages import (
    escape_record,
    print_warnings_as_lines,
)
from audiotag_nas.errors import UserError
from audiotag_nas.terminal import print_lines

RESUMABLE = (
    "interrupted. Finished results are kept; the same command continues."
)

_KERAS_BACKEND = "tensorflow"


def run(
    tool_main: Callable[[Sequence[str]], int | None],
    *,
    positional: str | None = None,
    interrupted: str = "interrupted.",
) -> None:
    """Runs a tool's `main(argv)` and ends the process with its exit status.

    Args:
        tool_main: function that takes the program's name and the positional
            arguments, and returns the exit status. None means 0.
        positional: name of the positional arguments, e.g. `files`. None if the
            tool takes only flags.
        interrupted: text to print after Ctrl-C. `RESUMABLE` is for a tool that
            continues its work if it is started again.
    """
    # Characters that the screen can't show are printed as escapes.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    # TensorFlow's start-up notices would hide the first lines of progress.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    print_warnings_as_lines()
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    absl_logging.set_verbosity(absl_logging.WARNING)
    absl_logging.get_absl_handler().addFilter(escape_record)

    def guarded(argv: Sequence[str]) -> int | None:
        _set_backends()
        try:
            with without_library_messages():
                return tool_main(argv)
        except UserError as error:
            exit_status.fail(f"error: {error}", exit_status.FAILED)

    def parse(argv: Sequence[str]) -> list[str]:
        app.define_help_flags()
        try:
            # The flag `--config` looks for overrides in sys.argv.
            sys.argv, kept = overrides.resolved(
                # Flag files are read first, because they may set `--config`.
                [
                    argv[0],
                    *flags.FLAGS.read_flags_from_files(
                        list(argv[1:]), force_gnu=False
                    ),
                ],
                has_config="config" in flags.FLAGS,
                has_early_stop=overrides.EARLY_STOP in flags.FLAGS,
            )
            rest = flags.FLAGS(sys.argv)
        except SystemExit:
            # absl exits here after printing the help, but with status 1.
            sys.exit(0)
        except BrokenPipeError:
            # The process that reads the help text has ended.
            raise
        except (flags.Error, UserError) as error:
            exit_status.fail(
                f"error: {flag_errors.describe(error)}", exit_status.USAGE
            )
        except Exception as error:
            # Parsing runs the config file, which can raise anything.
            exit_status.fail(
                f"error: {flag_errors.describe_unforeseen(error)}",
                exit_status.USAGE,
            )
        if kept:
            print_lines(f"config: {kept}, because --config is not given")
        if positional is None and len(rest) > 1:
            exit_status.fail(
                f"error: a flag is --name=value. Received: {rest[1]!r}",
                exit_status.USAGE,
            )
        return rest

    with broken_output_ends():
        try:
            app.run(guarded, argv=sys.argv, flags_parser=parse)
        except KeyboardInterrupt:
            exit_status.fail(interrupted, exit_status.INTERRUPTED)


def _set_backends() -> None:
    """Sets the backends of Keras and matplotlib that this package needs.

    This choice overrides the environment and Keras's configuration file.
    """
    given = os.environ.get("KERAS_BACKEND", _KERAS_BACKEND)
    if given != _KERAS_BACKEND:
        print(
            f"warning: KERAS_BACKEND: must be {_KERAS_BACKEND!r}. This value "
            f"is used. Received: {given!r}",
            file=sys.stderr,
        )
    os.environ["KERAS_BACKEND"] = _KERAS_BACKEND
    # The backend agg writes plots to files and needs no display.
    os.environ["MPLBACKEND"] = "agg"
