"""Errors that a user can cause. Each message says what to change, in one line.

The commands print a `UserError` as one line, without a traceback. Any other
exception is a defect of this project.
"""


class UserError(Exception):
    """Base class of all errors that the user's input causes."""


class ConfigError(UserError, ValueError):
    """A config field or an argument has a value that is not allowed."""


class DataError(UserError, ValueError):
    """An annotation, manifest or audio file breaks a rule of its format."""


class StoreError(UserError):
    """A file that this project wrote is damaged, outdated or in use."""


class SearchError(UserError):
    """A search can't continue, e.g. because every trial failed."""
