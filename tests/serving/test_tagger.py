"""Tags sound files of many kinds with an exported model."""

import concurrent.futures
import dataclasses
import pickle
import types
import warnings

import numpy as np
import pytest
import soundfile
import tensorflow as tf

from audiotag_nas.data.log_mel import log_mel
from audiotag_nas.errors import ConfigError, DataError, StoreError
from audiotag_nas.serving import output_tables
from audiotag_nas.serving.events import EventSettings
from audiotag_nas.serving.export import export_model
from audiotag_nas.serving.first_minute import FIRST_MINUTE_SECONDS
from audiotag_nas.serving.saved_model import open_saved_model
from audiotag_nas.serving.tagger import Tagger
from tests.serving.conftest import CLIP_SECONDS

RATE_HZ = 8000


@pytest.fixture(scope="module")
def tagger(exported) -> Tagger:
    return Tagger.load(exported.directory)


def sound(seconds: float, *, rate_hz: int = RATE_HZ, seed: int = 0):
    """Returns noise and a tone of varying level: (samples,)."""
    num_samples = round(seconds * rate_hz)
    t = np.arange(num_samples) / rate_hz
    noise = np.random.default_rng(seed).standard_normal(num_samples)
    loud = 0.5 + 0.5 * np.sin(2 * np.pi * 0.7 * t)
    tone = np.sin(2 * np.pi * 440 * t)
    return (0.3 * loud**4 * tone + 0.02 * noise * loud).astype("float32")


def test_a_clip_has_the_scores_of_the_saved_model(exported, tagger, tmp_path):
    x = sound(0.5)
    path = tmp_path / "clip.wav"
    soundfile.write(path, x, RATE_HZ, subtype="FLOAT")
    saved_model = tf.saved_model.load(str(exported.directory))
    expected = saved_model.serve(x[None])
    tagged = tagger.tag_file(path, keep_first_minute=True)
    assert tagged.status == "tagged"
    assert tagged.seconds == 0.5
    np.testing.assert_allclose(
        list(tagged.clip_scores.values()), expected["clip_scores"][0], atol=1e-6
    )
    np.testing.assert_allclose(
        tagged.scores.first_minute.frame_scores,
        expected["frame_scores"][0],
        atol=1e-6,
    )


@pytest.mark.parametrize("seconds", [0.2, 0.41, 1.7])
def test_a_short_clip_is_padded_if_training_clips_were(
    exported, tagger, tmp_path, seconds
):
    export_model(
        exported.model,
        tmp_path / "export",
        features=exported.features,
        tags=tagger.tags,
        thresholds=[0.3, 0.4, 0.5],
        metrics={},
        clip_seconds=CLIP_SECONDS,
        pads_short_clips=True,
    )
    padding = Tagger.load(tmp_path / "export")
    x = sound(seconds)
    scores = padding.score_waveform(x, RATE_HZ, keep_first_minute=True)
    as_it_is = tagger.score_waveform(x, RATE_HZ)
    assert scores.seconds == seconds
    num_frames = (len(x) - 256) // 100 + 1
    assert len(scores.first_minute.log_mel) == num_frames
    assert len(scores.first_minute.frame_scores) == num_frames
    assert all(event.offset_seconds <= seconds for event in scores.events)
    if seconds > CLIP_SECONDS:
        np.testing.assert_array_equal(scores.clip_scores, as_it_is.clip_scores)
        return
    # Training pads clips with zeros in the same way.
    padded = np.zeros(round(CLIP_SECONDS * RATE_HZ), np.float32)
    padded[: len(x)] = x
    expected = exported.model(log_mel(padded, exported.features)[None])
    np.testing.assert_allclose(
        scores.clip_scores, expected["clip_scores"][0], atol=1e-5
    )
    np.testing.assert_allclose(
        scores.first_minute.frame_scores,
        expected["frame_scores"][0][:num_frames],
        atol=1e-5,
    )
    assert np.abs(scores.clip_scores - as_it_is.clip_scores).max() > 1e-3


