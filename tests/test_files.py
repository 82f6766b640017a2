"""Atomic writes: partial files disappear, complete files stay."""

import os
import signal
import subprocess
import sys

import pytest

from audiotag_nas.errors import StoreError
from audiotag_nas.files import (
    atomic_directory,
    atomic_file,
    atomic_write_bytes,
    atomic_write_text,
    check_writable,
    plain_path,
    remove_partials,
    store_errors,
)
from tests.full_disk import room_for

KILLED = """
import os, signal, sys
from audiotag_nas.files import atomic_directory
with atomic_directory(sys.argv[1]) as directory:
    (directory / "half").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def names(directory):
    return sorted(path.name for path in directory.iterdir())


def test_temporary_files_of_a_killed_writer_can_be_removed(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "whole").write_text("whole")
    (tmp_path / ".mine.partial").write_text("a user's file")
    target = str(tmp_path / "data")
    done = subprocess.run([sys.executable, "-c", KILLED, target], check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(names(tmp_path)) == 3
    remove_partials(tmp_path)
    assert names(tmp_path) == [".mine.partial", "data"]
    assert names(tmp_path / "data") == ["whole"]


@pytest.mark.parametrize("exists", [True, False])
def test_a_link_is_followed_and_stays_one(tmp_path, exists):
    disk, link = tmp_path / "disk" / "export", tmp_path / "export"
    disk.parent.mkdir()
    if exists:
        disk.mkdir()
        (disk / "old").write_text("old")
    link.symlink_to(disk, target_is_directory=True)
    with atomic_directory(link) as directory:
        (directory / "new").write_text("new")
    assert link.is_symlink()
    assert names(disk) == ["new"]
    assert names(tmp_path) == ["disk", "export"]
    assert names(disk.parent) == ["export"]


def test_the_working_directory_itself_can_be_replaced(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with atomic_directory(os.curdir) as directory:
        (directory / "new").write_text("new")
    assert names(tmp_path / "here") == ["new"]


def test_checking_a_path_changes_nothing(tmp_path):
    (tmp_path / "old").write_text("good")
    for name in ("old", "new", "a/b/new"):
        check_writable(tmp_path / name)
    assert names(tmp_path) == ["old"]
    assert (tmp_path / "old").read_text() == "good"


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("old/x.csv", "Not a directory"),
        ("directory", "Is a directory"),
        ("n" * 256, "File name too long"),
        ("nowhere/x.csv", "No such file or directory"),
        ("pipe", "not a regular file"),
        ("/proc/x.csv", "No such file or directory"),
    ],
)
def test_a_path_that_cannot_be_written_is_reported_with_the_reason(
    tmp_path, path, reason
):
    (tmp_path / "old").write_text("good")
    (tmp_path / "directory").mkdir()
    (tmp_path / "nowhere").symlink_to("is/no/more")
    os.mkfifo(tmp_path / "pipe")
    path = tmp_path / path
    with pytest.raises(StoreError) as caught:
        check_writable(path)
    assert str(caught.value) == f"{path}: can't be written ({reason})."
    assert names(tmp_path) == ["directory", "nowhere", "old", "pipe"]


CONTINUES = " The same command continues once it can be written."


@pytest.mark.parametrize("exists", [True, False])
def test_on_a_full_disk_the_file_is_named_and_unchanged(tmp_path, exists):
    path = tmp_path / "a" / "x.csv"
    if exists:
        atomic_write_text(path, "old")
    with room_for(700), pytest.raises(StoreError) as caught:
        atomic_write_bytes(path, bytes(701))
    reason = f"{path}: can't be written (File too large)."
    assert str(caught.value) == reason + CONTINUES
    assert names(path.parent) == (["x.csv"] if exists else [])
    with room_for(700):
        atomic_write_bytes(path, bytes(700))
    assert path.read_bytes() == bytes(700)


def library_writes(path):
    with open(path, "wb", buffering=0) as file:
        if file.write(bytes(801)) < 801:
            file.write(b"x")


def test_on_a_full_disk_a_librarys_file_is_named_and_unchanged(tmp_path):
    path = tmp_path / "x.keras"
    path.write_text("old")
    with (
        room_for(800),
        pytest.raises(StoreError) as caught,
        atomic_file(path) as temporary,
    ):
        library_writes(temporary)
    assert f"{path}: can't be written (File too large)." in str(caught.value)
    assert names(tmp_path) == ["x.keras"]
    assert path.read_text() == "old"
    with atomic_file(path) as temporary:
        assert temporary.name == "x.keras"
        library_writes(temporary)
    assert path.read_bytes() == bytes(801)
    assert names(tmp_path) == ["x.keras"]


def write_a_file(directory):
    atomic_write_bytes(directory / "b" / "x.wav", bytes(901))


def open_nowhere(directory):
    (directory / "c" / "x.wav").touch()


def fill(directory):
    library_writes(directory / "y.wav")


@pytest.mark.parametrize(
    ("write", "name"),
    [
        (write_a_file, "data/b/x.wav"),
        (open_nowhere, "data/c/x.wav"),
        # The kernel's refusal to write names no file.
        (fill, "data"),
    ],
)
def test_a_file_of_a_directory_is_named_by_its_final_path(
    tmp_path, monkeypatch, write, name
):
    monkeypatch.chdir(tmp_path)
    with (
        room_for(600),
        pytest.raises(StoreError) as caught,
        atomic_directory("data") as directory,
    ):
        write(directory)
    assert str(caught.value).startswith(f"{name}: can't be written (")
    assert names(tmp_path) == []


def test_an_error_of_reading_is_not_reported_as_one_of_writing(tmp_path):
    with (
        pytest.raises(FileNotFoundError) as caught,
        atomic_directory(tmp_path / "data"),
    ):
        (tmp_path / "gone.wav").read_bytes()
    assert caught.value.filename == str(tmp_path / "gone.wav")


def test_a_command_without_resume_does_not_promise_to_continue(tmp_path):
    path = tmp_path / "x.csv"
    with (
        pytest.raises(StoreError) as caught,
        room_for(5),
        store_errors(tmp_path, continues=False),
    ):
        atomic_write_text(path, "123456")
    assert str(caught.value) == f"{path}: can't be written (File too large)."


ODD_NAMES = (
    *(b"exp[1]", b"a*b", b"q?", b"{x}", b"b\\c", b"50%s", b"new\nline"),
    *(b"two words ", "\N{SNOWMAN}".encode(), b"\xff\xfe", b"'\"", b"-d"),
)


@pytest.mark.parametrize("name", ODD_NAMES)
def test_every_directory_has_a_path_without_special_characters(tmp_path, name):
    directory = tmp_path / os.fsdecode(name)
    directory.mkdir()
    (directory / "in").write_text("it")
    num_open = len(os.listdir("/proc/self/fd"))
    with plain_path(directory) as path:
        assert set(path) <= set("/abcdefghijklmnopqrstuvwxyz0123456789")
        assert os.listdir(path) == ["in"]
        assert os.path.samefile(path, directory)
    assert len(os.listdir("/proc/self/fd")) == num_open


def test_names_that_are_not_utf_8_keep_their_bytes(tmp_path):
    atomic_write_text(
        tmp_path / "x",
        "caf\N{LATIN SMALL LETTER E WITH ACUTE}" + os.fsdecode(b"\xff"),
    )
    assert (tmp_path / "x").read_bytes() == b"caf\xc3\xa9\xff"
