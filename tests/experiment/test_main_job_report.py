"""The scoring command in the report of the main job."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from audiotag_nas.config import CHIME_HOME_TAGS
from audiotag_nas.experiment.evaluation import ScoredSplit
from audiotag_nas.experiment.main_job_report import score_command
from audiotag_nas.metrics.score_files import write_labels, write_scores

ROOT = Path(__file__).parents[2]


def run_in_shell(command: str, cwd: Path) -> subprocess.CompletedProcess:
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.defpath}"
    return subprocess.run(
        command,
        shell=True,
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env=os.environ | {"PATH": programs, "PYTHONPATH": str(ROOT)},
    )


def test_the_command_scores_tags_of_any_name(tmp_path):
    tags = ("child talk", "it's, loud", "$HOME", '"`x`"')
    names = ["1.wav", "2.wav", "3.wav", "4.wav", "5.wav"]
    present = np.array([0, 1, 1, 0, 1])
    # Perfect, inverted, and twice the example worked out in test_score.
    hand = [0.2, 0.2, 0.6, 0.6, 0.9]
    scores = np.array([present, 1 - present, hand, hand]).T
    write_labels(
        tmp_path / "labels.csv", names, tags, np.stack([present] * 4, axis=1)
    )
    write_scores(tmp_path / "found_scores.csv", names, tags, scores)
    done = run_in_shell(score_command(tags), tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "child talk  0.000000",
        "it's, loud  1.000000",
        "$HOME       0.400000",
        '"`x`"       0.400000',
        "mean        0.450000",
    ]


def test_the_default_tags_need_no_flag():
    assert score_command(CHIME_HOME_TAGS) == (
        "audiotag-nas score --labels=labels.csv --scores=found_scores.csv"
    )
    assert "--tags=c,m" in score_command(CHIME_HOME_TAGS[:2])


def test_clips_are_named_as_the_data_set_names_their_files():
    clip_ids = ("CR_lounge_200110_1601.s0_chunk3", "a/001.flac", "b.1/noise")
    none = np.zeros((3, 0))
    scored = ScoredSplit(clip_ids, clip_ids, none, none)
    assert scored.filenames == [
        "CR_lounge_200110_1601.s0_chunk3.wav",
        "a/001.flac",
        "b.1/noise.wav",
    ]
