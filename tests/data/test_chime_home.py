"""The CHiME-Home reader and check, on files written by hand."""

import dataclasses

import numpy as np
import pytest
import soundfile

from audiotag_nas.data import chime_home, chime_home_check
from audiotag_nas.data.chime_home import ChunkAnnotation
from audiotag_nas.errors import DataError

# The raw lists have more chunks than the refined lists, indices are not
# consecutive, one segment is in two folds, and some votes are S, U or empty.
LISTS = {
    "development_chunks_raw.csv": """\
0,CR_lounge_200110_1601.s300_chunk10
1,CR_lounge_200110_1601.s300_chunk2
2,CR_lounge_200110_1601.s300_chunk74
3,CR_lounge_220110_0731.s0_chunk39
4,CR_lounge_220110_0731.s0_chunk40
5,CR_lounge_220110_0731.s2700_chunk48
6,CR_lounge_230110_1036.s600_chunk0
""",
    "development_chunks_refined.csv": """\
0,CR_lounge_200110_1601.s300_chunk10
2,CR_lounge_200110_1601.s300_chunk74
3,CR_lounge_220110_0731.s0_chunk39
5,CR_lounge_220110_0731.s2700_chunk48
6,CR_lounge_230110_1036.s600_chunk0
""",
    "development_chunks_refined_crossval_dcase2016.csv": """\
2,CR_lounge_200110_1601.s300_chunk74,1
0,CR_lounge_200110_1601.s300_chunk10,4
3,CR_lounge_220110_0731.s0_chunk39,0
5,CR_lounge_220110_0731.s2700_chunk48,2
6,CR_lounge_230110_1036.s600_chunk0,3
""",
    "evaluation_chunks_raw.csv": """\
0,CR_lounge_200110_1601.s0_chunk0
1,CR_lounge_200110_1601.s0_chunk3
2,CR_lounge_270110_1632.s900_chunk12
""",
    "evaluation_chunks_refined.csv": """\
0,CR_lounge_200110_1601.s0_chunk0
2,CR_lounge_270110_1632.s900_chunk12
""",
}

# Per chunk, the labels of the three annotators and the majority vote.
VOTES = {
    "CR_lounge_200110_1601.s300_chunk10": ("cv", "cv", "vc", "cv"),
    "CR_lounge_200110_1601.s300_chunk2": ("c", "m", "f", ""),
    "CR_lounge_200110_1601.s300_chunk74": ("S", "S", "S", "S"),
    "CR_lounge_220110_0731.s0_chunk39": ("cfvpo", "fvpco", "cvfpo", "cfvpo"),
    "CR_lounge_220110_0731.s0_chunk40": ("U", "Uc", "f", "U"),
    "CR_lounge_220110_0731.s2700_chunk48": ("", "U", "", ""),
    "CR_lounge_230110_1036.s600_chunk0": ("b", "b", "b", "b"),
    "CR_lounge_200110_1601.s0_chunk0": ("m", "m", "m", "m"),
    "CR_lounge_200110_1601.s0_chunk3": ("mf", "mp", "m", "m"),
    "CR_lounge_270110_1632.s900_chunk12": ("o", "ov", "ov", "ov"),
}


def chunk_text(chunk, votes):
    segment, number = chunk.split("_chunk")
    return f"""\
segmentname,{segment}
chunknumber,{number}
framestart,{int(number) * 192000}
annotation_a1,{votes[0]}
session_a1,1.0
annotation_a2,{votes[1]}
session_a2,2.0
annotation_a3,{votes[2]}
session_a3,3.0
majorityvote,{votes[3]}
chunkname,{chunk}
"""


@pytest.fixture
def tree(tmp_path):
    """An unpacked `chime_home` without sound files."""
    root = tmp_path / "chime_home"
    (root / "chunks").mkdir(parents=True)
    for name, text in LISTS.items():
        (root / name).write_text(text)
    for chunk, votes in VOTES.items():
        (root / "chunks" / f"{chunk}.csv").write_text(chunk_text(chunk, votes))
    return root


def rows(clips):
    return [(c.clip_id, "".join(c.tags), c.fold) for c in clips]


DEVELOPMENT = [
    ("CR_lounge_200110_1601.s300_chunk10", "cv", 4),
    ("CR_lounge_200110_1601.s300_chunk74", "S", 1),
    ("CR_lounge_220110_0731.s0_chunk39", "cfvpo", 0),
    ("CR_lounge_220110_0731.s2700_chunk48", "", 2),
    ("CR_lounge_230110_1036.s600_chunk0", "b", 3),
]


