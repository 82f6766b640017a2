"""How well a tagger does: the metrics of audio tagging, with intervals.

`curves` has the numbers of one tag (equal error rate, average precision, ROC
AUC, F1), `bootstrap` the resampling over segments, `reports` all tags of one
system or the difference of two, `score_files` the challenge's CSV format.
NumPy and the standard library only. The definitions are in docs/metrics.md.
"""

from audiotag_nas.metrics.curves import (
    average_precision,
    best_threshold,
    best_thresholds,
    binormal_equal_error_rate,
    equal_error_rate,
    f1_score,
    roc_auc,
)
from audiotag_nas.metrics.reports import (
    Difference,
    PairedDifference,
    TagMetrics,
    TagReport,
    evaluate_tags,
    paired_difference,
)

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
