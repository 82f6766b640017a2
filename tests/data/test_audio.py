"""Reading sound files: several formats, and headers that are wrong."""

import os
import re
import signal
import struct

import numpy as np
import pytest
import soundfile
import soxr

from audiotag_nas.data import audio
from audiotag_nas.data.containers.stream import StreamFile
from audiotag_nas.errors import DataError


def sine(frequency_hz, *, rate_hz, num_samples, amplitude=0.5):
    time = np.arange(num_samples) / rate_hz
    return amplitude * np.sin(2 * np.pi * frequency_hz * time)


def loudest_hz(samples, rate_hz):
    """The frequency of the highest spectral line."""
    window = np.hanning(len(samples))
    spectrum = np.abs(np.fft.rfft(samples * window))
    return spectrum.argmax() * rate_hz / len(samples)


def with_notes(read, path, **arguments):
    """The result of a reader, and its notes."""
    notes = []
    return read(path, note=notes.append, **arguments), notes


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("pcm16.wav", {"subtype": "PCM_16"}),
        ("pcm24.wav", {"subtype": "PCM_24"}),
        ("float.wav", {"subtype": "FLOAT"}),
        ("extensible.wav", {"format": "WAVEX"}),
        ("rf64.wav", {"format": "RF64"}),
        ("a.flac", {}),
        ("a.ogg", {}),
        ("a.mp3", {}),
        ("a.opus", {"format": "OGG", "subtype": "OPUS"}),
    ],
)
def test_every_format_gives_the_sine_that_was_written(tmp_path, name, options):
    path = tmp_path / name
    wave = sine(1250.0, rate_hz=48000, num_samples=36000)
    soundfile.write(path, wave, 48000, **options)
    samples = audio.read_audio(path, sample_rate_hz=16000, note=pytest.fail)
    assert samples.dtype == np.float32
    assert samples.shape == (12000,)
    assert loudest_hz(samples, 16000) == pytest.approx(1250.0, abs=2.0)
    assert np.sqrt(np.mean(samples**2)) == pytest.approx(
        0.5 / np.sqrt(2), rel=0.03
    )


def test_the_format_is_detected_from_the_content_not_from_the_name(tmp_path):
    path = tmp_path / "really_flac.mp3"
    soundfile.write(path, sine(440, rate_hz=8000, num_samples=900), 8000,
                    format="FLAC")  # fmt: skip
    assert audio.read_audio(
        path, sample_rate_hz=8000, note=pytest.fail
    ).shape == (900,)


def test_a_file_at_the_requested_rate_is_returned_bit_for_bit(tmp_path):
    steps = np.array([0, 1, -1, 32767, -32768, 16384], np.int16)
    soundfile.write(tmp_path / "a.wav", steps, 16000)
    samples = audio.read_audio(
        tmp_path / "a.wav", sample_rate_hz=16000, note=pytest.fail
    )
    np.testing.assert_array_equal(
        samples, [0, 1 / 32768, -1 / 32768, 32767 / 32768, -1, 0.5]
    )


def test_stereo_is_the_mean_of_its_channels(tmp_path):
    channels = np.array([[0.5, 0.25], [-0.5, 0.0], [0.125, 0.375]])
    soundfile.write(tmp_path / "a.wav", channels, 16000, subtype="FLOAT")
    samples = audio.read_audio(
        tmp_path / "a.wav", sample_rate_hz=16000, note=pytest.fail
    )
    np.testing.assert_array_equal(samples, [0.375, -0.25, 0.25])


def test_opposite_phase_gives_the_loudest_channel_and_a_note(tmp_path):
    wave = sine(700, rate_hz=16000, num_samples=5000)
    path = tmp_path / "a.wav"
    soundfile.write(path, np.stack([-0.98 * wave, wave], 1), 16000)
    samples, (note,) = with_notes(audio.read_audio, path, sample_rate_hz=16000)
    assert re.search(r"a\.wav.*channel 2", note)
    np.testing.assert_allclose(samples, wave, atol=1 / 32768)
    stream, notes = with_notes(
        audio.stream_audio, path, sample_rate_hz=16000, block_seconds=0.1
    )
    blocks = list(stream)
    assert notes == [note]
    np.testing.assert_array_equal(np.concatenate(blocks), samples)


