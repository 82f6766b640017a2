"""Random labels and scores for the tests of metrics."""

import numpy as np

TAGS = ("c", "m", "f", "v", "p", "b", "o")


def make_system(seed, *, num_clips=61, num_segments=13, lift=0.5):
    """Returns labels, scores and segments; seven tags of unequal frequency."""
    rng = np.random.default_rng(seed)
    shares = [0.4, 0.1, 0.2, 0.7, 0.3, 0.08, 0.15]
    labels = rng.random((num_clips, len(TAGS))) < shares
    labels[0], labels[1] = True, False
    scores = np.round(rng.random(labels.shape) + lift * labels, 2)
    return labels, scores, rng.integers(0, num_segments, num_clips)


def random_case(seed, *, num_clips=61, num_levels=9):
    """Returns labels of both classes, and scores with many ties."""
    rng = np.random.default_rng(seed)
    labels = rng.random(num_clips) < rng.uniform(0.1, 0.9)
    labels[:2] = (True, False)
    scores = rng.integers(0, num_levels, num_clips) + 2 * labels * rng.random()
    return labels, np.round(scores) / 8
