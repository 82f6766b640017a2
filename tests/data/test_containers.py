"""Sound files whose headers announce a wrong length, by format.

Each test writes a sound of known length, damages the file, and checks the
number of samples read and the notes.
"""

import shlex
import struct

import numpy as np
import pytest
import soundfile

from audiotag_nas.data import audio
from audiotag_nas.data.decoding import open_sound
from audiotag_nas.errors import DataError


def wave(num_samples, *, seed=0):
    """A tone of changing level plus faint noise: (samples,)."""
    t = np.arange(num_samples) / 16000
    noise = np.random.default_rng(seed).normal(0, 0.01, num_samples)
    level = np.where(t % 2 < 1, 0.5, 0.001)
    return level * np.sin(2 * np.pi * 300 * t) + level * noise


def write(path, samples, rate_hz=16000, **options):
    soundfile.write(path, samples, rate_hz, **options)
    return path


OPTIONS = {
    "wav": {},
    "rf64": {"format": "RF64"},
    "w64": {"format": "W64"},
    "aiff": {},
    "au": {},
    "caf": {},
    "flac": {},
    "ogg": {},
    "opus": {"format": "OGG", "subtype": "OPUS"},
    "mp3": {"bitrate_mode": "VARIABLE", "compression_level": 0.5},
}
CHUNKED = ("wav", "rf64", "w64", "aiff", "au", "caf")


@pytest.mark.parametrize("suffix", OPTIONS)
def test_a_whole_file_is_read_without_a_note(tmp_path, suffix):
    path = write(tmp_path / f"a.{suffix}", wave(70_001), **OPTIONS[suffix])
    summary = audio.inspect_audio(path)
    assert summary.num_samples == 70_001
    assert summary.notes == ()


@pytest.mark.parametrize("suffix", OPTIONS)
@pytest.mark.parametrize("share", [0.4, 0.9])
def test_a_truncated_file_of_every_format_gives_its_beginning_and_a_note(
    tmp_path, suffix, share
):
    path = write(tmp_path / f"cut.{suffix}", wave(90_003), **OPTIONS[suffix])
    whole = audio.read_audio(path, sample_rate_hz=16000, note=pytest.fail)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    notes = []
    start = audio.read_audio(path, sample_rate_hz=16000, note=notes.append)
    assert 10_000 < len(start) < 90_003
    # The last samples before the cut depend on missing samples.
    kept = len(start) - 4096
    np.testing.assert_allclose(start[:kept], whole[:kept], atol=1e-4)
    (note,) = notes
    assert note.startswith(f"{path}: truncated")
    assert audio.inspect_audio(path).notes == (note,)


def without_information_frame(path):
    """The bytes of an MP3 as written to a pipe.

    Such an MP3 lacks the first frame, which contains the number of frames.
    """
    data = path.read_bytes()
    sync = data[:2]
    second = data.index(sync, 4)
    assert b"Xing" in data[:second] or b"Info" in data[:second]
    return data[second:]


def test_an_mp3_of_unknown_length_is_read_to_its_end(tmp_path):
    # The first second is loud, so a length that is estimated from the size of
    # the first frames would be too short.
    samples = wave(300_000)
    path = write(tmp_path / "p.mp3", samples, **OPTIONS["mp3"])
    path.write_bytes(without_information_frame(path))
    summary = audio.inspect_audio(path)
    assert summary.notes == ()
    # These are whole frames of 576 samples, with the encoder's delay.
    assert 300_000 <= summary.num_samples <= 300_000 + 3 * 576
    assert summary.num_samples % 576 == 0


@pytest.mark.parametrize("suffix", ["ogg", "opus", "mp3", "flac"])
def test_chained_streams_are_read_one_after_the_other(tmp_path, suffix):
    path = tmp_path / f"chained.{suffix}"
    data = b""
    expected = []
    for number, num_samples in enumerate((40_000, 50_001, 30_500)):
        part = write(
            tmp_path / f"{number}.{suffix}",
            wave(num_samples, seed=number),
            **OPTIONS[suffix],
        )
        data += part.read_bytes()
        decoded, _ = soundfile.read(part, dtype="float32")
        expected.append(decoded)
    path.write_bytes(data)
    samples = audio.read_audio(path, sample_rate_hz=16000, note=pytest.fail)
    assert len(samples) == 40_000 + 50_001 + 30_500
    # soundfile.read seeks, which changes the samples of an MP3.
    atol = 1e-3 if suffix == "mp3" else 1e-6
    np.testing.assert_allclose(samples, np.concatenate(expected), atol=atol)


