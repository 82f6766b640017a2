"""Pitch and formants of voices, estimated from their waveforms."""

import numpy as np
import pytest
from scipy import linalg, signal

from audiotag_nas.data.synthesis import dsp, voices

RATE_HZ = 48000
# Ranges of speech: Hollien and Shipp 1972 (men), Stoicheff 1981 (women), Lee
# et al. 1999 (children of 5 to 12), with a margin.
SPEECH_PITCH_HZ = {"m": (75, 170), "f": (150, 280), "c": (210, 430)}


def _median_pitch_hz(waveform):
    """The median over loud frames of 64 ms, by autocorrelation."""
    low = signal.resample_poly(waveform, 1, 6)
    b, a = signal.butter(2, 900, fs=8000)
    frames = signal.lfilter(b, a, low)[: len(low) // 512 * 512]
    frames = frames.reshape(-1, 512)
    power = np.mean(frames**2, axis=1)
    lags = np.arange(8000 // 600, 8000 // 60)
    found = []
    for frame in frames[power > 0.1 * power.max()]:
        similarity = [
            np.corrcoef(frame[:-lag], frame[lag:])[0, 1] for lag in lags
        ]
        # The shortest lag near the maximum, not a multiple of the period.
        good = signal.find_peaks(similarity, height=0.85 * max(similarity))[0]
        if len(good):
            found.append(8000 / lags[good[0]])
    return np.median(found)


@pytest.mark.parametrize("kind", ["c", "m", "f"])
def test_measured_pitch_is_the_speakers_and_in_the_range_of_its_kind(kind):
    low_hz, high_hz = SPEECH_PITCH_HZ[kind]
    measured = []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        speaker = voices.draw_speaker(rng, kind)
        pitch_hz = _median_pitch_hz(voices.speak(speaker, rng, 72000))
        assert pitch_hz == pytest.approx(speaker.pitch_hz, rel=0.15)
        measured.append(pitch_hz)
    assert low_hz < min(measured)
    assert max(measured) < high_hz
    assert len({round(pitch) for pitch in measured}) > 1


@pytest.mark.parametrize(
    ("vowel", "formants_hz"),
    # Peterson and Barney 1952: "father" and "beat" of men.
    [(4, (730, 1090, 2440)), (0, (270, 2290, 3010))],
)
def test_formants_of_a_male_vowel_are_the_published_ones(vowel, formants_hz):
    speaker = voices.Speaker(
        kind="m",
        pitch_hz=90.0,
        formant_scale=1.0,
        breath=0.02,
        syllables_hz=4.0,
        intonation=0.05,
    )
    rng = np.random.default_rng(7)
    source = voices._glottal_source(speaker, rng, dsp.LOW_RATE_HZ)
    sound = dsp.to_full_rate(voices._filtered(source, speaker, vowel, rng))
    low = signal.resample_poly(sound, 1, 6)[1500:-1500]
    # Linear prediction is independent of the synthesis.
    emphasized = np.append(low[0], low[1:] - 0.95 * low[:-1])
    emphasized = emphasized * np.hamming(len(emphasized))
    correlation = signal.correlate(emphasized, emphasized)
    correlation = correlation[len(emphasized) - 1 :][:11]
    predictor = linalg.solve_toeplitz(correlation[:10], correlation[1:])
    poles = np.roots(np.append(1, -predictor))
    found_hz = np.angle(poles) * 8000 / (2 * np.pi)
    bandwidth_hz = -np.log(np.abs(poles)) * 8000 / np.pi
    sharp_hz = found_hz[(found_hz > 150) & (bandwidth_hz < 400)]
    for formant_hz in formants_hz:
        nearest = np.min(np.abs(sharp_hz - formant_hz))
        assert nearest < 0.12 * formant_hz


def test_children_have_higher_formants_than_women_and_women_than_men():
    rng = np.random.default_rng(1)
    second_hz = {
        kind: np.mean(
            [
                voices.formants_hz(voices.draw_speaker(rng, kind), 4)[1]
                for _ in range(30)
            ]
        )
        for kind in "cfm"
    }
    assert second_hz["c"] > 1.1 * second_hz["f"] > 1.1**2 * second_hz["m"]


def test_an_utterance_has_the_requested_length_and_is_finite():
    rng = np.random.default_rng(2)
    speaker = voices.draw_speaker(rng, "f")
    for num_samples in (10001, 47999, 100003):
        sound = voices.speak(speaker, rng, num_samples)
        assert sound.shape == (num_samples,)
        assert sound.dtype == np.float32
        assert np.isfinite(sound).all()
        assert np.abs(sound).max() > 0
