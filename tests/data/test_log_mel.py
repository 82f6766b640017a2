"""The NumPy front end against librosa, SciPy and worked examples."""

import subprocess
import sys

import librosa
import numpy as np
import pytest
import scipy.signal

from audiotag_nas.config import FeatureConfig
from audiotag_nas.data.log_mel import log_mel, mel_matrix

DB_PER_NEPER = 20 / np.log(10)


def noise(num_samples: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (0.1 * rng.standard_normal(num_samples)).astype(np.float32)


def scipy_baseline(waveform: np.ndarray) -> np.ndarray:
    """Wei et al.'s front end from SciPy's STFT and librosa's triangles."""
    window = scipy.signal.get_window("hamming", 1024)
    stft = scipy.signal.ShortTimeFFT(window, hop=512, fs=16000)
    # SciPy centers its slices, so slice 1 begins at sample 0.
    last = 1 + (len(waveform) - 1024) // 512 + 1
    magnitude = np.abs(stft.stft(waveform, p0=1, p1=last)).T
    magnitude /= np.sqrt(np.sum(window**2))
    mels = librosa.filters.mel(sr=16000, n_fft=1024, n_mels=128, fmax=8000)
    mels /= mels.max(axis=1, keepdims=True)
    return np.log(magnitude @ mels.T + 1e-8)


def test_the_defaults_are_the_baseline_computed_with_scipy():
    waveform = noise(64000)
    ours = log_mel(waveform, FeatureConfig())
    assert ours.shape == (124, 128)
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, scipy_baseline(waveform), atol=5e-6)


def test_quiet_bins_beside_a_loud_one_are_exact():
    # 120 dB below the tone, a float32 FFT would show its rounding noise.
    time = np.arange(64000) / 16000
    waveform = np.sin(2 * np.pi * 1000 * time)
    waveform += 1e-6 * np.sin(2 * np.pi * 6000 * time)
    waveform = waveform.astype(np.float32)
    np.testing.assert_allclose(
        log_mel(waveform, FeatureConfig()),
        scipy_baseline(waveform),
        atol=5e-5 / DB_PER_NEPER,
    )


@pytest.mark.parametrize("num_samples", [22050, 30011])
def test_librosa_defaults_equal_librosa(num_samples):
    waveform = noise(num_samples)
    reference = librosa.power_to_db(
        librosa.feature.melspectrogram(y=waveform), top_db=None
    ).T
    ours = log_mel(waveform, FeatureConfig.librosa_defaults())
    # librosa computes in float32.
    np.testing.assert_allclose(ours, reference, atol=4e-4)


@pytest.mark.parametrize("mel_scale", ["slaney", "htk"])
@pytest.mark.parametrize("mel_norm", ["slaney", "none"])
def test_mel_settings_mean_the_same_as_in_librosa(mel_scale, mel_norm):
    config = FeatureConfig(
        sample_rate_hz=8000,
        frame_length=400,
        num_mels=13,
        fmin_hz=125,
        fmax_hz=3500,
        mel_scale=mel_scale,
        mel_norm=mel_norm,
        power=2.0,
    )
    waveform = noise(3211)
    window = scipy.signal.get_window("hamming", 400)
    reference = librosa.feature.melspectrogram(
        y=waveform.astype(np.float64),
        sr=8000,
        n_fft=400,
        hop_length=512,
        window="hamming",
        center=False,
        n_mels=13,
        fmin=125,
        fmax=3500,
        htk=mel_scale == "htk",
        norm="slaney" if mel_norm == "slaney" else None,
    ).T / np.sum(window**2)
    np.testing.assert_allclose(
        log_mel(waveform, config), np.log(reference + 1e-8), atol=2e-5
    )


def test_peak_normalized_filters_have_their_maximum_at_one():
    matrix = mel_matrix(FeatureConfig())
    assert matrix.shape == (513, 128)
    np.testing.assert_array_equal(matrix.max(axis=0), np.ones(128))


def test_a_sine_at_a_bin_has_the_magnitude_computed_by_hand():
    # At the center of FFT bin 64, 1000 Hz, a sine of amplitude a has the
    # magnitude a/2 sum(w) / sqrt(sum(w^2)); for a periodic Hamming window of
    # N samples sum(w) = 0.54 N and sum(w^2) = N (0.54^2 + 0.46^2 / 2).
    time = np.arange(1024) / 16000
    waveform = 0.5 * np.sin(2 * np.pi * 1000 * time)
    config = FeatureConfig(num_mels=1, fmin_hz=0, fmax_hz=8000)
    peak = 0.25 * 0.54 * 1024 / np.sqrt(1024 * (0.54**2 + 0.46**2 / 2))
    # A Hamming window leaks 0.23 / 0.54 of the peak into each neighbor.
    matrix = mel_matrix(config)[:, 0]
    leak = 0.23 / 0.54
    expected = peak * (matrix[64] + leak * (matrix[63] + matrix[65]))
    np.testing.assert_allclose(
        log_mel(waveform, config), [[np.log(expected + 1e-8)]], atol=1e-6
    )


