"""Cells of CSV files that people open in a spreadsheet."""

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def quoted_formula(cell: str) -> str:
    """Returns the cell, with an apostrophe before text that starts a formula.

    A spreadsheet would run a formula in a file name or tag from a stranger.
    """
    return f"'{cell}" if cell.startswith(_FORMULA_STARTS) else cell
