"""Plots: a readable PNG of the right content, the same bytes each time."""

import subprocess
import sys

import matplotlib.image
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from audiotag_nas.errors import ConfigError, StoreError
from audiotag_nas.report import plots
from tests.full_disk import room_for

TAGS = ("c", "m", "f", "v", "p", "b", "o")


def plot_clip(path, **changes):
    rng = np.random.default_rng(0)
    settings = {
        "log_mel": rng.normal(size=(61, 13)),
        "frame_seconds": 0.032,
        "tags": TAGS,
        "frame_scores": np.zeros((61, 7)),
        "events": [("v", 0.32, 1.6)],
        "title": "a clip",
    }
    plots.plot_tagged_clip(path, **settings | changes)
    return matplotlib.image.imread(path)


def test_an_active_stretch_is_framed_where_it_is(tmp_path):
    without = plot_clip(tmp_path / "a.png", events=[])
    framed = plot_clip(tmp_path / "b.png")
    changed = np.argwhere(np.abs(framed - without).max(axis=2) > 0.1)
    height, width = framed.shape[:2]
    (top, left), (bottom, right) = changed.min(axis=0), changed.max(axis=0)
    # Only a part of the lower panel; 1.28 of 1.952 s.
    assert top > height / 2
    assert bottom - top < height / 10
    assert 0.4 * width < right - left < 0.7 * width


def test_the_same_values_give_the_same_bytes(tmp_path):
    plot_clip(tmp_path / "a.png", thresholds=np.full(7, 0.5))
    plot_clip(
        tmp_path / "b.png",
        thresholds=np.full(7, 0.5),
        mel_hz=None,
    )
    a, b = ((tmp_path / name).read_bytes() for name in ("a.png", "b.png"))
    assert a == b


def test_every_option_changes_the_picture(tmp_path):
    plain = plot_clip(tmp_path / "a.png")
    for number, change in enumerate(
        (
            {"mel_hz": np.linspace(0, 8000, 13)},
            {"clip_scores": np.full(7, 0.3)},
            {"thresholds": [0.5] * 7},
        )
    ):
        other = plot_clip(tmp_path / f"{number}.png", **change)
        assert other.shape == plain.shape
        assert not np.array_equal(other, plain)


def test_dollars_in_names_begin_no_formula(tmp_path):
    one = plot_clip(tmp_path / "a.png", title="from $5_^ to $6")
    other = plot_clip(tmp_path / "b.png", title="from  5_^ to  6")
    assert not np.array_equal(one, other)
    tags = ("$_^$", "m$", "f", "v", "p", "b", "o")
    other = plot_clip(tmp_path / "c.png", tags=tags)
    assert not np.array_equal(one, other)


def test_what_does_not_fit_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"\(60, 7\)"):
        plot_clip(tmp_path / "a.png", frame_scores=np.zeros((60, 7)))
    with pytest.raises(ConfigError, match="'z'"):
        plot_clip(tmp_path / "a.png", events=[("z", 0, 1)])
    assert not list(tmp_path.iterdir())


def test_curves_and_searches_with_gaps_are_drawn(tmp_path):
    plots.plot_learning_curves(
        tmp_path / "curves.png",
        {"a": [0.4, float("nan"), 0.2], "b": [0.5], "none": []},
        target=0.3,
    )
    plots.plot_search(tmp_path / "search.png", [0.7, None, 0.9], title="x")
    plots.plot_search(tmp_path / "failed.png", [None, None])
    plots.plot_pareto(
        tmp_path / "front.png",
        [(3000, 0.3), (50_000, 0.2), (60_000, 0.25)],
        front=[(50_000, 0.2), (3000, 0.3)],
        reference=(160_334, 0.22),
        cost="parameters",
    )
    plots.plot_pareto(tmp_path / "empty.png", [], front=[], cost="parameters")
    for path in tmp_path.iterdir():
        image = matplotlib.image.imread(path)
        assert image.shape[0] > 300
        assert image.std() > 0.02


def test_regrets_are_drawn_where_they_are_known(tmp_path):
    nan = float("nan")
    curves = {
        "random": [(3.0, 0.5), (2.0, 0.4), (1.5, 0.1)],
        "other": [(2.0, nan), (1.0, nan), (nan, nan)],
    }
    # More panels than a row has, and more searchers than there are colours.
    many = {f"s{i}": [(i, 0.1)] * 3 for i in range(9)}
    panels = {"a": curves, "b": curves, "c": many, "d": curves}
    path = tmp_path / "all.png"
    plots.plot_regrets(path, (25, 50, 200), panels)
    four = matplotlib.image.imread(path)
    plots.plot_regrets(path, (25, 50, 200), {"a": curves})
    one = matplotlib.image.imread(path)
    assert four.shape[1] > 2.5 * one.shape[1]
    assert four.shape[0] > 1.5 * one.shape[0]
    assert np.ptp(one) > 0


def test_searchers_that_are_alike_are_all_seen_also_at_no_regret(tmp_path):
    path = tmp_path / "alike.png"
    curves = {name: [(0.0, 0.0)] * 3 for name in "abc"}
    plots.plot_regrets(path, (25, 50, 200), {"one": curves})
    picture = matplotlib.image.imread(path)[..., :3]
    above_legend = picture[: int(0.8 * len(picture))]
    for colour in plots.COLOURS[:3]:
        is_it = np.abs(above_legend - to_rgb(colour)).max(axis=2) < 0.02
        # A whole mark, 7 pixels wide, that no other lies on.
        columns = np.flatnonzero(is_it.sum(axis=0) >= 5)
        assert len(columns) >= 5


@pytest.mark.parametrize(
    ("ending", "start"),
    [(".png", b"\x89PNG"), (".pdf", b"%PDF-"), (".SVG", b"<?xml")],
)
def test_a_picture_has_the_format_that_its_ending_says(tmp_path, ending, start):
    files = [tmp_path / f"{number}{ending}" for number in range(2)]
    for path in files:
        plots.plot_search(path, [0.7, None, 0.9], title="x")
    first, second = (path.read_bytes() for path in files)
    assert first.startswith(start)
    assert first == second


@pytest.mark.parametrize("name", ["e.xyz", "e.png.txt", "png"])
def test_a_picture_of_another_ending_is_not_written(tmp_path, name):
    rule = r"`path` must end in \.png, \.pdf or \.svg\. Received: '.*"
    with pytest.raises(ConfigError, match=rf"^{rule}{name}'$"):
        plots.plot_search(tmp_path / name, [0.7])
    assert not list(tmp_path.iterdir())


def test_importing_the_module_imports_no_matplotlib():
    code = (
        "import sys, audiotag_nas.report.plots, audiotag_nas.report.tables\n"
        "sys.exit('matplotlib' in sys.modules or 'tensorflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_a_picture_without_room_is_named(tmp_path):
    path = tmp_path / "report" / "curves.png"
    with (
        room_for(999),
        pytest.raises(StoreError, match=rf"^{path}: can't be written \(File"),
    ):
        plots.plot_learning_curves(path, {"found": [0.4, 0.3, 0.1]}, title="x")
    assert list(path.parent.iterdir()) == []