def test_a_long_file_has_the_scores_of_windows_joined_by_hand(
    exported, tagger, tmp_path
):
    x = sound(3.21)
    path = tmp_path / "long.wav"
    soundfile.write(path, x, RATE_HZ, subtype="FLOAT")
    saved_model = tf.saved_model.load(str(exported.directory))
    # 4000 samples are 38 frames; a hop of 19 frames is 1900 samples.
    starts = range(0, len(x) - 4000 + 1900, 1900)
    total = 1 + (len(x) - 256) // 100
    sums, weights = np.zeros((total, 3)), np.zeros((total, 1))
    clip_scores = []
    for start in starts:
        scores = saved_model.serve(x[None, start : start + 4000])
        frames = scores["frame_scores"][0].numpy()
        clip_scores.append(scores["clip_scores"][0])
        first = start // 100
        for i, row in enumerate(frames):
            weight = min(i + 1, len(frames) - i)
            sums[first + i] += weight * row
            weights[first + i] += weight
    tagged = tagger.tag_file(path, keep_first_minute=True)
    assert len(starts) == 13
    np.testing.assert_allclose(
        tagged.scores.first_minute.frame_scores, sums / weights, atol=1e-5
    )
    np.testing.assert_allclose(
        tagged.scores.clip_scores, np.max(clip_scores, axis=0), atol=1e-5
    )
    in_memory = tagger.score_waveform(x, RATE_HZ)
    assert in_memory.events == tagged.events


def test_events_lie_in_the_file_and_belong_to_present_tags(tagger):
    scores = tagger.score_waveform(sound(7.3), RATE_HZ)
    assert scores.events
    for event in scores.events:
        assert 0 <= event.onset_seconds < event.offset_seconds <= 7.3
        threshold = scores.thresholds[scores.tags.index(event.tag)]
        assert event.score >= threshold
        assert event.tag in scores.present


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
def test_stereo_files_of_each_format_score_like_mono_samples(
    tagger, tmp_path, suffix
):
    mono = sound(2.0, rate_hz=44100)
    path = tmp_path / f"stereo.{suffix}"
    soundfile.write(path, np.stack([mono, mono], axis=1), 44100)
    tagged = tagger.tag_file(path)
    expected = tagger.score_waveform(mono, 44100)
    assert tagged.status == "tagged", tagged.reason
    # Lossy formats change the quiet parts of the spectrum.
    tolerance = 0.1 if suffix in ("ogg", "mp3") else 2e-3
    np.testing.assert_allclose(
        tagged.scores.clip_scores, expected.clip_scores, atol=tolerance
    )
    assert tagged.seconds == pytest.approx(2.0, abs=0.1)


def test_a_file_that_cant_be_tagged_gives_a_reason(tagger, tmp_path):
    x = sound(1.0)
    x[4321] = np.nan
    soundfile.write(tmp_path / "nan.wav", x, RATE_HZ, subtype="FLOAT")
    soundfile.write(tmp_path / "empty.wav", x[:0], RATE_HZ)
    soundfile.write(tmp_path / "short.wav", x[:100], RATE_HZ)
    (tmp_path / "text.wav").write_text("no sound")
    reasons = {
        "nan.wav": "must be finite",
        "empty.wav": "at least one sample",
        "short.wav": "at least one frame, 256 samples",
        "text.wav": "can't be decoded",
        "missing.wav": "no such file.",
    }
    for name, reason in reasons.items():
        tagged = tagger.tag_file(tmp_path / name)
        assert tagged.status == "failed"
        assert reason in tagged.reason
        assert tagged.events == ()
        with pytest.raises(DataError, match="can't be drawn"):
            tagged.plot(tmp_path / "picture.png")


def test_a_truncated_file_is_tagged_with_a_note(tagger, tmp_path):
    path = tmp_path / "cut.wav"
    soundfile.write(path, sound(2.0), RATE_HZ)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    tagged = tagger.tag_file(path)
    assert tagged.status == "tagged"
    assert any("truncated" in note for note in tagged.notes)


