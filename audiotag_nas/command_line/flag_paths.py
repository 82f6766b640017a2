"""Checks the files and directories that flags name, before their use."""

import os
from typing import Any

from absl import flags

from audiotag_nas.errors import ConfigError
from audiotag_nas.files import check_writable


def directory(flag: flags.FlagHolder[Any]) -> str:
    """Returns the directory that a flag names, with `~` expanded.

    Shells do not expand `~` after `=`.

    Raises:
        ConfigError: the name is empty, e.g. from an unset shell variable.
    """
    if not flag.value:
        raise ConfigError(f"--{flag.name}: must name a directory. Received: ''")
    return os.path.expanduser(flag.value)


def output_path(flag: flags.FlagHolder[str | None]) -> str | None:
    """Returns the file that a flag names, with `~` expanded; None if unset.

    Raises:
        ConfigError: the name is empty or `-`.
        StoreError: the file can't be written.
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
    """Returns `output_path(flag)` if its ending is that of a picture file.

    Raises:
        ConfigError: the name is empty, `-`, or not that of a picture file.
        StoreError: the file can't be written.
    """
    from audiotag_nas.report.figures import picture_ending

    path = output_path(flag)
    if path is not None:
        picture_ending(path, f"--{flag.name}:")
    return path
