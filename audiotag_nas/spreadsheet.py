"""Cells of CSV files that people open in a spreadsheet."""

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def quoted_formula(cell: str) -> str:
    """Returns the cell, with an apostrophe before text that starts a formula.

    A spreadsheet would execute it. File names and tags come from outside.
    """
    return f"'{cell}" if cell.startswith(_FORMULA_STARTS) else cell
