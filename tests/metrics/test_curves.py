"""Metrics of one tag against hand cases, exact fractions and other libraries.

sed_eval and scikit-learn are references for metrics with the same definition.
"""

import numpy as np
import pytest
import sed_eval.metric
import sklearn.metrics

from audiotag_nas import metrics
from audiotag_nas.errors import DataError
from tests.metrics.made_up import random_case


@pytest.mark.parametrize("seed", range(20))
def test_metrics_equal_sed_eval_and_scikit_learn(seed):
    labels, scores = random_case(seed)
    assert metrics.equal_error_rate(labels, scores) == pytest.approx(
        sed_eval.metric.equal_error_rate(labels, scores), abs=1e-12
    )
    assert metrics.roc_auc(labels, scores) == pytest.approx(
        sklearn.metrics.roc_auc_score(labels, scores), abs=1e-12
    )
    assert metrics.average_precision(labels, scores) == pytest.approx(
        sklearn.metrics.average_precision_score(labels, scores), abs=1e-12
    )
    assert metrics.f1_score(labels, scores, 0.5) == pytest.approx(
        sklearn.metrics.f1_score(labels, scores >= 0.5), abs=1e-12
    )


def test_the_error_for_a_label_other_than_0_and_1_names_the_clip():
    with pytest.raises(DataError, match="clip 1: a label must be 0 or 1"):
        metrics.roc_auc([0, 0.3, 1], [0.1, 0.2, 0.3])


def test_f1_is_zero_if_all_are_missed_and_undefined_without_positives():
    assert metrics.f1_score([1, 1, 0], [0.1, 0.2, 0.3], 0.9) == 0.0
    assert np.isnan(metrics.f1_score([0, 0, 0], [0.1, 0.2, 0.3]))
    assert np.isnan(metrics.average_precision([0, 0], [0.1, 0.2]))
    assert np.isnan(metrics.roc_auc([1, 1], [0.1, 0.2]))
