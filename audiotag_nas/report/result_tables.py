"""Tables of one evaluated network, or of the baseline and the found network.

Liu and Zhang (IJCNN 2020) claim to improve two quantities, which the comparison
shows: the mean equal error rate (EER), and the number of epochs until a network
reaches the baseline's best validation EER.
"""

import dataclasses
import math
from collections.abc import Sequence

from audiotag_nas.errors import ConfigError
from audiotag_nas.metrics import PairedDifference, TagReport
from audiotag_nas.report.tables import format_csv, format_table


@dataclasses.dataclass(frozen=True)
class ComparedSystem:
    """One network, which is one column of the comparison.

    Attributes:
        name: the heading.
        report: metrics on the evaluation split.
        num_parameters: number of the network's parameters.
        epochs_to_target: the first epoch, counted from 1, that reached the
            baseline's best validation EER; None if no epoch reached it.
        num_epochs: number of trained epochs.
    """

    name: str
    report: TagReport
    num_parameters: int
    epochs_to_target: int | None
    num_epochs: int


def epochs_until(validation_eer: Sequence[float], target: float) -> int | None:
    """Returns the first epoch (from 1) with an EER <= `target`, or None."""
    for epoch, eer in enumerate(validation_eer, start=1):
        if eer <= target:
            return epoch
    return None


def _format_eer(eer: float, interval: tuple[float, float]) -> str:
    """Returns e.g. `0.0951 [0.0820, 0.1093]`, or `undefined` for NaN."""
    if math.isnan(eer):
        return "undefined"
    if math.isnan(interval[0]):
        return f"{eer:.4f}"
    return f"{eer:.4f} [{interval[0]:.4f}, {interval[1]:.4f}]"


def comparison_table(
    baseline: ComparedSystem,
    found: ComparedSystem,
    *,
    difference: PairedDifference | None = None,
    markdown: bool = False,
) -> str:
    """Returns the table of baseline and found network, and the verdict.

    Args:
        baseline, found: the networks, scored on the same clips and tags.
        difference: EER of `found` minus EER of `baseline`, from
            `paired_difference`; None omits the verdict.
        markdown: True returns Markdown, False plain text.

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
            _format_eer(s.report.mean_eer, s.report.mean_eer_interval)
            for s in systems
        ]
    ]
    for tag, metrics in baseline.report.tags.items():
        cells = [s.report.tags[tag] for s in systems]
        rows.append(
            [f"EER {tag} ({metrics.num_positives} clips)"]
            + [_format_eer(cell.eer, cell.eer_interval) for cell in cells]
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
    """Returns one network's metrics: one line per tag, and the mean EER."""
    rows = [
        [
            tag,
            str(row.num_positives),
            _format_eer(row.eer, row.eer_interval),
            *(
                "undefined" if math.isnan(value) else f"{value:.4f}"
                for value in (row.average_precision, row.roc_auc, row.f1)
            ),
            f"{row.threshold:.3f}",
        ]
        for tag, row in report.tags.items()
    ]
    mean = _format_eer(report.mean_eer, report.mean_eer_interval)
    rows.append(["mean", "", mean, "", "", "", ""])
    headers = ["tag", "clips", "EER", "AP", "ROC AUC", "F1", "threshold"]
    return format_table(rows, headers=headers, markdown=markdown)


def report_csv(report: TagReport) -> str:
    """Returns `report_table` as CSV."""
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
    """Returns sentences on the difference and its interval."""
    low, high = difference.interval
    if math.isnan(difference.difference):
        return f"Mean EER of {found} minus {baseline}: undefined."
    text = f"Mean EER of {found} minus {baseline}: {difference.difference:+.4f}"
    if math.isnan(low):
        return text + "."
    if high < 0:
        verdict = (
            f"The {found} network is clearly better: the interval is below"
        )
    elif low > 0:
        verdict = f"The {found} network is clearly worse: the interval is above"
    else:
        verdict = "No clear difference: the interval contains"
    return (
        f"{text} [{low:+.4f}, {high:+.4f}]. The {found} network is better in "
        f"{100 * difference.share_better:.1f} % of "
        f"{difference.num_bootstrap} resamples. {verdict} 0."
    )
