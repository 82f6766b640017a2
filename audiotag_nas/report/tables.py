"""Tables as aligned text, Markdown and CSV."""

import csv
import io
import math
from collections.abc import Sequence

from audiotag_nas.errors import ConfigError
from audiotag_nas.spreadsheet import quoted_formula
from audiotag_nas.terminal import escaped

_ALIGN = {"l": (":", "-"), "r": ("-", ":"), "c": (":", ":")}


def format_table(
    rows: Sequence[Sequence[object]],
    *,
    headers: Sequence[str],
    align: str | None = None,
    markdown: bool = False,
) -> str:
    """Returns aligned lines, without a newline at the end.

    Args:
        rows: one cell per column in each row; `escaped` makes cells text.
        headers: one header per column.
        align: one letter (l, r or c) per column. None aligns the first column
            left and all other columns right.
        markdown: whether to return a Markdown table instead of plain text.

    Raises:
        ConfigError: the length of a row or of `align` differs from `headers`.
    """
    align = "l" + "r" * (len(headers) - 1) if align is None else align
    if len(align) != len(headers) or set(align) - set(_ALIGN):
        raise ConfigError(
            f"`align` must be {len(headers)} letters of l, r, c. "
            f"Received: {align!r}"
        )
    table = [[escaped(cell) for cell in row] for row in [headers, *rows]]
    for row in table:
        if len(row) != len(headers):
            raise ConfigError(
                f"a row must have {len(headers)} cells. Received: {row}"
            )
    if markdown:
        table = [[cell.replace("|", "\\|") for cell in row] for row in table]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    if markdown:
        widths = [max(width, 3) for width in widths]
    lines = [_pad(row, widths, align) for row in table]
    if markdown:
        rule = [
            _ALIGN[a][0] + "-" * (width - 2) + _ALIGN[a][1]
            for a, width in zip(align, widths, strict=True)
        ]
        body = [lines[0], rule, *lines[1:]]
        return "\n".join(f"| {' | '.join(row)} |" for row in body)
    rule = ["-" * width for width in widths]
    body = [lines[0], rule, *lines[1:]]
    return "\n".join("  ".join(row).rstrip() for row in body)


def format_csv(
    rows: Sequence[Sequence[object]], *, headers: Sequence[str]
) -> str:
    """Returns CSV text with a header line.

    Text that a spreadsheet would run as a formula is quoted. NaN and None
    become empty cells.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    for row in [headers, *rows]:
        writer.writerow([_csv_cell(cell) for cell in row])
    return buffer.getvalue()


def _pad(row: Sequence[str], widths: Sequence[int], align: str) -> list[str]:
    pad = {"l": str.ljust, "r": str.rjust, "c": str.center}
    return [
        pad[a](cell, width)
        for cell, width, a in zip(row, widths, align, strict=True)
    ]


def _csv_cell(cell: object) -> object:
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return ""
    if not isinstance(cell, str):
        return cell
    return quoted_formula(escaped(cell))
