"""The flag of commands that read a recorded table."""

from absl import flags


def define_table_flag() -> flags.FlagHolder[str | None]:
    """Defines `--table`, an argument of `RecordedTable.load`."""
    return flags.DEFINE_string(
        "table",
        None,
        "A table written by record_table (default: the repository's).",
    )