def test_a_sine_peaks_in_the_mel_bin_of_its_frequency():
    # Slaney's scale has 200/3 Hz per mel below 1000 Hz: 600 Hz is mel 9. With
    # 44 filters up to 3000 Hz = mel 15 + 27 ln(3) / ln(6.4) = 30.98, the
    # spacing is 30.98 / 45 = 0.688. The center of filter 12 (from 0) is mel
    # 8.95, the nearest center to 9.
    config = FeatureConfig(num_mels=44, fmax_hz=3000, sample_rate_hz=8000)
    time = np.arange(8000) / 8000
    peaks = log_mel(np.sin(2 * np.pi * 600 * time), config).argmax(axis=1)
    np.testing.assert_array_equal(peaks, 12)


def test_silence_is_the_logarithm_of_the_floor():
    config = FeatureConfig()
    np.testing.assert_allclose(
        log_mel(np.zeros(1024), config), np.log(1e-8), rtol=1e-6
    )
    decibels = FeatureConfig.librosa_defaults()
    np.testing.assert_allclose(log_mel(np.zeros(1), decibels), -100, rtol=1e-6)


def test_an_empty_filter_is_constant_and_does_not_change_the_others():
    # 128 filters on the 33 FFT bins of 64 samples: most contain no bin.
    config = FeatureConfig(frame_length=64, frame_step=32)
    matrix = mel_matrix(config)
    empty = ~matrix.any(axis=0)
    assert 0 < empty.sum() < 128
    waveform = noise(321)
    values = log_mel(waveform, config)
    np.testing.assert_allclose(values[:, empty], np.log(1e-8), rtol=1e-6)
    frame = waveform[:64] * scipy.signal.get_window("hamming", 64)
    frame /= np.sqrt(np.sum(scipy.signal.get_window("hamming", 64) ** 2))
    np.testing.assert_allclose(
        values[0], np.log(np.abs(np.fft.rfft(frame)) @ matrix + 1e-8), atol=1e-5
    )


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("frame_length", [48, 49])
def test_the_number_of_frames_is_that_of_the_config(center, frame_length):
    config = FeatureConfig(
        frame_length=frame_length, frame_step=20, center=center, num_mels=5
    )
    for num_samples in (frame_length, 67, 68, 69, 88, 100):
        frames = log_mel(noise(num_samples), config).shape[0]
        assert frames == config.num_frames(num_samples)


@pytest.mark.parametrize("num_samples", [0, 1, 1023])
def test_a_waveform_shorter_than_a_frame_is_padded_to_one(num_samples):
    waveform = noise(num_samples)
    padded = np.concatenate([waveform, np.zeros(1024 - num_samples)])
    ours = log_mel(waveform, FeatureConfig())
    assert ours.shape == (1, 128)
    np.testing.assert_array_equal(ours, log_mel(padded, FeatureConfig()))


def test_a_waveform_with_two_axes_is_refused():
    with pytest.raises(ValueError, match=r"one axis.*\(2, 3000\)"):
        log_mel(np.zeros((2, 3000)), FeatureConfig())


def test_float16_rounds_by_at_most_0_031_db_or_0_008_nepers():
    waveform = noise(64000)
    waveform[:30000] = 0
    for config, most in (
        (FeatureConfig(), 0.00782),
        (FeatureConfig(power=2.0, log="db"), 0.03126),
        (FeatureConfig.librosa_defaults(), 0.03126),
    ):
        values = log_mel(waveform, config)
        error = np.abs(values.astype(np.float16).astype(float) - values)
        assert error.max() <= most


def test_the_front_end_needs_neither_librosa_nor_numba():
    # numba fails if neither its package nor the home directory is writable.
    code = (
        "import sys\n"
        "sys.modules.update(librosa=None, numba=None)\n"
        "import numpy as np\n"
        "from audiotag_nas.config import FeatureConfig\n"
        "from audiotag_nas.data.log_mel import log_mel\n"
        "assert log_mel(np.zeros(1600), FeatureConfig()).shape == (2, 128)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("mel_scale", ["slaney", "htk"])
@pytest.mark.parametrize("mel_norm", ["slaney", "none"])
@pytest.mark.parametrize(
    ("rate", "length", "num_mels", "fmin", "fmax"),
    [
        (16000, 1024, 128, 0.0, 8000.0),
        (22050, 2048, 96, 50.0, 11025.0),
        (8000, 401, 13, 125.0, 900.0),
        (44100, 4096, 40, 1100.0, 20000.0),
        # Some filters are narrower than an FFT bin, and thus empty.
        (48000, 512, 200, 0.0, 24000.0),
    ],
)
@pytest.mark.filterwarnings("ignore:Empty filters")
def test_the_mel_matrix_equals_that_of_librosa(
    mel_scale, mel_norm, rate, length, num_mels, fmin, fmax
):
    config = FeatureConfig(
        sample_rate_hz=rate,
        frame_length=length,
        num_mels=num_mels,
        fmin_hz=fmin,
        fmax_hz=fmax,
        mel_scale=mel_scale,
        mel_norm=mel_norm,
    )
    reference = librosa.filters.mel(
        sr=rate,
        n_fft=length,
        n_mels=num_mels,
        fmin=fmin,
        fmax=fmax,
        htk=mel_scale == "htk",
        norm="slaney" if mel_norm == "slaney" else None,
    )
    matrix = mel_matrix(config)
    assert matrix.dtype == reference.dtype == np.float32
    # Each matrix is rounded to float32 once or twice: last bits may differ.
    np.testing.assert_allclose(matrix.T, reference, rtol=3e-7, atol=1e-9)
    assert ((matrix.T > 0) == (reference > 0)).all()