def test_files_and_samples_in_memory_obey_the_same_rules(tagger, tmp_path):
    path = tmp_path / "a.wav"
    x = sound(1.0)
    broken = x.copy()
    broken[5001] = 20000.0
    soundfile.write(path, broken, RATE_HZ, subtype="FLOAT")
    with pytest.raises(DataError) as caught:
        tagger.score_waveform(broken, RATE_HZ)
    assert str(caught.value) == f"waveform: {tagger.tag_file(path).reason}"
    assert "at sample 5001" in str(caught.value)
    # With opposite phase, both use the louder channel and give a note.
    stereo = np.stack([0.9 * x, -x], axis=1)
    soundfile.write(path, stereo, RATE_HZ, subtype="FLOAT")
    scores, tagged = (
        tagger.score_waveform(stereo, RATE_HZ),
        tagger.tag_file(path),
    )
    (note,) = scores.notes
    assert tagged.notes == (note.removeprefix("waveform: "),)
    assert "channel 2 is used alone" in note
    expected = tagger.score_waveform(-x, RATE_HZ)
    assert expected.notes == ()
    for one in (scores, tagged.scores):
        np.testing.assert_allclose(
            one.clip_scores, expected.clip_scores, atol=1e-6
        )


def test_notes_belong_to_their_file_when_threads_share_a_tagger(
    tagger, tmp_path
):
    expected = {}
    for number in range(12):
        path = tmp_path / f"{number}.wav"
        soundfile.write(path, sound(0.6 + number / 100), RATE_HZ)
        kept = path.stat().st_size - 44
        expected[path] = ()
        if number % 2:
            announced, kept = kept, kept - 2 * number
            path.write_bytes(path.read_bytes()[: 44 + kept])
            expected[path] = (
                f"truncated: the header announces {announced} bytes of "
                f"samples, but the file holds {kept}.",
            )
    filters = list(warnings.filters)
    with concurrent.futures.ThreadPoolExecutor(4) as executor:
        results = list(executor.map(tagger.tag_file, [*expected] * 4))
    assert [tagged.notes for tagged in results] == [*expected.values()] * 4
    assert warnings.filters == filters
    for tagged in results:
        alone = tagger.tag_file(tagged.path).clip_scores
        assert tagged.clip_scores == pytest.approx(alone, abs=1e-6)


def test_the_first_minute_is_kept_and_the_whole_file_is_scored(tagger):
    seconds = FIRST_MINUTE_SECONDS + 3
    scores = tagger.score_waveform(
        sound(seconds), RATE_HZ, keep_first_minute=True
    )
    assert scores.seconds == seconds
    assert (
        len(scores.first_minute.log_mel) == FIRST_MINUTE_SECONDS * RATE_HZ / 100
    )
    assert scores.first_minute.frame_scores.shape == (4800, 3)
    assert scores.events[-1].offset_seconds > FIRST_MINUTE_SECONDS


def test_a_given_threshold_replaces_the_stored_ones(exported):
    x = sound(1.0)
    everything = Tagger.load(exported.directory, threshold=0.0)
    nothing = Tagger.load(exported.directory, threshold=1.0)
    all_tags = everything.score_waveform(x, RATE_HZ)
    assert set(all_tags.present) == {"speech", "music", "knock"}
    for tag in all_tags.tags:
        (event,) = all_tags.times(tag)
        assert (event.onset_seconds, event.offset_seconds) == (0.0, 1.0)
    assert nothing.score_waveform(x, RATE_HZ).present == ()
    with pytest.raises(ConfigError, match=r"in \[0, 1\]. Received: 2"):
        Tagger.load(exported.directory, threshold=2)


