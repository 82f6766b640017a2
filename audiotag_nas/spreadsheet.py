"""Cells of CSV files that people open in a spreadsheet."""

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def quoted_formula(cell: str) -> str:
    """Returns the cell, with an apostrophe before text that starts a formula.

    A spreadsheet would run the formula. File names and tags are not trusted.
    """
    return f"'{cell}" if cell.startswith(_FORMULA_STARTS) else cell
