"""The challenge's CSV files: what is written is read back, gaps are refused."""

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


def test_a_byte_order_mark_and_empty_lines_do_no_harm(tmp_path):
    path = tmp_path / "L.csv"
    path.write_bytes(b"\xef\xbb\xbfx.wav,cop\r\n\r\ny.wav,\r\n")
    names, labels = score_files.read_labels(path, "cmfvpbo")
    assert names == ("x.wav", "y.wav")
    assert labels.astype(int).tolist() == [[1, 0, 0, 0, 1, 0, 1], [0] * 7]


def test_rows_of_unscored_tags_are_left_out(tmp_path):
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


def test_bytes_that_are_no_text_are_refused(tmp_path):
    path = tmp_path / "L.csv"
    path.write_bytes(b"x.wav,\xff\n")
    with pytest.raises(DataError, match="UTF-8"):
        score_files.read_labels(path, "c")
