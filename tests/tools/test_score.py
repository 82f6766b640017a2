"""The score command, as a user runs it."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import sed_eval.metric

from audiotag_nas.errors import DataError
from audiotag_nas.metrics import score_files
from tests.full_disk import room_for

ROOT = Path(__file__).parents[2]
TAGS = "cmfvpbo"


def score(*arguments):
    return subprocess.run(
        [sys.executable, str(ROOT / "tools" / "score.py"), *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
    )


@pytest.fixture
def system(tmp_path):
    """61 clips: the lines of labels and scores, and their values."""
    rng = np.random.default_rng(0)
    labels = rng.random((61, 7)) < 0.3
    labels[:2] = [[True] * 7, [False] * 7]
    scores = np.round(rng.random((61, 7)) + 0.4 * labels, 3)
    names = [f"chunk {n}, take 2.wav" for n in range(61)]
    label_lines = [
        f'"{name}",{"".join(t for t, y in zip(TAGS, row, strict=True) if y)}'
        for name, row in zip(names, labels, strict=True)
    ]
    label_lines[1] += "S"
    score_lines = [
        f'"{name}",{tag},{value}'
        for name, row in zip(names, scores, strict=True)
        for tag, value in zip(TAGS, row, strict=True)
    ]
    rng.shuffle(score_lines)
    return tmp_path, label_lines, score_lines, labels, scores


def run(system, *arguments):
    folder, label_lines, score_lines, _, _ = system
    (folder / "L.csv").write_text("\n".join(label_lines) + "\n")
    (folder / "S.csv").write_text("\r\n".join(score_lines) + "\r\n")
    return score_of(system, *arguments)


def score_of(system, *arguments):
    """As `run`, with files that exist."""
    folder = system[0]
    return score(
        f"--labels={folder / 'L.csv'}",
        f"--scores={folder / 'S.csv'}",
        *arguments,
    )


def test_prints_the_eers_of_sed_eval_and_their_mean(system):
    _, _, _, labels, scores = system
    expected = [
        sed_eval.metric.equal_error_rate(labels[:, k], scores[:, k])
        for k in range(7)
    ]
    done = run(system)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        *(f"{t:<4}  {e:.6f}" for t, e in zip(TAGS, expected, strict=True)),
        f"mean  {np.mean(expected):.6f}",
    ]


def test_hand_case_of_one_tag(tmp_path):
    # Only one of the files has a header.
    (tmp_path / "L.csv").write_text("filename,tags\na,\nb,x\nc,x\nd,\ne,x\n")
    (tmp_path / "S.csv").write_text("a,x,.2\nb,x,.2\nc,x,.6\nd,x,.6\ne,x,.9\n")
    done = score(
        f"--labels={tmp_path}/L.csv", f"--scores={tmp_path}/S.csv", "--tags=x"
    )
    assert done.stdout == "x     0.400000\nmean  0.400000\n"


def test_the_mean_excludes_an_undefined_tag_which_is_named(tmp_path):
    (tmp_path / "L.csv").write_text("a,\nb,x\n")
    (tmp_path / "S.csv").write_text("a,x,.2\nb,x,.3\na,y,.1\nb,y,.1\n")
    done = score(
        f"--labels={tmp_path}/L.csv", f"--scores={tmp_path}/S.csv", "--tags=x,y"
    )
    assert done.stdout.splitlines()[1:] == [
        "y     undefined",
        "mean  0.000000",
        "The mean excludes tags without an EER (1): y (0 positive and 2 "
        "negative clips)",
    ]


def test_intervals_and_files_are_written_on_request(system):
    folder = system[0]
    segments = [f'"chunk {n}, take 2.wav",s{n // 5}' for n in range(61)]
    (folder / "G.csv").write_text("\n".join(segments))
    done = run(
        system,
        "--bootstrap=200",
        f"--segments={folder / 'G.csv'}",
        f"--json={folder / 'r.json'}",
        f"--csv={folder / 'r.csv'}",
    )
    assert done.returncode == 0, done.stderr
    report = json.loads((folder / "r.json").read_text())
    assert report["num_segments"] == 13
    low, high = report["mean_eer_interval"]
    assert low < report["mean_eer"] < high
    assert done.stdout.splitlines()[-1].endswith(f"[{low:.6f}, {high:.6f}]")
    rows = (folder / "r.csv").read_text().splitlines()
    assert len(rows) == 9
    assert rows[-1].startswith("mean,,,0.")


def rescore(lines, number, text):
    lines[number] = f"{lines[number].rpartition(',')[0]},{text}"


def swap(lines, number, old, new):
    assert old in lines[number]
    lines[number] = lines[number].replace(old, new)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda n, s: s.append(s[3]), "S.csv, line 428: {file3}, tag {tag3}"),
        (lambda n, s: s.pop(3), "no score for {file3}, tag {tag3}."),
        (lambda n, s: s.append("z.wav,c,1"), "line 428: 'z.wav', tag 'c': the"),
        (
            lambda n, s: s.append("z.wav,c"),
            "line 428: a row must be filename,label",
        ),
        (
            lambda n, s: rescore(s, 3, "nan"),
            "{tag3}: the score must be a finite decimal number.",
        ),
        (lambda n, s: rescore(s, 3, "hi"), "Received: 'hi'"),
        (lambda n, s: swap(s, 0, ".wav", ".flac"), "no such file"),
        (lambda n, s: s.append('"chunk 3, take 2.wav",k,1'), "unknown tag"),
        (lambda n, s: n.append(n[5]), "L.csv, line 62: 'chunk 5, take 2.wav'"),
        (lambda n, s: swap(n, 0, "cm", "cqm"), "unknown tag 'q'"),
        (lambda n, s: swap(n, 0, "cm", "cqm"), "other tags by --tags="),
        (lambda n, s: n.append("filename,tags"), "line 62: 'filename': unk"),
        (
            lambda n, s: n.clear(),
            "L.csv: must have a row for at least one clip.",
        ),
    ],
)
def test_the_error_for_a_wrong_file_is_one_line_that_names_it(
    system, change, message
):
    _, label_lines, score_lines, _, _ = system
    name, _, rest = score_lines[3].rpartition('",')
    words = {"file3": repr(name.strip('"')), "tag3": repr(rest.split(",")[0])}
    change(label_lines, score_lines)
    done = run(system)
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert message.format(**words) in done.stderr


@pytest.mark.parametrize(
    "text",
    [
        *("inf", "-Infinity", "1e999", "-1e999", "1_0", "0x1p3", "1,5", "1e"),
        *("\u0663", "\uff11.5", ".", "", "1 2", "+-1", "1e+", "NaN"),
    ],
)
def test_a_score_that_is_not_a_finite_decimal_number_is_refused(system, text):
    folder, labels, scores, _, _ = system
    (folder / "L.csv").write_text("\n".join(labels))
    rescore(scores, 3, f'"{text}"')
    (folder / "S.csv").write_text("\n".join(scores))
    names = [f"chunk {n}, take 2.wav" for n in range(61)]
    message = (
        rf"line 4: .*finite decimal number\. Received: '{re.escape(text)}'"
    )
    with pytest.raises(DataError, match=message):
        score_files.read_scores(folder / "S.csv", TAGS, names)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("1", 1.0), ("-0.25", -0.25), ("+3.", 3.0), (".5", 0.5)),
        *(("1e-3", 0.001), ("2.5E+2", 250.0), (" 7 ", 7.0), ("1e-999", 0.0)),
    ],
)
def test_a_score_may_have_any_usual_decimal_format(tmp_path, text, value):
    (tmp_path / "S.csv").write_text(f"a.wav,x,{text}\n")
    scores = score_files.read_scores(tmp_path / "S.csv", "x", ["a.wav"])
    assert scores.tolist() == [[value]]


@pytest.mark.parametrize("flag", ["labels", "scores", "segments"])
@pytest.mark.parametrize("kind", ["device", "pipe", "directory", "zeros"])
def test_endless_input_is_refused(system, flag, kind):
    folder, labels, scores, _, _ = system
    (folder / "L.csv").write_text("\n".join(labels))
    (folder / "S.csv").write_text("\n".join(scores))
    path = folder / "odd"
    if kind == "device":
        path = Path("/dev/zero")
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    else:
        # One line of 40 GB; the sparse file takes no space on the disk.
        with open(path, "wb") as file:
            file.truncate(40 * 2**30)
    done = score_of(system, f"--{flag}={path}")
    assert (done.returncode, done.stdout) == (1, "")
    if kind == "zeros":
        assert done.stderr.startswith(f"error: {path}, line ")
    else:
        assert done.stderr == (
            f"error: {path}: must be a regular file, not a directory, pipe "
            "or device.\n"
        )
    assert done.stderr.count("\n") == 1
    assert len(done.stderr) < 300


def test_a_missing_file_is_one_line(tmp_path):
    done = score(f"--labels={tmp_path}/no.csv", "--scores=x")
    assert done.returncode == 1
    assert "no.csv: No such file" in done.stderr


@pytest.mark.parametrize("flag", ["csv", "json"])
def test_an_unwritable_table_is_reported_first(system, flag):
    target = system[0] / "S.csv" / "r"
    done = run(system, f"--{flag}={target}")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"error: {target}: can't be written (Not a directory).\n"
    )
    done = run(system, f"--{flag}=")
    assert done.stderr == f"error: --{flag}: must name a file. Received: ''\n"


def test_a_full_disk_is_one_line_and_leaves_the_old_table(system):
    (system[0] / "r.csv").write_text("of yesterday")
    run(system)
    with room_for(300):
        done = score_of(system, f"--csv={system[0] / 'r.csv'}")
    assert done.returncode == 1
    assert done.stderr == (
        f"error: {system[0] / 'r.csv'}: can't be written (File too large).\n"
    )
    assert (system[0] / "r.csv").read_text() == "of yesterday"
    assert not list(system[0].glob(".*"))


def test_help_answers_at_once_and_without_tensorflow():
    code = (
        "import runpy, sys; sys.argv = ['score.py', '--help']\n"
        "try: runpy.run_path('tools/score.py', run_name='__main__')\n"
        "except SystemExit: pass\n"
        "print('tensorflow' in sys.modules, 'numpy' in sys.modules)"
    )
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
    )
    # The aim is half a second; a busy machine may need more.
    assert time.monotonic() - start < 2.0
    assert "--labels" in done.stdout
    assert done.stdout.splitlines()[-1] == "False False"
