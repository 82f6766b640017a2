"""The frame of every command line: `audiotag-nas <tool> --flags`.

A tool is one file in `tools/`, with absl flags and a `main(argv)`; from a
checkout `python tools/<tool>.py` does the same. What a user can get wrong is
reported as one line that names it. Nothing here starts TensorFlow.
"""

import dataclasses
import io
import logging
import os
import runpy
import sys
import typing
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from absl import app, flags
from absl import logging as absl_logging

from audiotag_nas.command_line import flag_errors, overrides
from audiotag_nas.command_line.library_messages import without_library_messages
from audiotag_nas.command_line.overrides import DEFAULT_CONFIG, EARLY_STOP
from audiotag_nas.config import ExperimentConfig
from audiotag_nas.config.shipped import list_configs, list_tools, tool_path
from audiotag_nas.errors import ConfigError, UserError
from audiotag_nas.files import check_writable
from audiotag_nas.terminal import (
    escape_record,
    plain_warnings,
    print_lines,
    quiet_when_reader_is_gone,
)

if TYPE_CHECKING:
    from audiotag_nas.runners.settings import RunnerSettings

# The flags defined below are those of the tool that asks for them.
flags.disclaim_key_flags()

CONFIG_HELP = (
    "The experiment: the name of a shipped config, a Python file or the "
    "config.json of a working directory (default: that of --workdir if it has "
    f"one, else {DEFAULT_CONFIG}). Any field can be given on its own, as in "
    "--config.training.batch_size=32."
)
WORKDIR_HELP = "The experiment's directory; made if need be."

GOES_ON = "interrupted. What was finished is kept; the same command goes on."

_KERAS_BACKEND = "tensorflow"

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130


def validated(config: Any) -> ExperimentConfig:
    """What a tool's `--config` flag holds, checked.

    Raises:
        ConfigError: the file gives no `ExperimentConfig`, or a field has a
            value that is not allowed.
    """
    if not isinstance(config, ExperimentConfig):
        # The config flags keep what went wrong in a file until it is used.
        cause = getattr(config, "_error", None)
        raise ConfigError(
            "--config: the file must define get_config() that returns an "
            f"audiotag_nas.ExperimentConfig. Received: {cause or type(config)}"
        )
    return config.validate()


@dataclasses.dataclass(frozen=True)
class ExperimentFlags:
    """`--config` and `--workdir`, read once the command line is parsed."""

    config_flag: flags.FlagHolder
    workdir_flag: flags.FlagHolder[str]

    @property
    def config(self) -> ExperimentConfig:
        """The checked config; raises ConfigError as `validated` does."""
        return validated(self.config_flag.value)

    def overrides(self, section: str) -> dict[str, Any]:
        """The fields of one section that the command line gives.

        Raises:
            ConfigError: it gives a field of another section.
        """
        from ml_collections import config_flags

        flag = flags.FLAGS[self.config_flag.name]
        values = config_flags.get_override_values(flag)
        result = {}
        for path, value in values.items():
            of, _, name = path.rpartition(".")
            if of != section:
                raise ConfigError(
                    f"config.{path}: only fields of config.{section} can be "
                    f"given here. Received: {value!r}"
                )
            result[name] = value
        return result

    @property
    def workdir(self) -> str:
        """As `directory` has it."""
        return directory(self.workdir_flag)


def directory(flag: flags.FlagHolder[Any]) -> str:
    """The directory that a flag names, with `~` expanded.

    No shell expands it after a `=`.

    Raises:
        ConfigError: it is empty, as where a variable was not set.
    """
    if not flag.value:
        raise ConfigError(f"--{flag.name}: must name a directory. Received: ''")
    return os.path.expanduser(flag.value)


def output_path(flag: flags.FlagHolder[str | None]) -> str | None:
    """The file that a flag names, None without one; `~` is expanded.

    To be called before the work: it checks that the file can be written.

    Raises:
        ConfigError: it is empty, as where a variable was not set, or a dash.
        StoreError: it can't be written.
    """
    if flag.value is None:
        return None
    if flag.value in ("", "-"):
        raise ConfigError(
            f"--{flag.name}: must name a file. Received: {flag.value!r}"
        )
    path = os.path.expanduser(flag.value)
    check_writable(path)
    return path


