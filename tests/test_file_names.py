"""Atomic writes of files and directories with the longest names."""

import os

import pytest

from audiotag_nas import files

# Usual file systems accept at most 255 bytes.
LONGEST = ("x" * 255, "\N{CYRILLIC SMALL LETTER YA}" * 127 + "x")


@pytest.mark.parametrize("name", LONGEST)
def test_files_with_the_longest_names_can_be_written(tmp_path, name):
    assert len(os.fsencode(name)) == 255
    for text in ("first", "second"):
        files.atomic_write_text(tmp_path / name, text)
        assert (tmp_path / name).read_text() == text
        assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize("name", LONGEST)
def test_directories_with_the_longest_names_can_be_replaced(tmp_path, name):
    for text in ("first", "second"):
        with files.atomic_directory(tmp_path / name) as directory:
            (directory / text).touch()
        assert os.listdir(tmp_path) == [name]
        assert os.listdir(tmp_path / name) == [text]
