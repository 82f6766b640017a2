"""Tests the picture of a contest."""

import matplotlib.image
import numpy as np
from matplotlib.colors import to_rgb

from audiotag_nas.report.figures import COLORS
from benchmarks.contest.regret_plot import plot_regrets


def test_regrets_are_drawn_if_they_are_known(tmp_path):
    nan = float("nan")
    curves = {
        "random": [(3.0, 0.5), (2.0, 0.4), (1.5, 0.1)],
        "other": [(2.0, nan), (1.0, nan), (nan, nan)],
    }
    # There are more panels than in one row, and more searchers than colors.
    many = {f"s{i}": [(i, 0.1)] * 3 for i in range(9)}
    panels = {"a": curves, "b": curves, "c": many, "d": curves}
    path = tmp_path / "all.png"
    plot_regrets(path, (25, 50, 200), panels)
    four = matplotlib.image.imread(path)
    plot_regrets(path, (25, 50, 200), {"a": curves})
    one = matplotlib.image.imread(path)
    assert four.shape[1] > 2.5 * one.shape[1]
    assert four.shape[0] > 1.5 * one.shape[0]
    assert np.ptp(one) > 0


def test_equal_searchers_are_all_visible_even_at_regret_0(tmp_path):
    path = tmp_path / "alike.png"
    curves = {name: [(0.0, 0.0)] * 3 for name in "abc"}
    plot_regrets(path, (25, 50, 200), {"one": curves})
    picture = matplotlib.image.imread(path)[..., :3]
    above_legend = picture[: int(0.8 * len(picture))]
    for color in COLORS[:3]:
        matches = np.abs(above_legend - to_rgb(color)).max(axis=2) < 0.02
        # A marker of 7 pixels that no other marker covers must be visible.
        columns = np.flatnonzero(matches.sum(axis=0) >= 5)
        assert len(columns) >= 5
