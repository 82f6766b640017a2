"""What learning curves say of stopped children, by hand and by simulation."""

import numpy as np
import pytest

from audiotag_nas.errors import ConfigError
from audiotag_nas.search.learning_curves import LearningCurves


def filled(*children) -> LearningCurves:
    curves = LearningCurves(3)
    for child in children:
        curves.add(child, stopped_epoch=len(child) % 3)
    return curves


# Final = current after epoch 2 + 0.1, and = 2 x that after epoch 1 + 0.2.
WHOLE = (
    (0.1, 0.3, 0.4),
    (0.2, 0.5, 0.6),
    (0.3, 0.7, 0.8),
    (0.05, 0.2, 0.3),
)


def test_on_exact_lines_a_stopped_child_gets_the_final_reward_on_the_line():
    fits = filled(*WHOLE).fits()
    assert fits[2].expected_final(0.35) == pytest.approx(0.45)
    assert fits[1].expected_final(0.15) == pytest.approx(0.5)
    assert fits[1].slope == pytest.approx(2.0)
    assert fits[1].residual_variance == pytest.approx(0.0, abs=1e-12)


def test_a_child_stopped_late_counts_early_with_what_was_expected_of_it():
    # It goes 0.1 -> 0.2, from where the line of epoch 2 leads to 0.3.
    fits = filled(*WHOLE, (0.1, 0.2)).fits()
    finals = np.array([0.4, 0.6, 0.8, 0.3, 0.3])
    current = np.array([0.1, 0.2, 0.3, 0.05, 0.1])
    slope, intercept = np.polyfit(current, finals, 1)
    assert fits[1].slope == pytest.approx(slope)
    assert fits[1].intercept == pytest.approx(intercept)
    assert fits[1].num == 5
    assert fits[1].mean_final == pytest.approx(finals.mean())
    residuals = finals - intercept - slope * current
    assert fits[1].residual_variance == pytest.approx(
        residuals @ residuals / (5 - 2)
    )


def test_children_stopped_at_an_epoch_do_not_tell_what_came_after_it():
    fits, without = filled(*WHOLE, (0.9,)).fits(), filled(*WHOLE).fits()
    assert fits[1].slope == without[1].slope
    assert fits[2] == without[2]
    assert fits[1].num == without[1].num + 1


def test_expected_finals_are_unbiased_where_poor_starts_were_stopped():
    """Among whole children alone, those who recovered are too many."""
    rng = np.random.default_rng(5)
    num = 4000
    # A random walk: the final is the current reward and noise of 0.2 root 2.
    walks = 0.6 + np.cumsum(rng.normal(0, 0.2, (num, 3)), axis=1)
    curves = LearningCurves(3)
    for walk in walks:
        stop = 2 if walk[1] < 0.6 else 0
        curves.add(walk[: stop or 3], stopped_epoch=stop)
    fit = curves.fits()[1]
    start = 0.3
    assert fit.expected_final(start) == pytest.approx(start, abs=0.02)
    assert fit.residual_variance == pytest.approx(2 * 0.2**2, rel=0.1)
    whole = walks[walks[:, 1] >= 0.6]
    naive = np.polyval(np.polyfit(whole[:, 0], whole[:, 2], 1), start)
    assert naive > start + 0.2


def test_the_likeliest_final_reads_current_on_final_backwards():
    rng = np.random.default_rng(7)
    finals = rng.normal(0.7, 0.1, 200)
    current = 0.5 * finals + rng.normal(0, 0.03, 200)
    curves = LearningCurves(2)
    for pair in zip(current, finals, strict=True):
        curves.add(pair)
    slope, intercept = np.polyfit(finals, current, 1)
    fit = curves.fits()[1]
    for start in (0.2, 0.35, 0.5):
        assert fit.likeliest_final(start) == pytest.approx(
            (start - intercept) / slope
        )


def test_likeliest_finals_are_right_on_average_for_good_and_bad_alike():
    """Expected ones draw both towards the mean of all."""
    rng = np.random.default_rng(8)
    finals = rng.normal(0.7, 0.1, 4000)
    current = finals + rng.normal(0, 0.1, 4000)  # half of the variance
    curves = LearningCurves(2)
    for pair in zip(current, finals, strict=True):
        curves.add(pair)
    fit = curves.fits()[1]
    for final in (0.5, 0.9):
        starts = final + rng.normal(0, 0.1, 4000)
        likeliest = np.mean([fit.likeliest_final(start) for start in starts])
        expected = np.mean([fit.expected_final(start) for start in starts])
        assert likeliest == pytest.approx(final, abs=0.02)
        assert expected == pytest.approx((final + 0.7) / 2, abs=0.02)


def test_where_starts_say_nothing_the_likeliest_final_is_the_mean():
    curves = LearningCurves(2)
    for pair in ((0.1, 0.8), (0.2, 0.6), (0.3, 0.7), (0.4, 0.5)):
        curves.add(pair)
    # Better starts ended worse: the slope is held at nil.
    assert curves.fits()[1].likeliest_final(0.9) == pytest.approx(0.65)
    constant = LearningCurves(2)
    for final in (0.5, 0.6, 0.7, 0.8):
        constant.add((0.3, final))
    assert constant.fits()[1].likeliest_final(0.9) == pytest.approx(0.65)


@pytest.mark.parametrize("level", [0.3, 0.55, 0.6, 0.7, 1 / 3])
def test_starts_that_are_all_equal_say_nothing(level):
    # Their distances from their mean are what it was rounded by.
    curves = LearningCurves(2)
    for i in range(10):
        curves.add((level, 0.6 + 0.01 * i))
    fit = curves.fits()[1]
    assert fit.expected_final(level - 0.01) == pytest.approx(0.645)
    assert fit.likeliest_final(level - 0.01) == pytest.approx(0.645)


def test_little_in_common_stretches_a_likeliest_final_four_times_at_most():
    curves = LearningCurves(2)
    # Correlation 1 / 10 of starts and ends, so 1 / 100 of the variance.
    starts, noise = np.array([1.0, 1, -1, -1]), np.array([1.0, -1, 1, -1])
    finals = 0.1 * starts + 0.99**0.5 * noise
    for pair in zip(starts, finals, strict=True):
        curves.add(pair)
    # Expected of a start of 1: 0.1, and four times as far from the mean, 0.
    assert curves.fits()[1].likeliest_final(1.0) == pytest.approx(0.4)


def test_a_curve_that_ended_by_itself_stays_at_its_final_reward():
    curves = LearningCurves(3)
    curves.add([0.2, 0.4])
    assert curves.num_whole == 1
    assert curves.best_final == 0.4
    assert list(curves.rewards_after(3)) == [0.4]


def test_of_few_whole_curves_nothing_is_concluded():
    assert filled(*WHOLE[:3], (0.1,), (0.2,)).fits() == {}


def test_a_better_start_is_never_taken_for_a_worse_end():
    falling = [(0.1, 0.5, 0.5), (0.2, 0.4, 0.4), (0.3, 0.3, 0.3)]
    assert filled(*falling, (0.4, 0.2, 0.2)).fits()[1].slope == 0.0


@pytest.mark.parametrize(
    ("curve", "stopped_epoch"),
    [([], 0), ([0.1, 0.2, 0.3, 0.4], 0), ([0.1, 0.2], 1)],
)
def test_a_curve_that_does_not_fit_is_refused(curve, stopped_epoch):
    with pytest.raises(ConfigError, match="1 to 3 epochs"):
        LearningCurves(3).add(curve, stopped_epoch=stopped_epoch)
