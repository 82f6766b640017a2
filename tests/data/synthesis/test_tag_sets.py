"""Probabilities of tag sets against the statistics of the real data."""

import numpy as np

from audiotag_nas.data.synthesis import tag_sets
from tests.data.synthesis.test_plan import REAL_COUNTS


def test_boost_multiplies_b_and_leaves_the_other_tags():
    members = (np.arange(128)[:, None] >> np.arange(7)) & 1
    plain, boosted = (
        tag_sets.tag_set_probabilities("development", broadband_boost=boost)
        @ members
        for boost in (1.0, 5.0)
    )
    real = np.array([REAL_COUNTS["development"][t] for t in "cmfvpbo"]) / 1946
    np.testing.assert_allclose(plain, real, atol=1e-4)
    np.testing.assert_allclose(boosted, real * [1, 1, 1, 1, 1, 5, 1], atol=1e-4)
