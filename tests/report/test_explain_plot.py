"""The picture of main effects and interactions."""

import dataclasses

import matplotlib.image
import numpy as np

from audiotag_nas.report.explain_plot import (
    EffectPanel,
    PairPanel,
    plot_importance,
)

EFFECTS = [
    EffectPanel(
        name=f"decision {number}",
        choices=["1", "3", "5"],
        mean=np.array([-0.01, 0.0, 0.01]) / (1 + number),
        deviation=np.full(3, 0.002),
        share=(0.2, 0.1, 0.3),
        is_significant=False,
    )
    for number in range(9)
]
PAIR = PairPanel(
    names=("decision 0", "decision 1"),
    choices=(["1", "3", "5"], ["a", "b"]),
    mean=np.array([[-0.01, 0.0], [0.0, 0.01], [0.0, 0.0]]),
    deviation=np.full((3, 2), 0.002),
    is_significant=np.array([[True, False], [False, True], [False, False]]),
    share=(0.1, 0.0, 0.2),
)


def draw(path, effects, pairs):
    plot_importance(path, effects, pairs, reward="1 - mean EER")
    return matplotlib.image.imread(path)[..., :3]


def saturation(picture) -> float:
    return float((picture.max(axis=2) - picture.min(axis=2)).sum())


def test_significant_effects_have_a_color_and_others_are_gray(tmp_path):
    gray = draw(tmp_path / "a.png", EFFECTS, [])
    significant = [*EFFECTS]
    significant[0] = EffectPanel(**{**vars(EFFECTS[0]), "is_significant": True})
    colored = draw(tmp_path / "b.png", significant, [])
    assert saturation(gray) < 1.0
    assert saturation(colored) > 100.0
    # Only the first of the seven panels in the row changes.
    changed = np.argwhere(np.abs(colored - gray).max(axis=2) > 0.1)
    assert changed[:, 1].max() < gray.shape[1] / 3.5


def test_pairs_are_below_the_main_effects_and_optional(tmp_path):
    alone = draw(tmp_path / "a.png", EFFECTS[:1], [])
    both = draw(tmp_path / "b.png", EFFECTS[:2], [PAIR])
    assert both.shape[0] > alone.shape[0] + 200
    assert saturation(both[: both.shape[0] // 3]) < 1.0
    assert saturation(both[both.shape[0] // 2 :]) > 1000.0


def test_cells_that_are_not_significant_are_gray(tmp_path):
    gray = dataclasses.replace(PAIR, is_significant=np.zeros((3, 2), bool))
    one = dataclasses.replace(PAIR, is_significant=np.eye(3, 2, dtype=bool))
    assert saturation(draw(tmp_path / "a.png", EFFECTS[:2], [gray])) < 1.0
    both = draw(tmp_path / "b.png", EFFECTS[:2], [gray, one])
    lower = both[both.shape[0] // 2 :]
    left, right = np.split(lower, [lower.shape[1] // 2 - 40], axis=1)
    assert saturation(left) < 1.0
    assert saturation(right) > 1000.0


def test_an_unknown_share_is_not_drawn(tmp_path):
    known = draw(tmp_path / "a.png", EFFECTS[:1], [])
    unknown = [dataclasses.replace(EFFECTS[0], share=None)]
    less = draw(tmp_path / "b.png", unknown, [])
    assert (1 - less).sum() < 0.97 * (1 - known).sum()
