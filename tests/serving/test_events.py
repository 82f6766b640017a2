"""Events against stretches computed by hand."""

import numpy as np
import pytest

from audiotag_nas.config import FeatureConfig
from audiotag_nas.errors import ConfigError
from audiotag_nas.serving.events import Event, EventFinder, EventSettings

# Frames of 0.2 s every 0.1 s: the center of frame i is 0.1 + 0.1 i; it stands
# for the time from 0.05 + 0.1 i to 0.15 + 0.1 i.
FEATURES = FeatureConfig(
    sample_rate_hz=1000, frame_length=200, frame_step=100, fmax_hz=500.0
)


def find(rows, *, cuts=(), merge=0.0, shortest=0.0, seconds=1.1):
    """Returns the events of frame scores (frames, tags), with threshold 0.5."""
    scores = np.array(rows, float)
    finder = EventFinder(
        ("a", "b")[: scores.shape[1]], FEATURES, EventSettings(merge, shortest)
    )
    for block in np.split(scores, cuts):
        finder.add(block, block >= 0.5)
    return finder.finish(seconds)


def test_an_event_spans_its_frames_and_keeps_the_highest_score():
    (event,) = find([[0.1], [0.6], [0.9], [0.7], [0.2]])
    assert event == Event(pytest.approx(0.15), pytest.approx(0.45), "a", 0.9)


def test_the_first_frame_begins_at_zero_and_the_last_ends_with_the_file():
    first, last = find([[0.8], [0.1], [0.6]], seconds=0.47)
    assert (first.onset_seconds, first.offset_seconds) == (
        0.0,
        pytest.approx(0.15),
    )
    assert (last.onset_seconds, last.offset_seconds) == (
        pytest.approx(0.25),
        0.47,
    )


def test_shorter_gaps_are_merged_and_longer_ones_are_not():
    rows = [[0.9], [0], [0.9], [0], [0], [0.9]]
    assert len(find(rows)) == 3
    assert [
        round(e.offset_seconds - e.onset_seconds, 6)
        for e in find(rows, merge=0.15)
    ] == [0.35, 0.55]


def test_short_events_are_dropped_after_merging():
    rows = [[0], [0.9], [0], [0.9], [0], [0], [0], [0.9], [0]]
    (event,) = find(rows, merge=0.15, shortest=0.25)
    assert (event.onset_seconds, event.offset_seconds) == (
        pytest.approx(0.15),
        pytest.approx(0.45),
    )


def num_events(stretches, settings, *, rate_hz, step):
    """Counts the events of 1100 frames, active in (first, number) stretches."""
    features = FeatureConfig(
        sample_rate_hz=rate_hz, frame_length=1024, frame_step=step
    )
    finder = EventFinder(("a",), features, settings)
    rows = np.zeros((1100, 1))
    for first, number in stretches:
        rows[first : first + number] = 1
    finder.add(rows, rows > 0)
    return len(finder.finish(1100 * step / rate_hz))


# 10, 5 and 10 frames are exactly 0.1 s; with floats it depends on the onset.
STEPS = [(16000, 160, 10), (16000, 320, 5), (44100, 441, 10)]


@pytest.mark.parametrize(("rate_hz", "step", "tenth"), STEPS)
def test_an_event_as_long_as_the_shortest_is_kept_anywhere(
    rate_hz, step, tenth
):
    settings = EventSettings(min_event_seconds=0.1)
    for start in range(1, 1000):
        for number, expected in ((tenth, 1), (tenth - 1, 0)):
            assert expected == num_events(
                [(start, number)], settings, rate_hz=rate_hz, step=step
            )


@pytest.mark.parametrize(("rate_hz", "step", "tenth"), STEPS)
def test_a_gap_as_long_as_the_limit_is_merged_nowhere(rate_hz, step, tenth):
    settings = EventSettings(merge_gap_seconds=0.2, min_event_seconds=0.0)
    for start in range(1, 1000):
        for gap, expected in ((2 * tenth, 2), (2 * tenth - 1, 1)):
            assert expected == num_events(
                [(start, 3), (start + 3 + gap, 4)],
                settings,
                rate_hz=rate_hz,
                step=step,
            )


def test_blocks_make_no_difference():
    rng = np.random.default_rng(2)
    rows = rng.uniform(size=(61, 2))
    whole = find(rows, merge=0.12, shortest=0.11, seconds=6.3)
    for cuts in ([1, 2, 30], [13], list(range(1, 61))):
        parts = find(rows, cuts=cuts, merge=0.12, shortest=0.11, seconds=6.3)
        assert parts == whole
    assert {event.tag for event in whole} == {"a", "b"}


def test_a_negative_setting_is_refused():
    with pytest.raises(ConfigError, match="`merge_gap_seconds` must be 0"):
        EventSettings(merge_gap_seconds=-0.1)
