"""The picture of a tagged clip."""

import matplotlib.image
import numpy as np
import pytest

from audiotag_nas.errors import ConfigError
from audiotag_nas.report.tagged_clip_plot import plot_tagged_clip

TAGS = ("c", "m", "f", "v", "p", "b", "o")


def plot_clip(path, **changes):
    rng = np.random.default_rng(0)
    settings = {
        "log_mel": rng.normal(size=(61, 13)),
        "frame_seconds": 0.032,
        "tags": TAGS,
        "frame_scores": np.zeros((61, 7)),
        "clip_scores": np.full(7, 0.2),
        "thresholds": [0.4] * 7,
        "events": [("v", 0.32, 1.6)],
        "title": "a clip",
    }
    plot_tagged_clip(path, **settings | changes)
    return matplotlib.image.imread(path)


def test_an_event_is_framed_at_its_time_and_tag(tmp_path):
    without = plot_clip(tmp_path / "a.png", events=[])
    framed = plot_clip(tmp_path / "b.png")
    changed = np.argwhere(np.abs(framed - without).max(axis=2) > 0.1)
    height, width = framed.shape[:2]
    (top, left), (bottom, right) = changed.min(axis=0), changed.max(axis=0)
    # The change lies in one row of the lower panel: 1.28 of 1.952 s.
    assert top > height / 2
    assert bottom - top < height / 10
    assert 0.4 * width < right - left < 0.7 * width


def test_the_same_values_give_the_same_bytes(tmp_path):
    plot_clip(tmp_path / "a.png")
    plot_clip(tmp_path / "b.png")
    a, b = ((tmp_path / name).read_bytes() for name in ("a.png", "b.png"))
    assert a == b


def test_clip_scores_and_thresholds_are_shown(tmp_path):
    plain = plot_clip(tmp_path / "a.png")
    for number, change in enumerate(
        ({"clip_scores": np.full(7, 0.3)}, {"thresholds": [0.5] * 7})
    ):
        other = plot_clip(tmp_path / f"{number}.png", **change)
        assert other.shape == plain.shape
        assert not np.array_equal(other, plain)


def test_a_dollar_in_a_name_does_not_begin_a_formula(tmp_path):
    one = plot_clip(tmp_path / "a.png", title="from $5_^ to $6")
    other = plot_clip(tmp_path / "b.png", title="from  5_^ to  6")
    assert not np.array_equal(one, other)
    tags = ("$_^$", "m$", "f", "v", "p", "b", "o")
    other = plot_clip(tmp_path / "c.png", tags=tags)
    assert not np.array_equal(one, other)


def test_wrong_shapes_and_unknown_tags_are_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"\(60, 7\)"):
        plot_clip(tmp_path / "a.png", frame_scores=np.zeros((60, 7)))
    with pytest.raises(ConfigError, match="'z'"):
        plot_clip(tmp_path / "a.png", events=[("z", 0, 1)])
    assert not list(tmp_path.iterdir())
