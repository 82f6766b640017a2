"""Our decoder and resampler against those of tensorflow-io.

Tolerances (full scale 1): decoded wav and flac are equal; mp3 differs by at
most 2e-6, because the decoders differ. A resampled tone well below both
Nyquist frequencies differs by at most 1e-3, after correcting for the delay of
tensorflow-io: its resampler shifts the sound by its filter's delay, 2 ms or
less, and cuts the end by as much. Ours adds no delay.
"""

import warnings

import numpy as np
import pytest
import soundfile
import tensorflow as tf

from audiotag_nas.data.audio import read_audio

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import tensorflow_io as tfio

RATE_HZ = 44100
NUM_SAMPLES = 74971
MAX_DELAY_SECONDS = 0.0021
FORMATS = ("wav", "flac", "mp3")


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    """A stereo file of a sweep from 200 Hz to 4 kHz, in each format."""
    seconds = np.arange(NUM_SAMPLES) / RATE_HZ
    end = seconds[-1]
    hz = 200 * (4000 / 200) ** (seconds / end)
    tone = 0.4 * np.sin(2 * np.pi * np.cumsum(hz) / RATE_HZ)
    tone *= np.minimum(1, np.minimum(seconds, end - seconds) / 0.05)
    directory = tmp_path_factory.mktemp("sounds")
    paths = {}
    for name in FORMATS:
        paths[name] = directory / f"sweep.{name}"
        stereo = np.stack([tone, 0.5 * tone[::-1]], axis=1)
        soundfile.write(paths[name], stereo, RATE_HZ)
    return paths


def decoded(path):
    """Decodes with tensorflow-io: the mean of the channels, (samples,)."""
    data = tf.constant(path.read_bytes())
    if path.suffix == ".mp3":
        samples = tfio.audio.decode_mp3(data).numpy()
    else:
        decode = getattr(tfio.audio, f"decode_{path.suffix[1:]}")
        samples = decode(data, dtype=tf.int16).numpy() / 32768
    return samples.mean(axis=1).astype(np.float32)


@pytest.mark.parametrize("name", FORMATS)
def test_the_decoders_agree(paths, name):
    ours = read_audio(paths[name], sample_rate_hz=RATE_HZ, note=pytest.fail)
    theirs = decoded(paths[name])
    assert len(ours) == len(theirs) == NUM_SAMPLES
    assert np.abs(ours).max() > 0.2
    np.testing.assert_allclose(
        ours, theirs, rtol=0, atol=2e-6 if name == "mp3" else 0
    )


def delayed(sound, samples):
    """Delays `sound` by a fractional number of samples, in its spectrum."""
    size = 2 * len(sound)
    spectrum = np.fft.rfft(sound, size)
    turns = np.arange(len(spectrum)) / size * samples
    turned = spectrum * np.exp(-2j * np.pi * turns)
    return np.fft.irfft(turned, size)[: len(sound)]


def delay_samples(late, sound):
    """The delay of `late` relative to `sound`, to 1/256 of a sample."""
    spectrum = np.fft.rfft(late, 2 * len(late))
    spectrum *= np.conj(np.fft.rfft(sound, 2 * len(sound)))
    correlation = np.fft.irfft(spectrum, 16 * 2 * len(late))
    about = np.argmax(correlation[: 16 * 1000]) / 16
    return min(
        about + np.arange(-16, 17) / 256,
        key=lambda delay: np.abs(delayed(sound, delay) - late).max(),
    )


@pytest.mark.parametrize("rate_hz", [16000, 22050, 48000])
@pytest.mark.parametrize("name", FORMATS)
def test_the_resamplers_agree_except_for_a_delay(paths, name, rate_hz):
    ours = read_audio(paths[name], sample_rate_hz=rate_hz, note=pytest.fail)
    theirs = tfio.audio.resample(
        decoded(paths[name])[:, None], RATE_HZ, rate_hz
    ).numpy()[:, 0]
    assert abs(len(ours) - len(theirs)) <= 1
    size = min(len(ours), len(theirs))
    ours, theirs = ours[:size], theirs[:size]
    delay = delay_samples(theirs, ours)
    assert 0 <= delay / rate_hz <= MAX_DELAY_SECONDS
    np.testing.assert_allclose(theirs, delayed(ours, delay), rtol=0, atol=1e-3)