def test_unrelated_channels_and_a_silent_one_are_averaged(tmp_path):
    noise = np.random.default_rng(3).normal(0, 0.1, (4000, 12))
    noise[:, 5] = 0
    soundfile.write(tmp_path / "a.wav", noise, 16000, subtype="FLOAT")
    samples = audio.read_audio(
        tmp_path / "a.wav", sample_rate_hz=16000, note=pytest.fail
    )
    np.testing.assert_allclose(samples, noise.mean(axis=1), atol=1e-7)


@pytest.mark.parametrize("rate_hz", [11025, 44100, 48000])
def test_a_stream_equals_soxr_on_the_whole_file(tmp_path, rate_hz):
    rng = np.random.default_rng(rate_hz)
    wave = rng.normal(0, 0.2, (3 * rate_hz + 17, 2)).astype(np.float32)
    path = tmp_path / "a.wav"
    soundfile.write(path, wave, rate_hz, subtype="FLOAT")
    expected = soxr.resample(wave.mean(axis=1), rate_hz, 16000, quality="HQ")
    blocks = list(
        audio.stream_audio(
            path, sample_rate_hz=16000, block_seconds=0.7, note=pytest.fail
        )
    )
    assert [len(block) for block in blocks[:-1]] == [11200] * (len(blocks) - 1)
    assert 0 < len(blocks[-1]) <= 11200
    np.testing.assert_allclose(np.concatenate(blocks), expected, atol=1e-5)
    whole = audio.read_audio(path, sample_rate_hz=16000, note=pytest.fail)
    np.testing.assert_allclose(whole, expected, atol=1e-6)


def test_the_beginning_alone_equals_the_beginning_of_the_whole_file(tmp_path):
    path = tmp_path / "a.wav"
    wave = np.random.default_rng(1).normal(0, 0.1, 44100)
    soundfile.write(path, wave, 22050, subtype="FLOAT")
    whole = audio.read_audio(path, sample_rate_hz=16000, note=pytest.fail)
    start, has_more = audio.read_beginning(
        path, sample_rate_hz=16000, seconds=0.5, note=pytest.fail
    )
    assert has_more
    assert start.shape == (8000,)
    np.testing.assert_allclose(start, whole[:8000], atol=1e-5)


@pytest.mark.parametrize(
    ("num_samples", "has_more"), [(8000, False), (8700, False), (8900, True)]
)
def test_padding_by_an_encoder_does_not_make_a_file_longer(
    tmp_path, num_samples, has_more
):
    # One second is requested from files of 1.0, 1.0875 and 1.1125 s.
    path = tmp_path / "a.wav"
    soundfile.write(path, np.full(num_samples, 0.1), 8000)
    samples, is_longer = audio.read_beginning(
        path, sample_rate_hz=8000, seconds=1.0, note=pytest.fail
    )
    assert samples.shape == (8000,)
    assert is_longer is has_more


def wav_header(num_bytes, *, rate_hz=16000, riff_bytes=None):
    """The 44-byte header of a 16-bit mono file, written by hand."""
    riff_bytes = 36 + num_bytes if riff_bytes is None else riff_bytes
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        *(b"RIFF", riff_bytes, b"WAVE", b"fmt ", 16, 1, 1, rate_hz),
        *(2 * rate_hz, 2, 16, b"data", num_bytes),
    )


def test_a_truncated_wav_gives_the_samples_in_it_and_a_note(tmp_path):
    path = tmp_path / "cut.wav"
    path.write_bytes(wav_header(8000) + struct.pack("<700h", *range(700)))
    samples, (note,) = with_notes(audio.read_audio, path, sample_rate_hz=16000)
    assert re.search(r"cut\.wav: truncated.*8000.*1400", note)
    np.testing.assert_array_equal(samples, np.arange(700) / 32768)
    assert audio.inspect_audio(path).seconds == 700 / 16000


@pytest.mark.parametrize("num_bytes", [2**31, 2**32 - 1])
def test_a_header_that_announces_gigabytes_costs_no_memory(tmp_path, num_bytes):
    path = tmp_path / "lie.wav"
    path.write_bytes(
        wav_header(num_bytes, riff_bytes=2**32 - 1) + b"\x00\x40" * 500
    )
    samples, notes = with_notes(audio.read_audio, path, sample_rate_hz=16000)
    # 2**32 - 1 means an unknown length, which causes no note.
    assert len(notes) == (num_bytes == 2**31)
    np.testing.assert_array_equal(samples, np.full(500, 0.5))