def test_concatenated_mp3s_of_unknown_length_are_read_to_the_end(tmp_path):
    sizes, data = [], b""
    for number, num_samples in enumerate((40_000, 70_000)):
        path = write(
            tmp_path / f"{number}.mp3", wave(num_samples), **OPTIONS["mp3"]
        )
        path.write_bytes(without_information_frame(path))
        sizes.append(audio.inspect_audio(path).num_samples)
        # ID3v2 and ID3v1 tags lie between the streams.
        tag = b"ID3\x04\0\0\0\0\1\2" + bytes(130)
        data += tag + path.read_bytes() + b"TAG" + bytes(125)
    (tmp_path / "joined.mp3").write_bytes(data)
    summary = audio.inspect_audio(tmp_path / "joined.mp3")
    assert summary.num_samples == sum(sizes)
    assert summary.notes == ()


@pytest.mark.parametrize("suffix", ["ogg", "mp3", "flac"])
def test_a_stream_at_another_rate_is_not_read_and_noted(tmp_path, suffix):
    first = write(tmp_path / f"1.{suffix}", wave(30_000))
    second = write(tmp_path / f"2.{suffix}", wave(44_100), rate_hz=22050)
    path = tmp_path / f"both.{suffix}"
    path.write_bytes(first.read_bytes() + second.read_bytes())
    summary = audio.inspect_audio(path)
    assert summary.num_samples == 30_000
    (note,) = summary.notes
    num_bytes = second.stat().st_size
    assert note.endswith(
        f"stream 2: {num_bytes} bytes are not read: they have 1 channels at "
        "22050 Hz, but the file starts with 1 at 16000 Hz."
    )


