"""Sound sources other than voices, measured with SciPy."""

import numpy as np
import pytest
from scipy import signal

from audiotag_nas.data.synthesis import (
    broadband,
    dsp,
    named_sounds,
    percussive,
    television,
)

RATE_HZ = 48000


def _flatness(waveform):
    """Spectral flatness: geometric over arithmetic mean, 100 Hz to 7 kHz."""
    frequencies_hz, power = signal.welch(waveform, RATE_HZ, nperseg=4096)
    band = power[(frequencies_hz > 100) & (frequencies_hz < 7000)]
    return np.exp(np.log(band + 1e-20).mean()) / band.mean()


def test_broadband_noise_has_a_flat_spectrum_and_named_sounds_do_not():
    for seed in range(6):
        rng = np.random.default_rng(seed)
        noise = broadband.render_noise(
            broadband.draw_noise_source(rng), rng, 96000
        )
        named = named_sounds.render_calls(
            named_sounds.draw_source(rng), rng, 96000
        )
        assert _flatness(noise) > 0.5
        assert _flatness(named) < 0.3


@pytest.mark.parametrize("slope_db", [-6.0, 0.0, 3.0])
def test_tilted_noise_has_the_requested_slope(slope_db):
    noise = dsp.tilted_noise(
        np.random.default_rng(3), 96000, db_per_octave=slope_db
    )
    frequencies_hz, power = signal.welch(noise, RATE_HZ, nperseg=4096)
    band = (frequencies_hz > 100) & (frequencies_hz < 10000)
    octaves = np.log2(frequencies_hz[band])
    slope, _ = np.polyfit(octaves, 10 * np.log10(power[band]), 1)
    assert slope == pytest.approx(slope_db, abs=0.3)
    assert np.mean(noise**2) == pytest.approx(1, rel=0.01)


def test_a_stroke_starts_at_once_and_decays():
    for seed in range(6):
        rng = np.random.default_rng(seed)
        body = percussive.draw_struck_body(rng)
        sound = percussive.strike(body, rng, 24000)
        peak = np.abs(sound[:960]).max()
        first = np.flatnonzero(np.abs(sound) > 0.1 * peak)[0]
        assert first < 96  # 2 ms
        last = percussive._stroke(body, rng)[-240:]
        assert np.abs(last).max() < 0.2 * peak


def test_knocks_have_separate_onsets_at_the_stroke_rate():
    rng = np.random.default_rng(5)
    body = percussive.draw_struck_body(rng)
    while body.kind != "knock":
        body = percussive.draw_struck_body(rng)
    sound = np.pad(percussive.strike(body, rng, 72000), (12000, 0))
    loudness = np.convolve(np.abs(sound), np.ones(480) / 480, "same")
    peaks = signal.find_peaks(
        loudness, height=0.2 * loudness.max(), distance=4800
    )
    onsets = peaks[0] / RATE_HZ
    assert onsets[0] == pytest.approx(0.25, abs=0.06)
    gaps = np.diff(onsets)
    assert np.median(gaps) == pytest.approx(1 / body.strokes_hz, rel=0.25)


def test_a_television_stays_within_the_band_of_its_loudspeaker():
    for seed in range(6):
        rng = np.random.default_rng(seed)
        source = television.draw_television(rng)
        sound = television.play(source, rng, 96000)
        assert sound.shape == (96000,)
        frequencies_hz, power = signal.welch(sound, RATE_HZ, nperseg=4096)
        low_hz, high_hz = source.band_hz
        beyond = (frequencies_hz < low_hz / 4) | (frequencies_hz > 9000)
        assert power[beyond].sum() < 0.02 * power.sum()
        assert high_hz < 9000


@pytest.mark.parametrize("kind", named_sounds.KINDS)
def test_every_named_sound_is_finite_and_audible(kind):
    low_hz, high_hz = named_sounds.KINDS[kind].pitch_hz
    source = named_sounds.Source(kind, (low_hz * high_hz) ** 0.5, 1.3, 0.4)
    sound = named_sounds.render_calls(source, np.random.default_rng(1), 50001)
    assert sound.shape == (50001,)
    assert np.isfinite(sound).all()
    assert dsp.active_level(sound) > 0.01


def test_the_level_of_a_sound_ignores_the_silence_around_it():
    tone = np.sin(np.arange(9600) * 0.1).astype(np.float32)
    padded = np.pad(tone, (38400, 96000))
    assert dsp.active_level(padded) == pytest.approx(0.5**0.5, rel=0.02)
    assert dsp.active_level(np.zeros(96000, np.float32)) == 0


def test_band_pass_equals_the_butterworth_filters_of_scipy():
    noise = np.random.default_rng(0).standard_normal(5000)
    high = signal.butter(2, 300, "highpass", fs=16000, output="sos")
    low = signal.butter(2, 4000, "lowpass", fs=16000, output="sos")
    expected = signal.sosfilt(np.concatenate([high, low]), noise)
    ours = dsp.band_pass(noise, 300, 4000, sample_rate_hz=16000)
    np.testing.assert_allclose(ours, expected, atol=1e-6)
