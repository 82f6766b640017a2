"""The command `check`: its output, CSV file and exit status."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

REPOSITORY = Path(__file__).parents[2]


def check(*arguments):
    return subprocess.run(
        [sys.executable, REPOSITORY / "tools" / "check.py", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
    )


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "sounds"
    root.mkdir()
    soundfile.write(root / "long.wav", np.full(48000, 0.1), 16000)
    soundfile.write(root / "short.flac", np.full(8000, 0.1), 16000)
    (root / "broken.mp3").write_text("no sound at all")
    return root


def test_a_good_manifest_passes_and_is_counted(root):
    (root / "clips.csv").write_text(
        "path,tags,split,fold\n"
        "long.wav,dog;cat,development,2\n"
        "short.flac,dog,evaluation,\n"
    )
    done = check("--manifest", str(root / "clips.csv"))
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["clips", "1", "1"] in lines
    assert ["tag", "dog", "1", "1"] in lines
    assert ["tag", "cat", "1", "0"] in lines
    assert ["fold", "2", "1", "0"] in lines
    assert "2 of 2 rows accepted" in done.stdout


def test_clips_shorter_or_longer_than_in_training_are_counted(root):
    soundfile.write(root / "longer.wav", np.full(64001, 0.1), 16000)
    soundfile.write(root / "just.wav", np.full(64000, 0.1), 16000)
    names = ("long.wav", "short.flac", "longer.wav", "just.wav")
    rows = "".join(f"{name},dog,development\n" for name in names)
    (root / "clips.csv").write_text(f"path,tags,split\n{rows}")
    done = check("--manifest", str(root / "clips.csv"))
    assert done.returncode == 0, done.stderr
    assert "clips shorter than 4.0 s: 2. Training rejects them" in done.stdout
    assert "clips longer than 4.0 s: 1. Training uses only" in done.stdout
    undecoded = check("--manifest", str(root / "clips.csv"), "--noaudio")
    assert "Training" not in undecoded.stdout


def test_every_rejected_row_is_explained_and_the_status_is_1(root, tmp_path):
    listed = tmp_path / "clips.csv"
    listed.write_text(
        "path,tags,split\n"
        "long.wav,dog,development\n"
        "short.flac,dog,development\n"
        "broken.mp3,dog,development\n"
        "=gone.wav,dog,development\n"
    )
    done = check(
        f"--manifest={listed}",
        f"--data_root={root}",
        "--min_clip_seconds=1",
        f"--csv={tmp_path / 'out.csv'}",
    )
    assert done.returncode == 1
    for line, reason in ((3, "1.0 s"), (4, "decoded"), (5, "exists")):
        (printed,) = [
            text
            for text in done.stdout.splitlines()
            if text.startswith(f"{listed}:{line}: rejected")
        ]
        assert reason in printed
    assert "1 of 4 rows accepted, 3 rejected" in done.stdout
    with open(tmp_path / "out.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["line"], row["status"]) for row in rows] == [
        ("3", "rejected"),
        ("4", "rejected"),
        ("5", "rejected"),
        ("2", "accepted"),
    ]
    assert rows[2]["path"] == "'=gone.wav"


def test_control_characters_in_names_are_escaped(root, tmp_path):
    # The name of the list has control characters and a byte outside UTF-8.
    listed = tmp_path / "li\x1b[2Jst\n\udce9.csv"
    odd = ("a\x1b]0;owned\x07.wav", "b\u202evaw.wav", "c\x9b2J.wav")
    rows = "".join(f"{name},d\x1b[1mog,development\n" for name in odd)
    listed.write_text(
        f'path,tags,split\n{rows}"e\nlong.wav: accepted",dog,development\n'
        "long.wav,d\x1b[1mog,development\n"
    )
    table = tmp_path / "out.csv"
    done = check(
        f"--manifest={os.fsdecode(listed)}",
        f"--data_root={root}",
        f"--csv={table}",
    )
    assert done.returncode == 1, done.stderr
    shown = rf"{tmp_path}/li\x1b[2Jst\n\udce9.csv"
    for text in (done.stdout, done.stderr, table.read_text()):
        assert set(text) & set("\x1b\x07\u202e\x9b\udce9") == set()
        assert shown in text or not text
    names = (*(r"a\x1b]0;owned\x07.wav", r"b\u202evaw.wav", r"c\x9b2J.wav"),)
    for line, name in enumerate(names, 2):
        found = f"{shown}:{line}: rejected {name}: "
        assert any(x.startswith(found) for x in done.stdout.splitlines())
    with open(table, newline="") as file:
        assert {row["file"] for row in csv.DictReader(file)} == {shown}


def test_control_characters_in_error_lines_are_escaped(tmp_path):
    done = check(f"--manifest={tmp_path}/no\x1b[2J\nne.csv")
    assert done.returncode == 1
    assert done.stderr.startswith(rf"error: {tmp_path}/no\x1b[2J\nne.csv: ")
    assert done.stderr.count("\n") == 1


def test_a_chime_home_tree_is_checked_file_by_file(tmp_path):
    # The majority vote of the second chunk has a letter that is not a label.
    (tmp_path / "chunks").mkdir()
    for segment, vote in (("CR_a.s0", "cv"), ("CR_b.s0", "cx")):
        (tmp_path / "chunks" / f"{segment}_chunk1.csv").write_text(
            f"segmentname,{segment}\nchunknumber,1\nframestart,192000\n"
            "annotation_a1,cv\nsession_a1,1.0\n"
            "annotation_a2,cv\nsession_a2,1.0\n"
            "annotation_a3,cv\nsession_a3,1.0\n"
            f"majorityvote,{vote}\nchunkname,{segment}_chunk1\n"
        )
    for kind in ("raw", "refined"):
        for split, segment in (("development", "a"), ("evaluation", "b")):
            (tmp_path / f"{split}_chunks_{kind}.csv").write_text(
                f"0,CR_{segment}.s0_chunk1\n"
            )
    name = "development_chunks_refined_crossval_dcase2016.csv"
    (tmp_path / name).write_text("0,CR_a.s0_chunk1,3\n")
    done = check("--chime_home", str(tmp_path))
    assert done.returncode == 1
    bad = tmp_path / "chunks" / "CR_b.s0_chunk1.csv"
    assert f"{bad}:10: error: majorityvote must be" in done.stdout
    assert "faults: 1, notes: 1" in done.stdout
    bad.write_text(bad.read_text().replace("cx", "cv"))
    done = check("--chime_home", str(tmp_path))
    assert done.returncode == 0, done.stdout
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["tag", "c", "1", "1", "1", "1"] in lines
    assert ["fold", "3", "0", "1", "0", "0"] in lines


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "exactly one of --manifest and --chime_home"),
        (("--manifest=x", "--chime_home=y"), "exactly one of"),
        (("--chime_home=y", "--data_root=z"), "--data_root"),
        (("--manifest=nothing.csv",), "nothing.csv"),
        (("--chime_home=nowhere",), "nowhere: no such directory."),
    ],
)
def test_wrong_flags_are_reported_in_one_line(arguments, message):
    done = check(*arguments)
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert message in line


def test_an_unwritable_csv_path_is_reported_before_the_check(root):
    (root / "clips.csv").write_text("path,tags,split\nlong.wav,,development\n")
    target = root / "long.wav" / "out.csv"
    done = check(f"--manifest={root / 'clips.csv'}", f"--csv={target}")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"error: {target}: can't be written (Not a directory).\n"
    )


def test_messages_of_the_mp3_decoder_are_suppressed(tmp_path):
    path = tmp_path / "damaged.mp3"
    generator = np.random.default_rng(3)
    soundfile.write(path, generator.normal(scale=0.1, size=48_000), 16_000)
    content = bytearray(path.read_bytes())
    for place in generator.integers(2000, len(content), size=100):
        content[place] ^= 0xFF
    path.write_bytes(content)
    # Without the package, the decoder prints messages for this file.
    script = f"import soundfile; soundfile.read({str(path)!r})"
    alone = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True
    )
    assert "libmpg123" in alone.stderr
    manifest = tmp_path / "clips.csv"
    manifest.write_text("path,tags,split\ndamaged.mp3,dog,development\n")
    checked = check("--manifest", str(manifest))
    assert (checked.returncode, checked.stderr) == (0, "")