def flac_announcing(path, num_samples):
    """Writes a FLAC file of 10,000 samples that announces `num_samples`."""
    wave = sine(440, rate_hz=16000, num_samples=10000)
    soundfile.write(path, wave, 16000)
    data = bytearray(path.read_bytes())
    # STREAMINFO: 20 bits for the rate, 3 for the channels, 5 for the sample
    # size, 36 for the number of samples.
    fields = int.from_bytes(data[18:26], "big") >> 36 << 36
    data[18:26] = (fields | num_samples).to_bytes(8, "big")
    path.write_bytes(data)
    return wave


def test_a_flac_of_unknown_length_is_read_to_its_last_sample(tmp_path):
    path = tmp_path / "piped.flac"
    wave = flac_announcing(path, 0)
    samples = audio.read_audio(path, sample_rate_hz=16000, note=pytest.fail)
    np.testing.assert_allclose(samples, wave, atol=1 / 32768)
    assert audio.inspect_audio(path).seconds == 10000 / 16000


def test_a_flac_that_announces_too_much_is_read_with_a_note(tmp_path):
    path = tmp_path / "lie.flac"
    flac_announcing(path, 2**31)
    samples, (note,) = with_notes(audio.read_audio, path, sample_rate_hz=16000)
    assert re.search("2147483648", note)
    assert len(samples) == 10000
    assert audio.inspect_audio(path).seconds == 10000 / 16000


def test_damage_in_the_middle_keeps_the_samples_before_it(tmp_path):
    path = tmp_path / "a.flac"
    wave = np.random.default_rng(0).uniform(-0.5, 0.5, 32000)
    soundfile.write(path, wave, 16000)
    data = bytearray(path.read_bytes())
    data[len(data) // 2 :] = bytes(len(data) - len(data) // 2)
    path.write_bytes(data)
    samples, (note,) = with_notes(audio.read_audio, path, sample_rate_hz=16000)
    assert re.search("damaged", note)
    assert 8000 < len(samples) < 17000
    np.testing.assert_allclose(samples, wave[: len(samples)], atol=1 / 32768)


@pytest.mark.parametrize("rate_hz", [1, 999, 768001, 2**31 - 1])
def test_rates_outside_1_to_768_khz_are_refused(tmp_path, rate_hz):
    path = tmp_path / "rate.wav"
    path.write_bytes(wav_header(20, rate_hz=rate_hz % 2**30) + bytes(20))
    with pytest.raises(DataError, match=r"rate\.wav.*1000 to 768000"):
        audio.read_audio(path, sample_rate_hz=16000, note=pytest.fail)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_samples_that_are_not_finite_are_refused_with_their_position(
    tmp_path, bad
):
    wave = np.zeros((9000, 2), np.float32)
    wave[8765, 1] = bad
    soundfile.write(tmp_path / "a.wav", wave, 16000, subtype="FLOAT")
    with pytest.raises(DataError, match=r"a\.wav: .*finite.*sample 8765"):
        audio.read_audio(
            tmp_path / "a.wav", sample_rate_hz=8000, note=pytest.fail
        )


def test_floats_at_int16_scale_are_refused_with_their_position(tmp_path):
    wave = np.full((9000, 2), 0.5, np.float32)
    wave[8123:, 1] = -20000.0
    path = tmp_path / "a.wav"
    soundfile.write(path, wave, 16000, subtype="FLOAT")
    refused = r"a\.wav: full scale must be 1 .*-20000.0\] at sample 8123"
    with pytest.raises(DataError, match=refused):
        audio.inspect_audio(path)
    with pytest.raises(DataError, match=refused):
        audio.read_audio(path, sample_rate_hz=8000, note=pytest.fail)
    with pytest.raises(DataError, match=refused):
        list(
            audio.stream_audio(
                *(path,),
                sample_rate_hz=8000,
                block_seconds=0.1,
                note=pytest.fail,
            )
        )


def test_floats_beyond_full_scale_are_kept(tmp_path):
    wave = np.full((50, 2), 99.0, np.float32)
    soundfile.write(tmp_path / "a.wav", wave, 16000, subtype="FLOAT")
    samples = audio.read_audio(
        tmp_path / "a.wav", sample_rate_hz=16000, note=pytest.fail
    )
    np.testing.assert_allclose(samples, 99.0, rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.wav", b""),
        ("text.wav", b"this is no sound"),
        ("no_samples.wav", wav_header(0)),
        ("headerless.raw", bytes(1000)),
    ],
)
def test_a_file_without_sound_is_refused_by_name(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=name):
        audio.read_audio(
            tmp_path / name, sample_rate_hz=16000, note=pytest.fail
        )


