"""Tables of results, as plain text and as Markdown.

The main one puts the baseline beside the found network: mean equal error rate
with its interval, EER of each tag, parameters, and how many epochs each needs
for the baseline's best validation EER - the two claims of Liu and Zhang
(IJCNN 2020), whatever the outcome.
"""

import csv
import dataclasses
import io
import math
from collections.abc import Sequence

from audiotag_nas.errors import ConfigError
from audiotag_nas.metrics import PairedDifference, TagReport
from audiotag_nas.spreadsheet import quoted_formula
from audiotag_nas.terminal import escaped

_ALIGN = {"l": (":", "-"), "r": ("-", ":"), "c": (":", ":")}


@dataclasses.dataclass(frozen=True)
class ComparedSystem:
    """One column of the comparison.

    Attributes:
        name: its heading.
        report: its numbers on the evaluation split.
        num_parameters: of the network.
        epochs_to_target: epochs until the baseline's best validation EER was
            reached, from 1; None if it never was.
        num_epochs: epochs trained.
    """

    name: str
    report: TagReport
    num_parameters: int
    epochs_to_target: int | None
    num_epochs: int


def epochs_until(validation_eer: Sequence[float], target: float) -> int | None:
    """The first epoch, from 1, whose EER is `target` or lower; None if none."""
    for epoch, eer in enumerate(validation_eer, start=1):
        if eer <= target:
            return epoch
    return None


def format_table(
    rows: Sequence[Sequence[object]],
    *,
    headers: Sequence[str],
    align: str | None = None,
    markdown: bool = False,
) -> str:
    """Rows of cells -> aligned lines, without a newline at the end.

    Args:
        rows: one cell a column; cells are turned to text by `escaped`.
        headers: one a column.
        align: one letter a column: l, r or c; first left, others right if
            None.
        markdown: a Markdown table rather than plain text.

    Raises:
        ConfigError: a row or `align` that does not fit the columns.
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
    """Rows of cells -> CSV text with a header line.

    Text that a spreadsheet would take for a formula gets an apostrophe in
    front; numbers stay as they are, NaN and None become empty.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    for row in [headers, *rows]:
        writer.writerow([_csv_cell(cell) for cell in row])
    return buffer.getvalue()


def format_eer(eer: float, interval: tuple[float, float] | None = None) -> str:
    """`0.0951 [0.0820, 0.1093]`; `undefined` for NaN."""
    if math.isnan(eer):
        return "undefined"
    if interval is None or math.isnan(interval[0]):
        return f"{eer:.4f}"
    return f"{eer:.4f} [{interval[0]:.4f}, {interval[1]:.4f}]"


def comparison_table(
    baseline: ComparedSystem,
    found: ComparedSystem,
    *,
    difference: PairedDifference | None = None,
    markdown: bool = False,
) -> str:
    """Baseline against found network, with a verdict if compared in pairs.

    Args:
        baseline, found: scored on the same clips and tags.
        difference: found minus baseline, from `paired_difference`.
        markdown: Markdown rather than plain text.

    Raises:
        ConfigError: the two reports have different tags.
    """
    systems = (baseline, found)
    if list(baseline.report.tags) != list(found.report.tags):
        raise ConfigError(
            "both systems must have the same tags. Received: "
            f"{list(baseline.report.tags)} and {list(found.report.tags)}"
        )
    percent = f"{100 * baseline.report.confidence:.4g} %"
    rows: list[list[str]] = [
        [f"mean EER [{percent} interval]"]
        + [
            format_eer(s.report.mean_eer, s.report.mean_eer_interval)
            for s in systems
        ]
    ]
    for tag, metrics in baseline.report.tags.items():
        cells = [s.report.tags[tag] for s in systems]
        rows.append(
            [f"EER {tag} ({metrics.num_positives} clips)"]
            + [format_eer(cell.eer, cell.eer_interval) for cell in cells]
        )
    rows.append(["parameters"] + [f"{s.num_parameters:,}" for s in systems])
    rows.append(["epochs trained"] + [str(s.num_epochs) for s in systems])
    rows.append(
        ["epochs to the baseline's best validation EER"]
        + [
            "not reached"
            if s.epochs_to_target is None
            else str(s.epochs_to_target)
            for s in systems
        ]
    )
    text = format_table(
        rows, headers=["", *(s.name for s in systems)], markdown=markdown
    )
    if difference is not None:
        text += "\n\n" + _verdict(difference, baseline.name, found.name)
    return text


def report_table(report: TagReport, *, markdown: bool = False) -> str:
    """Every number of one system, one line a tag and one for the mean."""
    rows = [
        [
            tag,
            str(row.num_positives),
            format_eer(row.eer, row.eer_interval),
            *(
                "undefined" if math.isnan(value) else f"{value:.4f}"
                for value in (row.average_precision, row.roc_auc, row.f1)
            ),
            f"{row.threshold:.3f}",
        ]
        for tag, row in report.tags.items()
    ]
    mean = format_eer(report.mean_eer, report.mean_eer_interval)
    rows.append(["mean", "", mean, "", "", "", ""])
    headers = ["tag", "clips", "EER", "AP", "ROC AUC", "F1", "threshold"]
    return format_table(rows, headers=headers, markdown=markdown)


def report_csv(report: TagReport) -> str:
    """Every number of one system as CSV, one line a tag and the mean last."""
    headers = [
        *("tag", "num_positives", "num_negatives", "eer", "eer_low"),
        *("eer_high", "average_precision", "roc_auc", "f1", "threshold"),
    ]
    rows: list[list[object]] = [
        [
            *(tag, row.num_positives, row.num_negatives, row.eer),
            *row.eer_interval,
            *(row.average_precision, row.roc_auc, row.f1, row.threshold),
        ]
        for tag, row in report.tags.items()
    ]
    mean = [report.mean_eer, *report.mean_eer_interval]
    rows.append(["mean", None, None, *mean, None, None, None, None])
    return format_csv(rows, headers=headers)


def _verdict(difference: PairedDifference, baseline: str, found: str) -> str:
    """One sentence on the difference, and whether chance explains it."""
    low, high = difference.interval
    if math.isnan(difference.difference):
        return f"{found} - {baseline}: undefined."
    text = f"{found} - {baseline}: mean EER {difference.difference:+.4f}"
    if math.isnan(low):
        return text + "."
    if high < 0:
        verdict = f"{found} is better"
    elif low > 0:
        verdict = f"{baseline} is better"
    else:
        verdict = "no clear difference, the interval contains 0"
    return (
        f"{text} [{low:+.4f}, {high:+.4f}], better in "
        f"{100 * difference.share_better:.1f} % of "
        f"{difference.num_bootstrap} resamples: {verdict}."
    )


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
