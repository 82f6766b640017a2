"""`tag --model DIR files...` as a user runs it."""

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import soundfile

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
    """With tables and pictures, all in `tmp_path`."""
    return run_tag(
        f"--model={exported.directory}",
        "--threshold=0.2",
        f"--csv={tmp_path / 'tags.csv'}",
        f"--json={tmp_path / 'tags.json'}",
        f"--plot_dir={tmp_path / 'pictures'}",
        *files,
    )


def test_tags_go_to_screen_csv_and_json_and_a_bad_file_stops_nothing(
    exported, tmp_path
):
    rng = np.random.default_rng(0)
    good, bad = tmp_path / "good.flac", tmp_path / "bad.mp3"
    noise = 0.2 * rng.standard_normal((44100 * 2, 2))
    soundfile.write(good, noise, 44100)
    bad.write_bytes(b"nothing that sounds")
    done = tag_everything(
        exported,
        tmp_path,
        bad,
        good,
    )
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


def test_odd_names_cost_no_other_file_its_tags(exported, tmp_path):
    noise = 0.2 * np.random.default_rng(1).standard_normal(5200)
    names = (
        "caf\udce9.wav",  # As Python has the byte E9, Latin-1's e acute.
        "from $5_^ to $6.wav",
        "x" * 236 + ".wav",
        "y" * 250 + ".wav",  # "0004_" and ".png" make it 263 bytes.
    )
    for name in names:
        soundfile.write(os.fsencode(tmp_path / name), noise, 8000)
    too_long = tmp_path / ("z" * 300)
    done = tag_everything(
        exported,
        tmp_path,
        *(tmp_path / name for name in names),
        too_long,
    )
    assert done.returncode == 1, done.stderr
    assert "1 of 5 files could not be tagged" in done.stderr
    assert f"{too_long}\n  failed: can't be opened" in done.stdout
    assert "caf\\udce9.wav (0.7 s)" in done.stdout
    assert {path.name for path in (tmp_path / "pictures").iterdir()} == {
        f"{number:04d}_{name}.png" for number, name in enumerate(names[:3], 1)
    }
    files = json.loads((tmp_path / "tags.json").read_text())["files"]
    told = [Path(file["path"]).name for file in files]
    assert told == ["caf\\udce9.wav", *names[1:], too_long.name]
    assert [len(file["notes"]) for file in files] == [0, 0, 0, 1, 0]
    assert files[3]["notes"][0].startswith("can't be drawn: ")
    with open(tmp_path / "tags.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {Path(row["path"]).name for row in rows} == set(told)


def test_nothing_tagged_is_exit_status_two(exported, tmp_path):
    done = run_tag(f"--model={exported.directory}", tmp_path / "none.wav")
    assert done.returncode == 2
    assert "none.wav\n  failed: no such file.\n" in done.stdout


def test_a_wrong_command_is_one_line(exported, tmp_path):
    no_files = run_tag(f"--model={exported.directory}")
    assert no_files.returncode == 1
    assert no_files.stderr == "error: give at least one sound file.\n"
    no_model = run_tag(f"--model={tmp_path}", "x.wav")
    assert no_model.returncode == 1
    assert "is no exported model" in no_model.stderr
    assert no_model.stderr.count("\n") == 1


def test_a_table_that_cant_be_written_is_told_before_the_work(
    exported, tmp_path
):
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


def test_an_interrupt_keeps_what_was_tagged_and_the_older_table(
    exported, tmp_path
):
    noise = 0.2 * np.random.default_rng(3).standard_normal(5200)
    soundfile.write(tmp_path / "a.wav", noise, 8000)
    paths = [str(tmp_path / f"{number}.wav") for number in range(500)]
    for path in paths:
        os.link(tmp_path / "a.wav", path)
    table = tmp_path / "tags.csv"
    table.write_text("of yesterday\n")
    process = subprocess.Popen(
        [
            *(sys.executable, str(TOOL), f"--model={exported.directory}"),
            *("--threshold=0.2", f"--csv={table}", *paths),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=TOOL.parents[1],
    )
    assert process.stdout is not None
    while f"{paths[3]} (0.7 s)\n" != process.stdout.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    part = tmp_path / "tags.interrupted.csv"
    with open(part, newline="") as stream:
        kept = list(dict.fromkeys(r["path"] for r in csv.DictReader(stream)))
    assert 3 <= len(kept) < 500
    assert kept == paths[: len(kept)]
    assert told == (
        f"interrupted after {len(kept)} of 500 files. Those are in {part}.\n"
    )
    assert table.read_text() == "of yesterday\n"