def test_missing_files_and_directories_are_refused_by_name(tmp_path):
    for path in (tmp_path / "missing.wav", tmp_path):
        with pytest.raises(DataError, match=str(path)):
            audio.read_audio(path, sample_rate_hz=16000, note=pytest.fail)
        with pytest.raises(DataError, match=str(path)):
            audio.inspect_audio(path)


def test_a_name_that_is_not_utf8_is_read(tmp_path):
    audio.write_wav(tmp_path / "a.wav", np.full(700, 0.25), sample_rate_hz=8000)
    os.rename(tmp_path / "a.wav", os.fsencode(tmp_path) + b"/caf\xe9.wav")
    (path,) = tmp_path.iterdir()
    samples = audio.read_audio(path, sample_rate_hz=8000, note=pytest.fail)
    np.testing.assert_array_equal(samples, np.full(700, 0.25))


def test_a_path_that_is_too_long_is_refused_by_name(tmp_path):
    path = tmp_path / ("x" * 256)
    with pytest.raises(
        DataError, match=f"{path}: can't be opened: .* too long"
    ):
        audio.read_audio(path, sample_rate_hz=8000, note=pytest.fail)


def test_written_wav_is_16_bit_pcm_rounded_and_clipped(tmp_path):
    path = tmp_path / "a.wav"
    audio.write_wav(
        path, np.array([0.5, -1.0, 1.0, 2.0, 1.4 / 32768]), sample_rate_hz=44100
    )
    info = soundfile.info(path)
    assert (info.samplerate, info.channels, info.subtype) == (
        44100, 1, "PCM_16",
    )  # fmt: skip
    steps, _ = soundfile.read(path, dtype="int16")
    assert steps.tolist() == [16384, -32768, 32767, 32767, 1]
    assert path.stat().st_size == 44 + 2 * 5
    with pytest.raises(DataError, match="finite"):
        audio.write_wav(path, np.array([np.nan]), sample_rate_hz=8000)
    assert [p.name for p in tmp_path.iterdir()] == ["a.wav"]


def test_written_stereo_keeps_its_channels(tmp_path):
    steps = np.array([[1, -2], [3, -4], [5, -6]], np.int16)
    audio.write_wav(tmp_path / "a.wav", steps, sample_rate_hz=48000)
    read, rate_hz = soundfile.read(tmp_path / "a.wav", dtype="int16")
    assert rate_hz == 48000
    np.testing.assert_array_equal(read, steps)


def test_errors_distinguish_missing_files_directories_and_pipes(tmp_path):
    os.mkfifo(tmp_path / "pipe.wav")
    for path, message in (
        (tmp_path / "none.wav", "no such file."),
        (tmp_path, "must be a sound file. Received: a directory"),
        (
            tmp_path / "pipe.wav",
            "must be a sound file. Received: no regular file",
        ),
    ):
        with pytest.raises(DataError) as caught:
            audio.inspect_audio(path)
        assert str(caught.value) == f"{path}: {message}"


def test_an_interrupt_in_a_callback_of_libsndfile_is_not_lost(
    tmp_path, monkeypatch, capfd
):
    path = tmp_path / "a.wav"
    soundfile.write(path, np.full(3000, 0.25), 8000)
    readinto = StreamFile.readinto

    def interrupted(self, buffer):
        signal.raise_signal(signal.SIGINT)
        return readinto(self, buffer)

    monkeypatch.setattr(StreamFile, "readinto", interrupted)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            audio.read_audio(path, sample_rate_hz=8000, note=print)
    finally:
        signal.signal(signal.SIGINT, before)
    # An exception raised in the callback would be printed and lost.
    assert capfd.readouterr() == ("", "")