def picture_path(flag: flags.FlagHolder[str | None]) -> str | None:
    """As `output_path`, of a picture: its ending must be that of a format.

    Raises:
        ConfigError, StoreError: as `output_path`; also another ending.
    """
    from audiotag_nas.report.figures import picture_ending

    path = output_path(flag)
    if path is not None:
        picture_ending(path, f"--{flag.name}:")
    return path


def define_experiment_flags() -> ExperimentFlags:
    """Defines the flags of a tool that works on an experiment."""
    from ml_collections import config_flags

    try:
        config = config_flags.DEFINE_config_file(
            "config", help_string=CONFIG_HELP
        )
    except flags.CantOpenFlagFileError as error:
        # They look for overrides in flagfiles already now.
        _fail(f"error: {flag_errors.flagfile_line(error)}", EXIT_USAGE)
    return ExperimentFlags(
        config,
        flags.DEFINE_string("workdir", None, WORKDIR_HELP, required=True),
    )


def define_early_stop_flag() -> None:
    """Defines `--early_stop`, short for `--config.search.early_stop`.

    Nobody reads it: it is replaced before the command line is parsed.
    """
    flags.DEFINE_string(
        EARLY_STOP,
        None,
        "Ends children whose learning curve says that they will not matter: "
        "none, halving or curve (docs/searchers.md). Short for "
        f"--config.search.{EARLY_STOP}.",
    )


def define_runner_flags() -> Callable[[], "RunnerSettings"]:
    """Defines the flags that say where trials are trained.

    Returns:
        What reads them, once the command line is parsed; raises ConfigError
        where they contradict one another.
    """
    name = flags.DEFINE_string(
        "runner",
        "in_process",
        "in_process: one training after the other, here; process: side by "
        "side in worker processes; ray: on a Ray cluster (docs/ray.md).",
    )
    num_workers = flags.DEFINE_integer(
        "workers",
        None,
        "Trainings side by side; by default 1, and with --runner=ray as many "
        "as the cluster has room for.",
        lower_bound=1,
    )
    timeout = flags.DEFINE_float(
        "trial_timeout",
        None,
        "Seconds after which a training is stopped and has failed.",
        lower_bound=1e-3,
    )
    gpus = flags.DEFINE_integer(
        "gpus_per_trial",
        0,
        "GPUs of each training; 0 trains on the CPU, but in_process on all "
        "there are.",
        lower_bound=0,
    )
    memory = flags.DEFINE_float(
        "memory_limit_gib",
        None,
        "Memory above which a worker is stopped and its training has failed.",
        lower_bound=1e-3,
    )
    retries = flags.DEFINE_integer(
        "retries",
        0,
        "Tries more for a training that a crash or a limit ended.",
        lower_bound=0,
    )
    ray_address = flags.DEFINE_string(
        "ray_address",
        None,
        "The Ray cluster: auto (the default: that of this machine), "
        "host:port, or local to start one here for this command.",
    )
    ray_cache_dir = flags.DEFINE_string(
        "ray_cache_dir",
        None,
        "Where each node keeps features that it prepares itself; by default "
        "~/.cache/audiotag_nas.",
    )

    def read() -> "RunnerSettings":
        from audiotag_nas.runners.settings import RunnerSettings

        return RunnerSettings(
            name=name.value,
            num_workers=num_workers.value,
            trial_timeout_seconds=timeout.value,
            gpus_per_trial=gpus.value,
            memory_limit_gib=memory.value,
            retries=retries.value,
            ray_address=ray_address.value,
            ray_cache_dir=ray_cache_dir.value,
        )

    return read


def main() -> None:
    """The console command: picks the tool, then is that tool."""
    with quiet_when_reader_is_gone():
        _main()


def _main() -> None:
    words = sys.argv[1:]
    tools = list_tools()
    if not words or words[0] in ("--help", "-h", "--helpshort", "help"):
        print(_overview(tools))
        sys.exit(0 if words else EXIT_USAGE)
    if words[0] in ("--version", "version"):
        from audiotag_nas import __version__

        print(__version__)
        sys.exit(0)
    tool = words[0]
    if tool not in tools:
        _fail(
            f"audiotag-nas: no tool named {tool!r}. Tools: {', '.join(tools)}",
            EXIT_USAGE,
        )
    sys.argv = [f"audiotag-nas {tool}", *words[1:]]
    runpy.run_path(str(tool_path(tool)), run_name="__main__")


