"""The picture of a search's decisions: it shows what it is given."""

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
        is_clear=False,
    )
    for number in range(9)
]
PAIR = PairPanel(
    names=("decision 0", "decision 1"),
    choices=(["1", "3", "5"], ["a", "b"]),
    mean=np.array([[-0.01, 0.0], [0.0, 0.01], [0.0, 0.0]]),
    deviation=np.full((3, 2), 0.002),
    is_clear=np.array([[True, False], [False, True], [False, False]]),
    share=(0.1, 0.0, 0.2),
)


def draw(path, effects, pairs):
    plot_importance(path, effects, pairs, reward="1 - mean EER")
    return matplotlib.image.imread(path)[..., :3]


def saturation(picture) -> float:
    return float((picture.max(axis=2) - picture.min(axis=2)).sum())


def test_what_may_be_chance_is_grey_and_what_is_clear_has_a_colour(tmp_path):
    grey = draw(tmp_path / "a.png", EFFECTS, [])
    clear = [*EFFECTS]
    clear[0] = EffectPanel(**{**vars(EFFECTS[0]), "is_clear": True})
    coloured = draw(tmp_path / "b.png", clear, [])
    assert saturation(grey) < 1.0
    assert saturation(coloured) > 100.0
    # It is the first panel of seven beside one another.
    changed = np.argwhere(np.abs(coloured - grey).max(axis=2) > 0.1)
    assert changed[:, 1].max() < grey.shape[1] / 3.5


def test_pairs_are_below_the_decisions_and_one_decision_needs_none(tmp_path):
    alone = draw(tmp_path / "a.png", EFFECTS[:1], [])
    both = draw(tmp_path / "b.png", EFFECTS[:2], [PAIR])
    assert both.shape[0] > alone.shape[0] + 200
    assert saturation(both[: both.shape[0] // 3]) < 1.0
    assert saturation(both[both.shape[0] // 2 :]) > 1000.0


def test_a_pair_is_grey_where_it_may_be_chance(tmp_path):
    unsure = dataclasses.replace(PAIR, is_clear=np.zeros((3, 2), bool))
    one = dataclasses.replace(PAIR, is_clear=np.eye(3, 2, dtype=bool))
    assert saturation(draw(tmp_path / "a.png", EFFECTS[:2], [unsure])) < 1.0
    both = draw(tmp_path / "b.png", EFFECTS[:2], [unsure, one])
    lower = both[both.shape[0] // 2 :]
    left, right = np.split(lower, [lower.shape[1] // 2 - 40], axis=1)
    assert saturation(left) < 1.0
    assert saturation(right) > 1000.0


def test_a_share_that_is_not_known_is_not_written(tmp_path):
    known = draw(tmp_path / "a.png", EFFECTS[:1], [])
    unknown = [dataclasses.replace(EFFECTS[0], share=None)]
    less = draw(tmp_path / "b.png", unknown, [])
    assert (1 - less).sum() < 0.97 * (1 - known).sum()
