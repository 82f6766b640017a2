"""Windows and joined frame scores against results computed by hand."""

import numpy as np
import pytest

from audiotag_nas.config import FeatureConfig
from audiotag_nas.serving.windows import FrameJoiner, Windows

# Windows of 0.6 s; frames of 0.2 s every 0.1 s: 5 frames, a hop of 2.
FEATURES = FeatureConfig(
    sample_rate_hz=1000, frame_length=200, frame_step=100, fmax_hz=500.0
)
WINDOWS = Windows(FEATURES, 0.6)


@pytest.mark.parametrize("block", [1, 200, 333, 5000])
@pytest.mark.parametrize(
    ("num_samples", "spans"),
    [
        (90, [(0, 90)]),
        (600, [(0, 600)]),
        (601, [(0, 600), (200, 601)]),
        (1234, [(0, 600), (200, 800), (400, 1000), (600, 1200), (800, 1234)]),
    ],
)
def test_windows_overlap_and_the_last_one_ends_with_the_stream(
    num_samples, spans, block
):
    stream = np.arange(num_samples, dtype=np.float32)
    blocks = [stream[i : i + block] for i in range(0, num_samples, block)]
    windows = list(WINDOWS.cut(blocks))
    assert [(w[0], w[-1] + 1) for w in windows] == spans


def test_frames_of_two_windows_are_averaged_by_distance_to_the_border():
    joiner = FrameJoiner(WINDOWS)
    ones, zeros = np.ones((5, 1)), np.zeros((4, 1))
    first, first_best = joiner.add(ones, np.array([0.3]), last=False)
    rest, rest_best = joiner.add(zeros, np.array([0.7]), last=True)
    # Weights 1 2 3 2 1 over frames 0-4, and 1 2 2 1 over frames 2-5.
    assert first.ravel().tolist() == [1, 1]
    np.testing.assert_allclose(rest.ravel(), [3 / 4, 2 / 4, 1 / 3, 0])
    assert first_best.ravel().tolist() == [0.3, 0.3]
    assert rest_best.ravel().tolist() == [0.7, 0.7, 0.7, 0.7]


def test_one_window_keeps_its_scores():
    scores = np.random.default_rng(0).uniform(size=(5, 3))
    joined, _ = FrameJoiner(WINDOWS).add(scores, np.zeros(3), last=True)
    np.testing.assert_allclose(joined, scores, rtol=1e-15)


def test_the_rest_after_a_hop_always_holds_a_frame():
    for clip_seconds in (0.05, 0.2, 0.31, 0.6):
        windows = Windows(FEATURES, clip_seconds)
        for extra in (1, windows.hop_samples):
            stream = np.zeros(windows.num_samples + extra, np.float32)
            *_, last = windows.cut([stream])
            assert FEATURES.num_frames(len(last)) >= 1
