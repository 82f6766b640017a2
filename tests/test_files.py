"""What was half written disappears, what is whole stays."""

import os
import signal
import subprocess
import sys

import pytest

from audiotag_nas.errors import StoreError
from audiotag_nas.files import (
    atomic_directory,
    check_writable,
    remove_partials,
)

KILLED = """
import os, signal, sys
from audiotag_nas.files import atomic_directory
with atomic_directory(sys.argv[1]) as directory:
    (directory / "half").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def names(directory):
    return sorted(path.name for path in directory.iterdir())


def test_a_killed_writers_pieces_can_be_removed(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "whole").write_text("whole")
    (tmp_path / ".mine.partial").write_text("a user's own")
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


def test_what_can_be_written_is_left_as_it_is(tmp_path):
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
def test_what_cant_be_written_is_told_as_the_kernel_tells_it(
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
