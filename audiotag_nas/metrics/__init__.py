"""Computes the metrics of audio tagging and their bootstrap intervals.

This package imports only NumPy and the standard library.
docs/reference/metrics.md defines the metrics.
"""

from audiotag_nas.metrics.comparison import (
    Difference,
    PairedDifference,
    paired_difference,
)
from audiotag_nas.metrics.curves import average_precision, f1_score, roc_auc
from audiotag_nas.metrics.eer import (
    best_threshold,
    best_thresholds,
    binormal_equal_error_rate,
    equal_error_rate,
)
from audiotag_nas.metrics.reports import TagMetrics, TagReport, evaluate_tags

__all__ = [
    "Difference",
    "PairedDifference",
    "TagMetrics",
    "TagReport",
    "average_precision",
    "best_threshold",
    "best_thresholds",
    "binormal_equal_error_rate",
    "equal_error_rate",
    "evaluate_tags",
    "f1_score",
    "paired_difference",
    "roc_auc",
]