def test_refined_development_has_votes_and_folds_as_listed(tree):
    clips = chime_home.read_clips(tree, "development")
    assert rows(clips) == DEVELOPMENT
    assert clips[2].tags == ("c", "f", "v", "p", "o")
    assert [c.segment_id for c in clips] == [
        "CR_lounge_200110_1601.s300",
        "CR_lounge_200110_1601.s300",
        "CR_lounge_220110_0731.s0",
        "CR_lounge_220110_0731.s2700",
        "CR_lounge_230110_1036.s600",
    ]
    assert {c.split for c in clips} == {"development"}


def test_the_other_lists_have_no_folds(tree):
    evaluation = chime_home.read_clips(tree, "evaluation")
    assert rows(evaluation) == [
        ("CR_lounge_200110_1601.s0_chunk0", "m", None),
        ("CR_lounge_270110_1632.s900_chunk12", "ov", None),
    ]
    raw = chime_home.read_clips(tree, "development", raw=True)
    assert [c.clip_id for c in raw] == list(VOTES)[:7]
    assert ["".join(c.tags) for c in raw] == [
        "cv", "", "S", "cfvpo", "U", "", "b",
    ]  # fmt: skip
    assert {c.fold for c in raw} == {None}
    assert len(chime_home.read_clips(tree, "evaluation", raw=True)) == 3


def test_paths_are_those_of_the_archive_for_both_sample_rates(tree):
    for rate_hz, suffix in ((16000, "16kHz"), (48000, "48kHz")):
        clip = chime_home.read_clips(
            tree, "evaluation", sample_rate_hz=rate_hz
        )[0]
        name = f"CR_lounge_200110_1601.s0_chunk0.{suffix}.wav"
        assert clip.path == tree / "chunks" / name
    with pytest.raises(DataError, match="44100"):
        chime_home.read_clips(tree, "evaluation", sample_rate_hz=44100)


def test_the_parent_directory_is_accepted(tree):
    assert rows(chime_home.read_clips(tree.parent, "development")) == (
        DEVELOPMENT
    )
    with pytest.raises(DataError, match="nowhere"):
        chime_home.read_clips(tree / "nowhere", "development")


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", "\r"),
        lambda text: text.rstrip("\n"),
        lambda text: text + "\n\n",
        lambda text: "\ufeff" + text,
        lambda text: "".join(
            ",".join(f'"{cell}"' for cell in line.split(",")) + "\n"
            for line in text.splitlines()
        ),
        lambda text: text.replace(",", ", "),
    ],
    ids=["crlf", "cr", "no-end", "blank-end", "bom", "quoted", "spaces"],
)
def test_harmless_variants_of_the_format_give_equal_clips(tree, change):
    for path in tree.rglob("*.csv"):
        path.write_bytes(change(path.read_text()).encode())
    assert rows(chime_home.read_clips(tree, "development")) == DEVELOPMENT
    assert len(chime_home.read_clips(tree, "evaluation", raw=True)) == 3


def test_all_eleven_fields_are_read(tree):
    chunk = "CR_lounge_220110_0731.s0_chunk40"
    assert chime_home.read_chunk(tree / "chunks" / f"{chunk}.csv") == (
        ChunkAnnotation(
            segmentname="CR_lounge_220110_0731.s0",
            chunknumber=40,
            framestart=7680000,
            annotation_a1="U",
            session_a1=1.0,
            annotation_a2="Uc",
            session_a2=2.0,
            annotation_a3="f",
            session_a3=3.0,
            majorityvote="U",
            chunkname=chunk,
        )
    )


def test_empty_sessions_and_unknown_letters_of_one_annotator_are_accepted(tree):
    path = tree / "chunks" / "CR_lounge_220110_0731.s0_chunk40.csv"
    text = path.read_text().replace("session_a3,3.0", "session_a3,")
    path.write_text(text.replace("annotation_a3,f", "annotation_a3,f?"))
    annotation = chime_home.read_chunk(path)
    assert annotation.session_a3 is None
    assert annotation.annotation_a3 == "f?"


def test_a_written_chunk_has_the_format_of_the_archive(tree, tmp_path):
    chunk = "CR_lounge_200110_1601.s0_chunk3"
    path = tree / "chunks" / f"{chunk}.csv"
    annotation = chime_home.read_chunk(path)
    chime_home.write_chunk(tmp_path / f"{chunk}.csv", annotation)
    assert (tmp_path / f"{chunk}.csv").read_bytes() == (
        chunk_text(chunk, VOTES[chunk]).encode()
    )


