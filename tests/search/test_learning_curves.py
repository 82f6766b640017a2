"""Estimates of final rewards, by hand and by simulation."""

import numpy as np
import pytest

from audiotag_nas.errors import ConfigError
from audiotag_nas.search.learning_curves import LearningCurves


def filled(*trials) -> LearningCurves:
    curves = LearningCurves(3)
    for trial in trials:
        curves.add(trial, stopped_epoch=len(trial) % 3)
    return curves


# final = reward after epoch 2 + 0.1 = 2 x reward after epoch 1 + 0.2
WHOLE = ((0.1, 0.3, 0.4), (0.2, 0.5, 0.6), (0.3, 0.7, 0.8), (0.05, 0.2, 0.3))


def test_exact_lines_are_extrapolated_exactly():
    fits = filled(*WHOLE).fits()
    assert fits[2].predicted_final(0.35) == pytest.approx(0.45)
    assert fits[1].predicted_final(0.15) == pytest.approx(0.5)
    assert fits[1].slope == pytest.approx(2.0)
    assert fits[1].residual_variance == pytest.approx(0.0, abs=1e-12)


def test_a_trial_stopped_late_counts_at_earlier_epochs_with_its_prediction():
    # Its curve is 0.1, 0.2. The regression of epoch 2 predicts 0.3.
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


def test_trials_stopped_at_an_epoch_do_not_influence_its_regression():
    fits, without = filled(*WHOLE, (0.9,)).fits(), filled(*WHOLE).fits()
    assert fits[1].slope == without[1].slope
    assert fits[2] == without[2]
    assert fits[1].num == without[1].num + 1


def test_predictions_are_unbiased_if_poor_starts_were_stopped():
    """A regression over full trainings alone is biased upwards."""
    rng = np.random.default_rng(5)
    num = 4000
    # The curves are random walks. The standard deviation of the final reward
    # about the reward after epoch 1 is 0.2 sqrt(2).
    walks = 0.6 + np.cumsum(rng.normal(0, 0.2, (num, 3)), axis=1)
    curves = LearningCurves(3)
    for walk in walks:
        stop = 2 if walk[1] < 0.6 else 0
        curves.add(walk[: stop or 3], stopped_epoch=stop)
    fit = curves.fits()[1]
    start = 0.3
    assert fit.predicted_final(start) == pytest.approx(start, abs=0.02)
    assert fit.residual_variance == pytest.approx(2 * 0.2**2, rel=0.1)
    whole = walks[walks[:, 1] >= 0.6]
    naive = np.polyval(np.polyfit(whole[:, 0], whole[:, 2], 1), start)
    assert naive > start + 0.2


def test_calibration_inverts_the_regression_of_current_on_final():
    rng = np.random.default_rng(7)
    finals = rng.normal(0.7, 0.1, 200)
    current = 0.5 * finals + rng.normal(0, 0.03, 200)
    curves = LearningCurves(2)
    for pair in zip(current, finals, strict=True):
        curves.add(pair)
    slope, intercept = np.polyfit(finals, current, 1)
    fit = curves.fits()[1]
    for start in (0.2, 0.35, 0.5):
        assert fit.calibrated_final(start) == pytest.approx(
            (start - intercept) / slope
        )


def test_calibrated_finals_are_unbiased_for_good_and_bad_trials():
    """Predicted final rewards are shrunk towards the mean of all trials."""
    rng = np.random.default_rng(8)
    finals = rng.normal(0.7, 0.1, 4000)
    current = finals + rng.normal(0, 0.1, 4000)  # half of the variance
    curves = LearningCurves(2)
    for pair in zip(current, finals, strict=True):
        curves.add(pair)
    fit = curves.fits()[1]
    for final in (0.5, 0.9):
        starts = final + rng.normal(0, 0.1, 4000)
        calibrated = np.mean([fit.calibrated_final(start) for start in starts])
        predicted = np.mean([fit.predicted_final(start) for start in starts])
        assert calibrated == pytest.approx(final, abs=0.02)
        assert predicted == pytest.approx((final + 0.7) / 2, abs=0.02)


def test_without_correlation_the_calibrated_final_is_the_mean():
    curves = LearningCurves(2)
    for pair in ((0.1, 0.8), (0.2, 0.6), (0.3, 0.7), (0.4, 0.5)):
        curves.add(pair)
    # Better starts ended worse, so the slope is bounded at 0.
    assert curves.fits()[1].calibrated_final(0.9) == pytest.approx(0.65)
    constant = LearningCurves(2)
    for final in (0.5, 0.6, 0.7, 0.8):
        constant.add((0.3, final))
    assert constant.fits()[1].calibrated_final(0.9) == pytest.approx(0.65)


@pytest.mark.parametrize("level", [0.3, 0.55, 0.6, 0.7, 1 / 3])
def test_equal_starts_do_not_correlate(level):
    # Their deviations from the mean are rounding errors.
    curves = LearningCurves(2)
    for i in range(10):
        curves.add((level, 0.6 + 0.01 * i))
    fit = curves.fits()[1]
    assert fit.predicted_final(level - 0.01) == pytest.approx(0.645)
    assert fit.calibrated_final(level - 0.01) == pytest.approx(0.645)


def test_calibration_extrapolates_four_times_at_most():
    curves = LearningCurves(2)
    # The correlation of starts and finals is 1 / 10, so R² is 1 / 100.
    starts, noise = np.array([1.0, 1, -1, -1]), np.array([1.0, -1, 1, -1])
    finals = 0.1 * starts + 0.99**0.5 * noise
    for pair in zip(starts, finals, strict=True):
        curves.add(pair)
    # The prediction for a start of 1 is 0.1. The mean of all rewards is 0.
    assert curves.fits()[1].calibrated_final(1.0) == pytest.approx(0.4)


def test_a_curve_that_ended_by_itself_stays_at_its_final_reward():
    curves = LearningCurves(3)
    curves.add([0.2, 0.4])
    assert curves.num_whole == 1
    assert curves.best_final == 0.4
    assert list(curves.rewards_after(3)) == [0.4]


def test_few_full_curves_give_no_fits():
    assert filled(*WHOLE[:3], (0.1,), (0.2,)).fits() == {}


def test_slopes_are_not_negative():
    falling = [(0.1, 0.5, 0.5), (0.2, 0.4, 0.4), (0.3, 0.3, 0.3)]
    assert filled(*falling, (0.4, 0.2, 0.2)).fits()[1].slope == 0.0


@pytest.mark.parametrize(
    ("curve", "stopped_epoch"),
    [([], 0), ([0.1, 0.2, 0.3, 0.4], 0), ([0.1, 0.2], 1)],
)
def test_a_curve_of_a_wrong_length_is_refused(curve, stopped_epoch):
    with pytest.raises(ConfigError, match="1 to 3 epochs"):
        LearningCurves(3).add(curve, stopped_epoch=stopped_epoch)
