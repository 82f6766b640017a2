"""The flag `--table` of programs that read a recorded table."""

from absl import flags


def define_table_flag() -> flags.FlagHolder[str | None]:
    """Defines `--table`, an argument of `RecordedTable.load`."""
    return flags.DEFINE_string(
        "table",
        None,
        "Path of a table that record_table wrote (default: the repository's "
        "table).",
    )