def test_a_written_list_has_the_format_of_the_archive(tmp_path):
    chime_home.write_list(tmp_path / "a.csv", [(0, "x_chunk1"), (7, "y")])
    assert (tmp_path / "a.csv").read_bytes() == b"0,x_chunk1\n7,y\n"
    chime_home.write_list(tmp_path / "b.csv", [(3, "x_chunk1", 4)])
    assert (tmp_path / "b.csv").read_bytes() == b"3,x_chunk1,4\n"


CHUNK = "chunks/CR_lounge_220110_0731.s0_chunk39.csv"
REFINED = "development_chunks_refined.csv"
CROSSVAL = "development_chunks_refined_crossval_dcase2016.csv"

ERRORS = [
    (CHUNK, "majorityvote,cfvpo", "majorityvote,cfx", 10, "'cfx'"),
    (CHUNK, "chunknumber,39", "chunknumber,x", 2, "whole number.*'x'"),
    (CHUNK, "framestart,7488000", "framestart,-1", 3, "framestart.*'-1'"),
    (CHUNK, "session_a2,2.0", "session_a2,two", 7, "session_a2.*'two'"),
    (CHUNK, "annotation_a1", "annotation", 4, "annotation_a1,<value>"),
    (CHUNK, "session_a1,1.0\n", "", 5, "session_a1,<value>"),
    (CHUNK, "majorityvote,cfvpo", "majorityvote", 10, "majorityvote,<value>"),
    (CHUNK, "majorityvote,cfvpo", "majorityvote,c,f", 10, "'majorityvote,c,f'"),
    (CHUNK, "chunkname,CR", "chunkname,XX", 11, "chunkname must be CR_lounge"),
    (CHUNK, "chunkname,CR_lounge_220110_0731.s0_chunk39", "", 11, "chunkn"),
    (CHUNK, "s0_chunk39\n", "s0_chunk39\nmore,1\n", 12, "must end after"),
    (CHUNK, "segmentname,CR", "segmentname,DR", 11, "segmentname"),
    (CHUNK, "chunknumber,39", 'chunknumber,"39', 2, "must be CSV"),
    (REFINED, "2,CR", "index,CR", 2, "index must be.*'index'"),
    (REFINED, "3,CR", "CR", 3, "index,chunkname"),
    (REFINED, "s300_chunk74", "s300_chunk10", 2, "repeat the chunk of line 1"),
    (REFINED, "2,CR", "2,../CR", 2, "must be a name"),
    (REFINED, "s600_chunk0", "s600_chunk5", 5, "must be in|have a"),
    (CROSSVAL, "chunk39,0", "chunk39,5", 3, "fold must be from 0 to 4.*'5'"),
    (CROSSVAL, "chunk39,0", "chunk39", 3, "index,chunkname,fold"),
    (CROSSVAL, "s600_chunk0,3", "s600_chunk9,3", 5, "must be in development"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "old", "new", "line", "rule"), ERRORS)
def test_an_error_names_file_line_and_value(tree, name, old, new, line, rule):
    path = tree / name
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(DataError, match=rule) as caught:
        chime_home.read_clips(tree, "development")
    message = str(caught.value)
    assert f":{line}: " in message
    assert "\n" not in message
    if "must be in development" not in message:
        assert path.name in message
    report = chime_home_check.check_dataset(tree)
    assert any(f":{line}: " in str(error) for error in report.errors)


def test_a_chunk_without_annotation_is_named_with_the_line_of_the_list(tree):
    (tree / CHUNK).unlink()
    with pytest.raises(
        DataError, match=rf"{REFINED}:3: .*annotation.*_chunk39"
    ):
        chime_home.read_clips(tree, "development")


def test_a_refined_chunk_without_fold_is_named(tree):
    path = tree / CROSSVAL
    path.write_text("".join(path.read_text().splitlines(True)[:-1]))
    with pytest.raises(DataError, match=rf"{REFINED}:5: .*{CROSSVAL}"):
        chime_home.read_clips(tree, "development")


@pytest.mark.parametrize("name", sorted(LISTS))
def test_a_missing_or_empty_list_is_named(tree, name):
    split = name.partition("_")[0]
    raw = "raw" in name
    (tree / name).unlink()
    with pytest.raises(DataError, match=name):
        chime_home.read_clips(tree, split, raw=raw)
    (tree / name).write_text("")
    with pytest.raises(DataError, match=name):
        chime_home.read_clips(tree, split, raw=raw)


