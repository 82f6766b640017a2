"""Reading and writing the challenge's CSV files."""

import numpy as np
import pytest

from audiotag_nas.errors import DataError
from audiotag_nas.metrics import score_files

NAMES = ("chunks/a, b.wav", "c.wav", "d.wav")


@pytest.mark.parametrize("tags", [tuple("cmfvpbo"), ("dog bark", "rain")])
def test_written_files_are_read_back(tmp_path, tags):
    rng = np.random.default_rng(0)
    labels = rng.random((3, len(tags))) < 0.5
    scores = rng.random((3, len(tags)), dtype=np.float32)
    score_files.write_labels(tmp_path / "L.csv", NAMES, tags, labels)
    score_files.write_scores(tmp_path / "S.csv", NAMES, tags, scores)
    names, read = score_files.read_labels(tmp_path / "L.csv", tags)
    assert names == NAMES
    np.testing.assert_array_equal(read, labels)
    again = score_files.read_scores(tmp_path / "S.csv", tags, names)
    np.testing.assert_array_equal(again.astype(np.float32), scores)


def test_a_byte_order_mark_and_empty_lines_are_ignored(tmp_path):
    path = tmp_path / "L.csv"
    path.write_bytes(b"\xef\xbb\xbfx.wav,cop\r\n\r\ny.wav,\r\n")
    names, labels = score_files.read_labels(path, "cmfvpbo")
    assert names == ("x.wav", "y.wav")
    assert labels.astype(int).tolist() == [[1, 0, 0, 0, 1, 0, 1], [0] * 7]


def test_rows_of_unscored_tags_are_not_returned(tmp_path):
    path = tmp_path / "S.csv"
    path.write_text("x,c,0.25\nx,S,0.5\n")
    scores = score_files.read_scores(path, "c", ["x"])
    assert scores.tolist() == [[0.25]]


def test_a_file_without_a_segment_is_named(tmp_path):
    path = tmp_path / "G.csv"
    path.write_text("x,s0\ny,s1\nunused,s1\n")
    assert score_files.read_segments(path, ["y", "x"]) == ["s1", "s0"]
    with pytest.raises(DataError, match="no segment for 'z'"):
        score_files.read_segments(path, ["x", "z"])


def test_a_file_that_is_not_utf8_is_refused(tmp_path):
    path = tmp_path / "L.csv"
    path.write_bytes(b"x.wav,\xff\n")
    with pytest.raises(DataError, match="UTF-8"):
        score_files.read_labels(path, "c")


# The score of the k-th file is k.
@pytest.mark.parametrize(
    ("labels", "scores"),
    [
        (("x", "y.s0_k1"), ("x.wav", "y.s0_k1.WAV")),
        (("x.wav", "y.s0_k1.flac"), ("x", "y.s0_k1")),
        (("x", "x.wav"), ("x", "x.wav")),
        (("a/x.mp3", "x"), ("a/x", "x.mp3")),
    ],
)
def test_a_name_with_and_without_its_ending_is_the_same_file(
    tmp_path, labels, scores
):
    rows = "".join(f"{name},c,{k}\n" for k, name in enumerate(scores))
    (tmp_path / "S.csv").write_text(rows)
    read = score_files.read_scores(tmp_path / "S.csv", "c", labels)
    assert read.tolist() == [[0.0], [1.0]]
    (tmp_path / "G.csv").write_text(
        "".join(f"{name},s{k}\n" for k, name in enumerate(scores))
    )
    assert score_files.read_segments(tmp_path / "G.csv", labels) == ["s0", "s1"]


@pytest.mark.parametrize(
    ("labels", "written", "message"),
    [
        (
            ("x.wav", "x.flac"),
            "x",
            "must have an ending, because the labels have 'x.wav' and "
            "'x.flac'.",
        ),
        (
            ("x.wav",),
            "x.flac",
            "the labels have no such file, with or without an ending such as "
            ".wav. Their first file is 'x.wav'.",
        ),
    ],
)
def test_a_name_without_a_single_match_is_refused(
    tmp_path, labels, written, message
):
    path = tmp_path / "S.csv"
    path.write_text(f"{written},c,0.5\n")
    with pytest.raises(DataError) as caught:
        score_files.read_scores(path, "c", labels)
    where = f"{path}, line 1: {written!r}, tag 'c'"
    assert str(caught.value) == f"{where}: {message}"


def test_a_file_with_two_names_is_repeated(tmp_path):
    path = tmp_path / "S.csv"
    path.write_text("x,c,0.5\nx.wav,c,0.5\n")
    with pytest.raises(
        DataError, match=r"'x\.wav', tag 'c': must occur once.* line 1\."
    ):
        score_files.read_scores(path, "c", ["x"])
