"""Flags of the tools that work on an experiment: `--config`, `--workdir`."""

import dataclasses
from typing import Any

from absl import flags

from audiotag_nas.command_line import exit_status, flag_errors, flag_paths
from audiotag_nas.command_line.overrides import DEFAULT_CONFIG, EARLY_STOP
from audiotag_nas.config import ExperimentConfig
from audiotag_nas.errors import ConfigError

# The flags belong to the tool that defines them, not to this module.
flags.disclaim_key_flags()

WORKDIR_HELP = "Working directory of the experiment. Created if missing."


@dataclasses.dataclass(frozen=True)
class ExperimentFlags:
    """The values of `--config` and `--workdir`, once flags are parsed."""

    config_flag: flags.FlagHolder
    workdir_flag: flags.FlagHolder[Any]

    @property
    def config(self) -> ExperimentConfig:
        """The checked config.

        Raises:
            ConfigError: the file gives no `ExperimentConfig`, or a field has a
                value that is not allowed.
        """
        return self.unchecked_config.validate()

    @property
    def unchecked_config(self) -> ExperimentConfig:
        """The config, before its values are checked.

        Raises:
            ConfigError: the file gives no `ExperimentConfig`.
        """
        config = self.config_flag.value
        if not isinstance(config, ExperimentConfig):
            # ml_collections stores an error of the file without raising it.
            cause = getattr(config, "_error", None) or type(config)
            raise ConfigError(
                "--config: the file must define a function get_config() that "
                "returns an audiotag_nas.ExperimentConfig. "
                f"Received: {cause}"
            )
        return config

    def overrides(self, section: str) -> dict[str, Any]:
        """Returns the fields of `section` that the command line sets.

        Raises:
            ConfigError: the command line sets a field of another section.
        """
        from ml_collections import config_flags

        flag = flags.FLAGS[self.config_flag.name]
        result = {}
        for path, value in config_flags.get_override_values(flag).items():
            parent, _, name = path.rpartition(".")
            if parent != section:
                raise ConfigError(
                    f"config.{path}: this command accepts only fields of "
                    f"config.{section}. Received: {value!r}"
                )
            result[name] = value
        return result

    @property
    def workdir(self) -> str:
        """The working directory, checked by `flag_paths.directory`."""
        return flag_paths.directory(self.workdir_flag)


def define_experiment_flags(*, needs_workdir: bool = True) -> ExperimentFlags:
    """Defines `--config` and `--workdir`."""
    from ml_collections import config_flags

    try:
        config = config_flags.DEFINE_config_file(
            "config",
            help_string=(
                "Experiment: a shipped config's name, a Python file, or the "
                "config.json of a working directory. Default: the config.json "
                f"in --workdir if there is one, else {DEFAULT_CONFIG}. Fields "
                "can be overridden, e.g. --config.training.batch_size=32."
            ),
        )
    except flags.CantOpenFlagFileError as error:
        # ml_collections reads the flag files when the flag is defined.
        exit_status.fail(
            f"error: {flag_errors.describe_flagfile(error)}", exit_status.USAGE
        )
    workdir = flags.DEFINE_string(
        "workdir", None, WORKDIR_HELP, required=needs_workdir
    )
    return ExperimentFlags(config, workdir)


def define_early_stop_flag() -> None:
    """Defines `--early_stop`, a short form of `--config.search.early_stop`.

    `overrides.resolved` replaces the short form before flags are parsed.
    """
    flags.DEFINE_string(
        EARLY_STOP,
        None,
        "Rule that stops unpromising trials early: none, halving or curve. "
        f"Short for --config.search.{EARLY_STOP}.",
    )
