"""The errors a user can cause, each one line that says what to change.

Everything derived from `UserError` is printed by the command lines as one
line, without a traceback; anything else is a defect of this project.
"""


class UserError(Exception):
    """Base of the errors that the user's input causes."""


class ConfigError(UserError, ValueError):
    """A config field has a value that is not allowed."""


class DataError(UserError, ValueError):
    """An annotation, manifest or audio file breaks a rule of its format."""


class StoreError(UserError):
    """Something this project wrote earlier is damaged, stale or in use."""


class SearchError(UserError):
    """A search can't go on, e.g. since every training failed."""