def run(
    tool_main: Callable[[Sequence[str]], int | None],
    *,
    positional: str | None = None,
    interrupted: str = "interrupted.",
) -> None:
    """Runs a tool's `main(argv)`, reporting the user's errors as one line.

    Args:
        tool_main: gets the program's name and the positional arguments;
            returns the exit status (None: 0).
        positional: what the positional arguments are, e.g. `files`; without
            it there must be none.
        interrupted: said after Ctrl-C; `GOES_ON` where that is true.
    """
    # A name that the screen can't show is no reason to stop.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    # TensorFlow's start-up notices would bury the first lines of progress.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    plain_warnings()
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    absl_logging.set_verbosity(absl_logging.WARNING)
    absl_logging.get_absl_handler().addFilter(escape_record)

    def guarded(argv: Sequence[str]) -> int | None:
        _fix_backends()
        try:
            with without_library_messages():
                return tool_main(argv)
        except UserError as error:
            _fail(f"error: {error}", EXIT_FAILED)

    def parse(argv: Sequence[str]) -> list[str]:
        app.define_help_flags()
        try:
            # The config flags look for overrides in sys.argv itself.
            sys.argv, kept = overrides.resolved(
                [argv[0], *_with_flagfiles(argv[1:])],
                has_config="config" in flags.FLAGS,
                has_early_stop=EARLY_STOP in flags.FLAGS,
            )
            rest = flags.FLAGS(sys.argv)
        except SystemExit:
            # Only the help flags leave here, with absl's status of 1.
            sys.exit(0)
        except BrokenPipeError:
            # The reader of the help is gone; no fault of a config.
            raise
        except (flags.Error, UserError) as error:
            _fail(f"error: {flag_errors.line(error)}", EXIT_USAGE)
        except Exception as error:
            # Parsing runs the config file, which can raise anything.
            _fail(f"error: {flag_errors.unforeseen_line(error)}", EXIT_USAGE)
        if kept:
            print_lines(f"config: {kept}, as no --config is given")
        if positional is None and len(rest) > 1:
            _fail(
                f"error: a flag is --name=value. Received: {rest[1]!r}",
                EXIT_USAGE,
            )
        return rest

    with quiet_when_reader_is_gone():
        try:
            app.run(guarded, argv=sys.argv, flags_parser=parse)
        except KeyboardInterrupt:
            _fail(interrupted, EXIT_INTERRUPTED)


def _overview(tools: dict[str, str]) -> str:
    width = max(map(len, tools))
    return "\n".join(
        [
            "audiotag-nas: finds, trains and ships small networks that tag "
            "everyday sounds.",
            "",
            "usage: audiotag-nas <tool> [--flag=value ...]",
            "       audiotag-nas <tool> --help",
            "",
            *(f"  {name:<{width}}  {text}" for name, text in tools.items()),
            "",
            f"configs (--config=NAME or a file): {', '.join(list_configs())}",
        ]
    )


def _fix_backends() -> None:
    """Sets the backends of Keras and matplotlib to those this package needs.

    Other programs' settings, also Keras's own file, must not decide them.
    """
    given = os.environ.get("KERAS_BACKEND", _KERAS_BACKEND)
    if given != _KERAS_BACKEND:
        print(
            f"warning: KERAS_BACKEND: must be {_KERAS_BACKEND!r}, which is "
            f"used instead. Received: {given!r}",
            file=sys.stderr,
        )
    os.environ["KERAS_BACKEND"] = _KERAS_BACKEND
    # No window is ever shown.
    os.environ["MPLBACKEND"] = "agg"


def _with_flagfiles(argv: Sequence[str]) -> list[str]:
    """What `--flagfile` names in its place: a config may be in there."""
    return flags.FLAGS.read_flags_from_files(list(argv), force_gnu=False)


def _fail(message: str, status: int) -> typing.NoReturn:
    print_lines(message, file=sys.stderr)
    sys.exit(status)