def test_samples_in_memory_are_checked(tagger):
    with pytest.raises(DataError, match="must be finite"):
        tagger.score_waveform(np.full(4000, np.inf), RATE_HZ)
    with pytest.raises(DataError, match=r"Received: \(2, 2, 500\)"):
        tagger.score_waveform(np.zeros((2, 2, 500)), RATE_HZ)
    with pytest.raises(DataError, match="at least one frame"):
        tagger.score_waveform(np.zeros(0), RATE_HZ)
    with pytest.raises(DataError, match=r"transpose .*Received: \(2, 4000\)"):
        tagger.score_waveform(np.zeros((2, 4000)), RATE_HZ)
    with pytest.raises(DataError, match=r"16 kHz is 16000\). Received: 16"):
        tagger.score_waveform(np.zeros(4000), 16)
    with pytest.raises(DataError, match=r"/ 32768\). .*-20000.0\] at sample 0"):
        tagger.score_waveform(np.full(4000, -20000.0), RATE_HZ)


def test_integers_are_refused_with_what_makes_them_floats(tagger, tmp_path):
    soundfile.write(tmp_path / "a.wav", sound(1.0), RATE_HZ, subtype="PCM_16")
    pcm, _ = soundfile.read(tmp_path / "a.wav", dtype="int16")
    for dtype in (np.int16, np.int32, np.uint8, bool, np.complex64):
        refused = rf"int16: samples / 32768.*Received: {np.dtype(dtype)}"
        with pytest.raises(DataError, match=refused):
            tagger.score_waveform(pcm.astype(dtype), RATE_HZ)
    floats, _ = soundfile.read(tmp_path / "a.wav")
    np.testing.assert_array_equal(
        tagger.score_waveform(pcm / 32768, RATE_HZ).clip_scores,
        tagger.score_waveform(floats, RATE_HZ).clip_scores,
    )


def test_a_directory_without_a_model_is_refused(tmp_path):
    with pytest.raises(StoreError, match="is not an exported model"):
        Tagger.load(tmp_path)


def test_a_picture_of_the_file_is_drawn(tagger, tmp_path):
    path = tmp_path / "hall.flac"
    soundfile.write(path, sound(1.3), RATE_HZ)
    tagger.tag_file(path, keep_first_minute=True).plot(tmp_path / "hall.png")
    assert (tmp_path / "hall.png").read_bytes().startswith(b"\x89PNG")


def test_the_first_minute_is_kept_only_on_request(exported, tagger, tmp_path):
    path = tmp_path / "hall.flac"
    soundfile.write(path, sound(2.7), RATE_HZ)
    without = tagger.tag_file(path)
    kept = tagger.tag_file(path, keep_first_minute=True)
    assert without.scores.first_minute is None
    assert tagger.score_waveform(sound(1.1), RATE_HZ).first_minute is None
    assert without.events == kept.events
    assert without.clip_scores == kept.clip_scores
    # Log-mels of 4 bytes, (27 * 800 - 256) // 100 + 1 frames and 13 mels, are
    # 11 kB.
    assert len(pickle.dumps(without)) < 5000 < len(pickle.dumps(kept))
    # Without a request, the model's log-mels are not even computed.
    saved_model = open_saved_model(exported.directory)
    scoring_only = Tagger(
        types.SimpleNamespace(serve=saved_model.serve),
        tagger.manifest,
        thresholds=tagger.thresholds,
        events=EventSettings(),
    )
    assert scoring_only.tag_file(path).clip_scores == without.clip_scores
    with pytest.raises(DataError, match=r"hall\.flac: can't be drawn, .*=True"):
        without.plot(tmp_path / "hall.png")
    assert not (tmp_path / "hall.png").exists()


def test_a_formula_in_a_cell_is_quoted(tagger, tmp_path):
    tagged = tagger.tag_file(tmp_path / "missing.wav")
    odd = dataclasses.replace(tagged, path="=cmd()", reason="@x")
    output_tables.CsvTable(tmp_path / "out.csv").add(odd)
    row = (tmp_path / "out.csv").read_text().splitlines()[1]
    assert row == "1,'=cmd(),failed,,,,,,,,'@x"
