"""Describes an error in a command line, as one line.

absl does not name a missing flag clearly. ml_collections reports an error in a
config file as a traceback.
"""

import re
import sys
import traceback

from absl import flags

_FILE_RAISED = "Error whilst parsing config file"
_MISSING = re.compile(r"flag --(\w+)=None: .* other than None\.")


def describe(error: Exception) -> str:
    """Describes an error that was raised while flags were parsed."""
    text = _one_line(error)
    if _FILE_RAISED in text:
        return _describe_config_file(_cause(error))
    missing = _MISSING.fullmatch(text)
    if missing:
        return f"--{missing[1]}: must be given: --{missing[1]}=VALUE"
    if isinstance(error, flags.UnrecognizedFlagError):
        names = sorted(
            flag.name
            for flag in flags.FLAGS.get_key_flags_for_module(sys.argv[0])
        )
        return f"{text}. Flags: {', '.join('--' + name for name in names)}"
    return text


def describe_flagfile(error: flags.CantOpenFlagFileError) -> str:
    """Describes a flag file that can't be read."""
    return f"--flagfile: {_one_line(error).removeprefix('ERROR:: ')}"


def describe_unforeseen(error: Exception) -> str:
    """Describes an error that is not a `flags.Error`.

    Either the config file or a flag raised the error. For `--noflag=value`,
    absl raises a bare `ValueError`.
    """
    frames = traceback.extract_tb(error.__traceback__)
    if any("config_flags" in frame.filename for frame in frames):
        return _describe_config_file(error)
    return _one_line(error)


def _describe_config_file(error: BaseException) -> str:
    """Describes an error in a config file, with the line in the file."""
    name = type(error).__name__
    if isinstance(error, SyntaxError) and error.filename:
        where = f"{error.filename}, line {error.lineno}"
        return f"--config: {where}: {name}: {error.msg}"
    if isinstance(error, AttributeError) and error.name == "get_config":
        return (
            "--config: the file must define a function get_config() that "
            "returns an audiotag_nas.ExperimentConfig. The file defines none."
        )
    where = path = _config_path()
    for frame in traceback.extract_tb(error.__traceback__):
        if frame.filename == path:
            where = f"{path}, line {frame.lineno}"
    return f"--config: {where}: {name}: {_one_line(error)}"


def _config_path() -> str:
    """Returns the config file that the command line names."""
    given = [a for a in sys.argv if a.startswith("--config=")]
    return given[-1].removeprefix("--config=") if given else ""


def _cause(error: BaseException) -> BaseException:
    """Returns the error of the config file that led to `error`."""
    while _FILE_RAISED in str(error):
        inner = error.__cause__ or error.__context__
        if inner is None:
            break
        error = inner
    return error


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