def test_text_that_is_not_utf8_is_refused_with_its_line(tree):
    path = tree / CHUNK
    path.write_bytes(path.read_bytes().replace(b"session_a1", b"session\xff"))
    with pytest.raises(DataError, match=r"chunk39\.csv:5: .*UTF-8"):
        chime_home.read_clips(tree, "development")


def test_an_unknown_split_is_refused(tree):
    with pytest.raises(DataError, match="'test'"):
        chime_home.read_clips(tree, "test")


def test_the_check_counts_the_clips_of_a_valid_tree_and_finds_no_error(tree):
    report = chime_home_check.check_dataset(tree)
    assert report.errors == []
    assert {name: len(clips) for name, clips in report.clips.items()} == {
        "development_chunks_raw.csv": 7,
        "development_chunks_refined.csv": 5,
        "evaluation_chunks_raw.csv": 3,
        "evaluation_chunks_refined.csv": 2,
    }
    notes = "\n".join(map(str, report.findings))
    assert "no *.16kHz.wav" in notes
    assert "s300' lies in the folds 1, 4" in notes
    assert "majorityvote" not in notes


def test_the_check_notes_a_vote_that_contradicts_the_annotators(tree):
    path = tree / CHUNK
    path.write_text(path.read_text().replace("vote,cfvpo", "vote,cfvpom"))
    report = chime_home_check.check_dataset(tree)
    assert report.errors == []
    (note,) = [f for f in report.findings if "majorityvote" in f.reason]
    assert note.path == str(path)
    assert "'cfvpom'" in note.reason
    assert "m" in chime_home.read_clips(tree, "development")[2].tags


def test_the_check_names_a_segment_in_both_splits(tree):
    name = "evaluation_chunks_raw.csv"
    chunk = "CR_lounge_200110_1601.s300_chunk2"
    with (tree / name).open("a") as file:
        file.write(f"3,{chunk}\n")
    (error,) = chime_home_check.check_dataset(tree).errors
    assert str(error).startswith(f"{tree / name}:4: ")
    assert "'CR_lounge_200110_1601.s300'" in error.reason
    assert len(chime_home.read_clips(tree, "evaluation", raw=True)) == 4


def test_the_check_reads_every_sound_file(tree):
    silence = np.zeros(64000)
    for chunk in VOTES:
        path = tree / "chunks" / f"{chunk}.16kHz.wav"
        soundfile.write(path, silence + 0.1, 16000)
    chunks = list(VOTES)
    missing, wrong_rate, short, broken = (
        tree / "chunks" / f"{chunk}.16kHz.wav" for chunk in chunks[:4]
    )
    missing.unlink()
    soundfile.write(wrong_rate, np.zeros(192000) + 0.1, 48000)
    soundfile.write(short, silence[:63999] + 0.1, 16000)
    broken.write_bytes(b"RIFF")
    report = chime_home_check.check_dataset(tree, min_clip_seconds=4.0)
    found = {error.path: error.reason for error in report.errors}
    assert set(found) == set(map(str, (missing, short, broken)))
    assert found[str(missing)] == "no such file."
    # This is only a note, because training resamples the file.
    notes = {f.path: f.reason for f in report.findings if not f.is_error}
    assert "48000" in notes[str(wrong_rate)]
    assert "4.0 s" in found[str(short)]
    assert "decoded" in found[str(broken)]
    assert report.num_audio_files == 7


@pytest.mark.parametrize(
    ("votes", "vote", "refined"),
    [
        (("cv", "vc", "cv"), "cv", True),
        (("cv", "c", "cv"), "cv", True),
        (("cv", "c", "c"), "c", False),
        (("c", "m", "f"), "", False),
        (("cU", "c", "c"), "c", True),
        (("", "", ""), "", True),
        (("S", "S", ""), "S", True),
    ],
)
def test_votes_and_refinement_follow_the_published_rule(votes, vote, refined):
    annotation = ChunkAnnotation(
        "s", 0, 0, votes[0], 1.0, votes[1], 1.0, votes[2], 1.0, "", "s_chunk0"
    )
    assert chime_home_check.majority_vote(annotation) == set(vote)
    assert chime_home_check.is_refined(annotation) is refined


def test_the_fields_are_those_of_the_archive_in_order():
    assert [f.name for f in dataclasses.fields(ChunkAnnotation)] == [
        "segmentname", "chunknumber", "framestart", "annotation_a1",
        "session_a1", "annotation_a2", "session_a2", "annotation_a3",
        "session_a3", "majorityvote", "chunkname",
    ]  # fmt: skip
