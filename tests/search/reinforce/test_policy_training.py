"""The training of the policy on the reward model."""

import numpy as np

from audiotag_nas.search.reinforce.policy_training import (
    standardized_advantages,
)


def test_advantages_are_standardized_by_medians_and_bounded():
    # The median is 2 and the distances are -2, -1, 0, 1 and 98, so the median
    # absolute deviation is 1.
    rewards = np.array([0.0, 1.0, 2.0, 3.0, 100.0])
    assert list(standardized_advantages(rewards)) == [-2, -1, 0, 1, 3]
    assert list(standardized_advantages(np.ones(4))) == [0, 0, 0, 0]