def test_damage_between_ogg_pages_is_noted_with_its_size(tmp_path):
    path = write(tmp_path / "a.ogg", wave(200_000))
    data = path.read_bytes()
    middle = data.index(b"OggS", len(data) // 2)
    path.write_bytes(data[:middle] + b"x" * 777 + data[middle:])
    summary = audio.inspect_audio(path)
    assert summary.num_samples == 200_000
    (note,) = summary.notes
    assert "777 bytes are not part of an Ogg page" in note


SIZE_FIELDS = {
    # Marker, offset of the size field from the marker, format of the field,
    # and the number of bytes that the field counts besides the samples.
    "wav": (b"data", 4, "<I", 0),
    "rf64": (b"ds64", 16, "<Q", 0),
    "w64": (b"data", 16, "<Q", 24),
    "aiff": (b"SSND", 4, ">I", 8),
    "au": (b".snd", 8, ">I", 0),
    "caf": (b"data", 4, ">Q", 4),
}


def with_size(path, suffix, size):
    """Writes another size of the samples to the header."""
    marker, offset, form, extra = SIZE_FIELDS[suffix]
    data = bytearray(path.read_bytes())
    at = data.index(marker) + offset
    assert struct.unpack_from(form, data, at)[0] == 2 * 60_001 + extra
    struct.pack_into(form, data, at, size + extra)
    path.write_bytes(data)


@pytest.mark.parametrize("suffix", CHUNKED)
def test_samples_beyond_the_announced_size_are_read(tmp_path, suffix):
    steps = np.random.default_rng(1).integers(-9999, 9999, 60_001, np.int16)
    path = write(tmp_path / f"small.{suffix}", steps, **OPTIONS[suffix])
    with_size(path, suffix, 31_000)
    notes = []
    samples = audio.read_audio(path, sample_rate_hz=16000, note=notes.append)
    np.testing.assert_array_equal(samples, steps / np.float32(32768))
    (note,) = notes
    assert note.endswith(
        "the header announces 31000 bytes of samples, but the file holds "
        "120002. All of them are read."
    )


@pytest.mark.parametrize("size", [0, 2**31 - 1, 0x7FFFF000, 2**32 - 1])
def test_a_wav_of_unknown_size_is_read_to_its_end_without_a_note(
    tmp_path, size
):
    path = write(tmp_path / "piped.wav", wave(60_001))
    with_size(path, "wav", size)
    summary = audio.inspect_audio(path)
    assert summary.num_samples == 60_001
    assert summary.notes == ()


@pytest.mark.parametrize(
    "trailing",
    [
        b"LIST\x04\0\0\0INFO",
        b"abcd\x02\0\0\0hi" + b"efgh\0\0\0\0",
        # This chunk is of a known kind, and truncated.
        b"id3 \x99\x09\0\0ID3",
    ],
)
@pytest.mark.parametrize("num_samples", [60_001, 500])
def test_chunks_after_the_samples_are_not_read_as_samples(
    tmp_path, trailing, num_samples
):
    path = write(tmp_path / "a.wav", wave(num_samples))
    path.write_bytes(path.read_bytes() + trailing)
    summary = audio.inspect_audio(path)
    assert summary.num_samples == num_samples
    assert summary.notes == ()


@pytest.mark.parametrize("trailing", [b"", b"LIST\x04\0\0\0INFO"])
def test_all_samples_are_found_in_a_wav_whose_size_wrapped_at_4_gb(
    tmp_path, trailing
):
    num_bytes = 2**32 + 2_000_000
    path = tmp_path / "big.wav"
    with open(path, "wb") as file:
        file.write(
            struct.pack(
                "<4sI4s4sIHHIIHH4sI",
                *(b"RIFF", 36 + 2_000_000, b"WAVE", b"fmt ", 16, 1, 1, 16000),
                *(32000, 2, 16, b"data", 2_000_000),
            )
        )
        file.seek(44 + num_bytes)  # a hole, which occupies no disk space
        file.write(trailing or b"\0")
    # Decoding would take long. So count the bytes that would be read.
    data_bytes = 0
    for stream in open_sound(path)._contents.streams:
        *header, samples = stream.pieces
        assert sum(map(len, header)) == 44
        assert samples.start == 44 + data_bytes
        assert struct.unpack("<I", header[-1])[0] == len(samples)
        data_bytes += len(samples)
    assert data_bytes == num_bytes


def test_an_mp3_in_a_wav_file_is_read_without_a_note(tmp_path):
    frames = write(tmp_path / "a.mp3", wave(50_000)).read_bytes()
    form = struct.pack(
        "<HHIIHHHHIHHH", 0x55, 1, 16000, 4000, 1, 0, 12, 1, 0, 144, 1, 1105
    )
    chunks = [(b"fmt ", form), (b"fact", struct.pack("<I", 51_105))]
    body = b"".join(
        name + struct.pack("<I", len(content)) + content
        for name, content in [*chunks, (b"data", frames)]
    )
    path = tmp_path / "mp3.wav"
    path.write_bytes(
        b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WAVE" + body
    )
    summary = audio.inspect_audio(path)
    assert summary.num_samples == 50_000
    assert summary.notes == ()


@pytest.mark.parametrize("junk", [b"\0" * 700, b"x" * 701, b"\xff\xfb" * 351])
def test_damage_in_an_mp3_prints_nothing_and_the_rest_is_read(
    tmp_path, capfd, junk
):
    path = write(tmp_path / "a.mp3", wave(150_000), **OPTIONS["mp3"])
    data = path.read_bytes()
    middle = data.index(data[:2], len(data) // 2)
    path.write_bytes(data[:middle] + junk + data[middle:])
    summary = audio.inspect_audio(path)
    assert abs(summary.num_samples - 150_000) <= 1152
    expected = () if not any(junk) else (f"{len(junk)} bytes are not part",)
    assert len(summary.notes) == len(expected)
    for note, part in zip(summary.notes, expected, strict=True):
        assert part in note
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"\0\0\0\x1cftypM4A \0\0\2\0", "MPEG-4 audio (M4A, AAC or ALAC)"),
        (b"\0\0\0\x1cftypisom\0\0\2\0", "MPEG-4 (MP4, AAC)"),
        (
            bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"),
            "Windows Media Audio (WMA)",
        ),
        (b"\x1a\x45\xdf\xa3\x9f\x42\x82\x84webm", "WebM"),
        (b"\x1a\x45\xdf\xa3\xa3\x42\x82\x88matroska", "Matroska (MKA, MKV)"),
        (b"#!AMR\n", "AMR"),
        (b"\x0b\x77\x12\x34", "Dolby Digital (AC-3)"),
        (b"\xff\xf1\x60\x40", "AAC (ADTS)"),
        (b"wvpk\0\0\0\0", "WavPack"),
    ],
)
def test_an_unsupported_format_is_named_with_a_command_to_convert_it(
    tmp_path, monkeypatch, head, name
):
    monkeypatch.chdir(tmp_path)
    for path, written in (
        (tmp_path / "it's a $song.x", str(tmp_path / "it's a $song")),
        ("-y.x", "./-y"),
    ):
        with open(path, "wb") as file:
            file.write(head + bytes(300))
        with pytest.raises(DataError) as caught:
            audio.inspect_audio(path)
        before, _, command = str(caught.value).partition(" Convert it with: ")
        assert before == f"{path}: {name} is not supported."
        assert shlex.split(command) == [
            *("ffmpeg", "-i", f"{written}.x", f"{written}.wav")
        ]


@pytest.mark.parametrize("suffix", OPTIONS)
def test_no_message_says_that_a_damaged_file_is_missing(tmp_path, suffix):
    data = write(
        tmp_path / f"a.{suffix}", wave(9_000), **OPTIONS[suffix]
    ).read_bytes()
    rng = np.random.default_rng(4)
    path = tmp_path / f"damaged.{suffix}"
    for number in range(40):
        damaged = bytearray(data[: int(rng.integers(1, 400))])
        for at in rng.integers(0, len(damaged), number % 5):
            damaged[at] = rng.integers(256)
        path.write_bytes(damaged)
        messages = [f"{path}: "]
        try:
            messages += audio.inspect_audio(path).notes
        except DataError as error:
            messages.append(str(error))
        assert all(text.startswith(f"{path}: ") for text in messages)
        assert not any("exist" in text for text in messages)


def test_an_empty_file_is_refused_as_empty(tmp_path):
    path = tmp_path / "empty.ogg"
    path.touch()
    with pytest.raises(DataError, match="an empty file"):
        audio.inspect_audio(path)
