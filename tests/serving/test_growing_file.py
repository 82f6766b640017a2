"""Growing files are complete after each entry."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from audiotag_nas.errors import StoreError
from audiotag_nas.serving.growing_file import Existing, GrowingFile
from tests.full_disk import room_for

ROOT = Path(__file__).parents[2]


def lines(path, existing=Existing.REFUSE) -> GrowingFile:
    return GrowingFile(path, head="name", tail="\n", existing=existing)


def values(path, existing=Existing.REFUSE) -> GrowingFile:
    return GrowingFile(
        path, head="[", tail="]\n", separator=",", existing=existing
    )


def test_the_file_is_complete_after_every_entry(tmp_path):
    path = tmp_path / "v.json"
    file = values(path)
    assert not path.exists()
    for number in range(1, 12):
        file.add(str(number**number))
        expected = [n**n for n in range(1, number + 1)]
        assert json.loads(path.read_text()) == expected


def test_a_file_is_continued_replaced_or_refused(tmp_path):
    path = tmp_path / "t.csv"
    lines(path).add("\na")
    with pytest.raises(StoreError, match=r"t\.csv: exists .* --overwrite"):
        lines(path)
    lines(path, Existing.APPEND).add("\nb")
    assert path.read_text() == "name\na\nb\n"
    replaced = lines(path, Existing.OVERWRITE)
    # The file is not replaced before the first entry.
    assert path.read_text() == "name\na\nb\n"
    replaced.add("\nc")
    replaced.add("\nd")
    assert path.read_text() == "name\nc\nd\n"


def test_an_empty_file_and_one_without_entries_can_be_continued(tmp_path):
    (tmp_path / "empty").touch()
    lines(tmp_path / "empty").add("\na")
    assert (tmp_path / "empty").read_text() == "name\na\n"
    (tmp_path / "none").write_text("[]\n")
    file = values(tmp_path / "none", Existing.APPEND)
    file.add("1")
    file.add("22")
    assert (tmp_path / "none").read_text() == "[1,22]\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nam", "must begin like a table of this command .*Received: 'nam'"),
        ("file\na\n", "must begin like a table .*Received: 'file'"),
        ("name\na\nb,tor", "must end with a complete .*end: .*b,tor'"),
        ("name", "must end with a complete entry.*end: 'name'"),
    ],
)
def test_a_torn_or_foreign_file_is_refused_and_left_alone(
    tmp_path, text, message
):
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(StoreError, match=message):
        lines(path, Existing.APPEND)
    assert path.read_text() == text


def test_a_file_created_meanwhile_by_another_process_is_not_changed(tmp_path):
    path = tmp_path / "t.csv"
    file = lines(path)
    path.write_text("name\nof another\n")
    with pytest.raises(StoreError, match="exists"):
        file.add("\nmine")
    assert path.read_text() == "name\nof another\n"


def test_an_entry_on_a_full_disk_leaves_the_file_unchanged(tmp_path):
    path = tmp_path / "v.json"
    file = values(path)
    file.add("1")
    with (
        room_for(1000),
        pytest.raises(StoreError, match=r"v\.json: can't be written \(File "),
    ):
        file.add("2" * 1003)
    assert path.read_text() == "[1]\n"
    file.add("3")
    assert path.read_text() == "[1,3]\n"


def test_processes_that_append_at_once_lose_nothing(tmp_path):
    path = tmp_path / "v.json"
    code = (
        "import sys\n"
        "from audiotag_nas.serving.growing_file import *\n"
        "file = GrowingFile(sys.argv[1], head='[', tail=']\\n', "
        "separator=',', existing=Existing.APPEND)\n"
        "for n in range(200): file.add(f'[{sys.argv[2]}, {n}]')\n"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(path), str(number)], cwd=ROOT
        )
        for number in range(3)
    ]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    found = json.loads(path.read_text())
    assert sorted(found) == [[p, n] for p in range(3) for n in range(200)]
    for number in range(3):
        of_one = [n for p, n in found if p == number]
        assert of_one == list(range(200))
