"""The tag command, as a user runs it."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.full_disk import room_for

TOOL = Path(__file__).parents[2] / "tools" / "tag.py"


def run_tag(*arguments) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, str(TOOL), *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=TOOL.parents[1],
        check=False,
    )


def tag_everything(exported, tmp_path, *files) -> subprocess.CompletedProcess:
    """Writes tables and pictures into `tmp_path`."""
    return run_tag(
        f"--model={exported.directory}",
        "--threshold=0.2",
        f"--csv={tmp_path / 'tags.csv'}",
        f"--json={tmp_path / 'tags.json'}",
        f"--plot_dir={tmp_path / 'pictures'}",
        *files,
    )


def test_tags_go_to_screen_csv_and_json_despite_a_bad_file(exported, tmp_path):
    rng = np.random.default_rng(0)
    good, bad = tmp_path / "good.flac", tmp_path / "bad.mp3"
    noise = 0.2 * rng.standard_normal((44100 * 2, 2))
    soundfile.write(good, noise, 44100)
    bad.write_bytes(b"nothing that sounds")
    done = tag_everything(exported, tmp_path, bad, good)
    assert done.returncode == 1, done.stderr
    assert "1 of 2 files could not be tagged" in done.stderr
    assert f"{bad}\n  failed: can't be decoded" in done.stdout
    assert f"{good} (2.0 s)" in done.stdout
    value = json.loads((tmp_path / "tags.json").read_text())
    assert value["schema_version"] == 1
    assert [file["status"] for file in value["files"]] == ["failed", "tagged"]
    file = value["files"][1]
    present = {name for name, t in file["tags"].items() if t["present"]}
    assert present == {n for n, t in file["tags"].items() if t["score"] >= 0.2}
    assert present
    with open(tmp_path / "tags.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert rows[0]["status"] == "failed"
    assert {row["tag"] for row in rows[1:]} == present
    assert len(rows[1:]) == len(file["events"])
    for row in rows[1:]:
        assert f"{float(row['onset_seconds']):.2f}-" in done.stdout
    assert (tmp_path / "pictures" / "0002_good.flac.png").is_file()


def test_files_with_odd_names_do_not_stop_the_others(exported, tmp_path):
    noise = 0.2 * np.random.default_rng(1).standard_normal(5200)
    names = (
        "caf\udce9.wav",  # Python decodes the byte E9 (Latin-1) like this.
        "from $5_^ to $6.wav",
        "x" * 236 + ".wav",
        "y" * 250 + ".wav",  # 263 bytes with "0004_" and ".png".
    )
    for name in names:
        soundfile.write(os.fsencode(tmp_path / name), noise, 8000)
    too_long = tmp_path / ("z" * 300)
    done = tag_everything(
        exported, tmp_path, *(tmp_path / name for name in names), too_long
    )
    assert done.returncode == 1, done.stderr
    assert "1 of 5 files could not be tagged" in done.stderr
    assert f"{too_long}\n  failed: can't be opened" in done.stdout
    assert "caf\\udce9.wav (0.7 s)" in done.stdout
    assert {path.name for path in (tmp_path / "pictures").iterdir()} == {
        f"{number:04d}_{name}.png" for number, name in enumerate(names[:3], 1)
    }
    files = json.loads((tmp_path / "tags.json").read_text())["files"]
    listed = [Path(file["path"]).name for file in files]
    assert listed == ["caf\\udce9.wav", *names[1:], too_long.name]
    assert [len(file["notes"]) for file in files] == [0, 0, 0, 1, 0]
    assert files[3]["notes"][0].startswith("can't be drawn: ")
    with open(tmp_path / "tags.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {Path(row["path"]).name for row in rows} == set(listed)


def test_nothing_tagged_is_exit_status_two(exported, tmp_path):
    done = run_tag(f"--model={exported.directory}", tmp_path / "none.wav")
    assert done.returncode == 2
    assert "none.wav\n  failed: no such file.\n" in done.stdout


def test_a_wrong_command_is_one_line(exported, tmp_path):
    no_files = run_tag(f"--model={exported.directory}")
    assert no_files.returncode == 1
    assert no_files.stderr == (
        "error: at least one sound file must be given.\n"
    )
    no_model = run_tag(f"--model={tmp_path}", "x.wav")
    assert no_model.returncode == 1
    assert "is not an exported model" in no_model.stderr
    assert no_model.stderr.count("\n") == 1


def test_an_unwritable_table_is_reported_before_the_work(exported, tmp_path):
    noise = 0.2 * np.random.default_rng(2).standard_normal(5200)
    soundfile.write(tmp_path / "a.wav", noise, 8000)
    (tmp_path / "file").write_text("no directory")
    for flag in ("csv", "json", "plot_dir"):
        target = tmp_path / "file" / "x"
        done = run_tag(
            f"--model={exported.directory}",
            f"--{flag}={target}",
            tmp_path / "a.wav",
        )
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == (
            f"error: {target}: can't be written (Not a directory).\n"
        )


@pytest.fixture
def sounds(tmp_path) -> list[str]:
    """500 paths of the same short sound."""
    noise = 0.2 * np.random.default_rng(3).standard_normal(5200)
    soundfile.write(tmp_path / "a.wav", noise, 8000)
    paths = [str(tmp_path / f"{number}.wav") for number in range(500)]
    for path in paths:
        os.link(tmp_path / "a.wav", path)
    return paths


def start_tagging(exported, *arguments) -> subprocess.Popen:
    return subprocess.Popen(
        [
            *(sys.executable, str(TOOL), f"--model={exported.directory}"),
            *("--threshold=0.2", *map(str, arguments)),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=TOOL.parents[1],
    )


def files_in_csv(path: Path) -> list[str]:
    """Returns the files in the table; all its rows must be complete."""
    text = path.read_text()
    assert text.endswith("\n")
    assert {len(row) for row in csv.reader(io.StringIO(text))} == {11}
    rows = csv.DictReader(io.StringIO(text))
    return list(dict.fromkeys(row["path"] for row in rows))


def files_in_json(path: Path) -> list[str]:
    return [file["path"] for file in json.loads(path.read_text())["files"]]


@pytest.mark.parametrize(
    ("number", "status", "word"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")],
)
def test_after_a_signal_the_tables_have_the_finished_files(
    exported, tmp_path, sounds, number, status, word
):
    tables = (tmp_path / "tags.csv", tmp_path / "tags.json")
    process = start_tagging(
        exported, f"--csv={tables[0]}", f"--json={tables[1]}", *sounds
    )
    assert process.stdout is not None
    while process.stdout.readline() != f"{sounds[1]} (0.7 s)\n":
        assert process.poll() is None
    # The tables have a file before the screen does.
    assert sounds[:2] == files_in_csv(tables[0])[:2]
    process.send_signal(number)
    _, error = process.communicate(timeout=60)
    assert process.returncode == status
    done = files_in_csv(tables[0])
    assert 2 <= len(done) < 500
    assert done == sounds[: len(done)]
    assert files_in_json(tables[1]) == done
    assert error == (
        f"{word} after {len(done)} of 500 files. Their results are in "
        f"{tables[0]} and {tables[1]}.\n"
    )


def test_after_a_kill_the_table_has_the_finished_files(
    exported, tmp_path, sounds
):
    process = start_tagging(exported, f"--csv={tmp_path / 't.csv'}", *sounds)
    assert process.stdout is not None
    while process.stdout.readline() != f"{sounds[2]} (0.7 s)\n":
        assert process.poll() is None
    process.kill()
    process.communicate(timeout=60)
    done = files_in_csv(tmp_path / "t.csv")
    assert done == sounds[: len(done)]
    assert len(done) >= 3


def test_after_a_closed_pipe_the_table_has_the_finished_files(
    exported, tmp_path, sounds
):
    table = tmp_path / "t.csv"
    words = [
        *(sys.executable, str(TOOL), f"--model={exported.directory}"),
        *(f"--csv={table}", *sounds),
    ]
    done = subprocess.run(
        ["bash", "-c", 'set -o pipefail; "$@" | head -n 1', "bash", *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=TOOL.parents[1],
    )
    assert done.returncode == 128 + signal.SIGPIPE, done.stderr
    assert (done.stdout, done.stderr) == (f"{sounds[0]} (0.7 s)\n", "")
    files = files_in_csv(table)
    assert 1 <= len(files) < 500
    assert files == sounds[: len(files)]


def test_a_signal_before_the_first_file_leaves_the_old_table(
    exported, tmp_path
):
    fifo, table = tmp_path / "fifo", tmp_path / "t.csv"
    os.mkfifo(fifo)
    table.write_text("of yesterday\n")
    # The command waits for the end of its flag file, which a signal precedes.
    process = start_tagging(
        exported, "--overwrite", f"--csv={table}", f"--flagfile={fifo}", "a.wav"
    )
    with open(fifo, "w"):
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert error == "interrupted.\n"
    assert table.read_text() == "of yesterday\n"


def test_xargs_accumulates_with_append(exported, tmp_path, sounds):
    names = sounds[:5]
    tables = (tmp_path / "t.csv", tmp_path / "t.json")
    words = [
        *("xargs", "-n", "3", sys.executable, str(TOOL)),
        *(f"--model={exported.directory}", "--append"),
        *(f"--csv={tables[0]}", f"--json={tables[1]}"),
    ]
    done = subprocess.run(
        words,
        input="\n".join(names),
        capture_output=True,
        text=True,
        check=False,
        cwd=TOOL.parents[1],
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert files_in_csv(tables[0]) == names
    assert tables[0].read_text().count("schema_version") == 1
    assert files_in_json(tables[1]) == names
    # A single command writes the same bytes.
    whole = tmp_path / "whole.json"
    run_tag(f"--model={exported.directory}", f"--json={whole}", *names)
    assert tables[1].read_bytes() == whole.read_bytes()
    value = json.loads(whole.read_text())
    assert whole.read_text() == json.dumps(value, indent=1) + "\n"


def test_an_existing_table_is_refused_before_the_work_and_overwritten_on_demand(
    exported, tmp_path, sounds
):
    for flag in ("csv", "json"):
        table = tmp_path / f"t.{flag}"
        table.write_text("of yesterday\n")
        arguments = (f"--model={exported.directory}", f"--{flag}={table}")
        refused = run_tag(*arguments, sounds[0])
        assert (refused.returncode, refused.stdout) == (1, "")
        assert refused.stderr == (
            f"error: {table}: exists and is not overwritten. --append continues"
            " this file, and --overwrite replaces it.\n"
        )
        not_continued = run_tag(*arguments, "--append", sounds[0])
        assert (not_continued.returncode, not_continued.stdout) == (1, "")
        assert "must begin like a table of this" in not_continued.stderr
        assert not_continued.stderr.count("\n") == 1
        assert table.read_text() == "of yesterday\n"
        # A file that can't be tagged has a row, too.
        replaced = run_tag(*arguments, "--overwrite", tmp_path / "none.wav")
        assert replaced.returncode == 2
        assert "yesterday" not in table.read_text()
    assert files_in_csv(tmp_path / "t.csv") == [str(tmp_path / "none.wav")]
    assert files_in_json(tmp_path / "t.json") == [str(tmp_path / "none.wav")]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            ("--append", "--overwrite", "--csv=x"),
            "--overwrite: only one can be",
        ),
        (("--append",), "--append: needs --csv or --json."),
        (("--overwrite",), "--overwrite: needs --csv or --json."),
        (("--csv=x", "--json=./x"), "--json: must name a different file than"),
    ],
)
def test_flags_that_contradict_one_another_are_one_line(
    tmp_path, flags, message
):
    done = subprocess.run(
        [sys.executable, str(TOOL), f"--model={tmp_path}", *flags, "a.wav"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(TOOL.parents[1])},
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_full_disk_is_one_line_and_keeps_the_finished_files(
    exported, tmp_path, sounds
):
    table = tmp_path / "t.json"
    with room_for(5000):
        done = run_tag(
            *(f"--model={exported.directory}", f"--json={table}"), *sounds
        )
    assert done.returncode == 1
    assert done.stderr == (
        f"error: {table}: can't be written (File too large).\n"
    )
    files = files_in_json(table)
    assert 1 <= len(files) < 500
    assert files == sounds[: len(files)]


def test_names_that_control_a_terminal_are_escaped(exported, tmp_path):
    noise = 0.2 * np.random.default_rng(4).standard_normal(4700)
    names = {
        "\x1b]0;owned\x07.wav": r"\x1b]0;owned\x07.wav",
        "a\n9.wav (1.0 s)": r"a\n9.wav (1.0 s)",
        "gnp\u202evaw.wav": r"gnp\u202evaw.wav",
        "\udc9b2J.wav": r"\udc9b2J.wav",  # The byte 9B, CSI of C1 controls.
    }
    for name in names:
        soundfile.write(os.fsencode(tmp_path / name), noise, 8000, format="WAV")
    (tmp_path / "cut\x1b[2J.wav").write_bytes(b"no sound")
    table, value = tmp_path / "t\x1b.csv", tmp_path / "t.json"
    done = run_tag(
        *(f"--model={exported.directory}", f"--csv={table}"),
        *(f"--json={value}", *(tmp_path / name for name in names)),
        *(tmp_path / "cut\x1b[2J.wav", tmp_path / "\x1bnone.wav"),
    )
    shown = [*names.values(), *(r"cut\x1b[2J.wav", r"\x1bnone.wav")]
    for text in (done.stdout, done.stderr, table.read_text()):
        assert set(text) & set("\x1b\x07\u202e\x9b\udc9b") == set()
    lines = done.stdout.splitlines()
    for name in shown:
        assert sum(f"{tmp_path}/{name}" in line for line in lines) == 1
    assert files_in_csv(table) == [f"{tmp_path}/{name}" for name in shown]
    assert files_in_json(value) == [f"{tmp_path}/{name}" for name in shown]
    refused = run_tag(
        f"--model={exported.directory}", f"--csv={table}", "x.wav"
    )
    assert refused.stderr.startswith(f"error: {tmp_path}/t\\x1b.csv: exists")
