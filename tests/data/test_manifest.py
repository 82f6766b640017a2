"""A user's manifest: valid rows, and every kind of rejected row."""

import numpy as np
import pytest
import soundfile

from audiotag_nas.data import manifest
from audiotag_nas.errors import DataError


@pytest.fixture
def root(tmp_path):
    """A data root with three sound files, and a sound file outside."""
    root = tmp_path / "sounds"
    (root / "sub dir").mkdir(parents=True)
    for name in ("a.wav", "sub dir/b.flac", "c.ogg", "../outside.wav"):
        soundfile.write(root / name, np.full(4000, 0.1), 8000)
    return root


def written(root, text, *, encoding="utf-8"):
    path = root.parent / "clips.csv"
    path.write_bytes(text.encode(encoding))
    return path


GOOD = """\
path,tags,split,fold,segment
a.wav,speech;dog bark;Geräusch,development,3,monday
sub dir/b.flac,,development,0,tuesday
c.ogg,speech;,evaluation,,
"""


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: "\ufeff" + text,
        lambda text: text.rstrip("\n"),
        lambda text: text.replace("\n", "\n,,,,\n\n"),
        lambda text: text.replace(",", " , "),
        lambda text: text.replace("sub dir/b.flac", '"sub dir/b.flac"'),
    ],
    ids=["plain", "crlf", "bom", "no-end", "blank", "spaces", "quoted"],
)
def test_a_good_manifest_gives_clips_in_its_order(root, change):
    path = written(root, change(GOOD))
    first, second = manifest.read_clips(path, root, "development")
    assert first.clip_id == "a.wav"
    assert first.segment_id == "monday"
    assert first.tags == ("speech", "dog bark", "Geräusch")
    assert (first.split, first.fold) == ("development", 3)
    assert first.path == root / "a.wav"
    assert second.clip_id == "sub dir/b.flac"
    assert (second.tags, second.fold) == ((), 0)
    (third,) = manifest.read_clips(path, root, "evaluation")
    assert (third.segment_id, third.tags) == ("c.ogg", ("speech",))
    assert third.fold is None


def test_a_missing_fold_comes_from_the_sha256_of_the_segment(root):
    path = written(
        root,
        "path,tags,split,segment\n"
        "a.wav,x,development,monday\n"
        "sub dir/b.flac,x,development,monday\n"
        "c.ogg,x,development,\n",
    )
    clips = manifest.read_clips(path, root, "development")
    assert [clip.fold for clip in clips] == [MONDAY, MONDAY, C_OGG]


# The first 8 bytes of `printf monday | sha256sum`, modulo 5.
MONDAY = 0xD618FB157A4B382E % 5
C_OGG = 0x9FB133AEBE4EB66A % 5


@pytest.mark.parametrize(("text", "fold"), [("2.0", 2), ("10.", 10), ("0", 0)])
def test_a_fold_may_be_a_whole_float_as_pandas_writes_it(root, text, fold):
    listed = root / "clips.csv"
    listed.write_text(f"path,tags,split,fold\nc.ogg,x,development,{text}\n")
    (clip,) = manifest.read_clips(listed, root, "development")
    assert clip.fold == fold


def test_a_blank_fold_is_that_of_other_rows_of_the_segment(root):
    path = written(
        root,
        "path,tags,split,fold,segment\n"
        "a.wav,x,development,,monday\n"
        "c.ogg,x,development,7,monday\n",
    )
    clips = manifest.read_clips(path, root, "development")
    assert [clip.fold for clip in clips] == [7, 7]


BAD_ROWS = [
    ("missing.wav,x,development,,", "path: must be a file.*'missing.wav'"),
    (",x,development,,", "path: must name a file"),
    (".,x,development,,", "path: must be a file"),
    ("../outside.wav,x,development,,", "path: must stay inside"),
    ("sub dir/../../outside.wav,x,development,,", "path: must stay inside"),
    ("/etc/passwd,x,development,,", "path: must stay inside"),
    ("link.wav,x,development,,", "path: must stay inside"),
    ("links/outside.wav,x,development,,", "path: must stay inside"),
    ("a\0.wav,x,development,,", "path: must be"),
    ("a.wav,x,development,,", "path: must not repeat the file of line 2"),
    (
        "sub dir/../a.wav,x,evaluation,,",
        "path: must not repeat the file of line 2",
    ),
    ("c.ogg,x,test,,", "split: must be development or evaluation.*'test'"),
    ("c.ogg,x,,,", "split: "),
    ("c.ogg,x,development,-1,", "fold: must be a whole number.*'-1'"),
    ("c.ogg,x,development,1.5,", "fold: .*'1.5'"),
    ("c.ogg,x,development,1.01,", "fold: .*'1.01'"),
    ("c.ogg,x,development,.0,", "fold: .*'.0'"),
    ("c.ogg,x,development,-1.0,", "fold: .*'-1.0'"),
    ("c.ogg,x;;y,development,,", "tags: .*'x;;y'"),
    ("c.ogg,x\x07,development,,", "tags: "),
    ("c.ogg,x,development", "must have 5 cells like the header.*3"),
    ("c.ogg,x,development,,,more", "must have 5 cells like the header.*6"),
    ('c.ogg,"x,development,,', "must be CSV"),
]


@pytest.mark.parametrize(("row", "reason"), BAD_ROWS)
def test_a_bad_row_is_rejected_with_line_and_reason(root, row, reason):
    (root / "link.wav").symlink_to(root.parent / "outside.wav")
    (root / "links").symlink_to(root.parent)
    path = written(
        root,
        "path,tags,split,fold,segment\na.wav,x,development,0,m\n" + row + "\n",
    )
    report = manifest.check_manifest(path, root)
    (rejected,) = report.rejected
    assert rejected.line == 3
    with pytest.raises(DataError, match=f"1 of 2 rows.*line 3: .*{reason}"):
        manifest.read_clips(path, root, "development")
    kept = manifest.read_clips(path, root, "development", strict=False)
    assert [clip.clip_id for clip in kept] == ["a.wav"]


def test_the_check_collects_all_reasons_of_all_rejected_rows(root):
    path = written(
        root,
        "path,tags,split,fold\n"
        "a.wav,x,development,0\n"
        "gone.wav,x,train,\n"
        "c.ogg,y,evaluation,\n"
        "c.ogg,y,evaluation,\n",
    )
    report = manifest.check_manifest(path, root)
    assert [(row.line, len(row.reasons)) for row in report.rejected] == [
        (3, 2),
        (5, 1),
    ]
    assert [(c.clip_id, c.split, c.tags, c.fold) for c in report.clips] == [
        ("a.wav", "development", ("x",), 0),
        ("c.ogg", "evaluation", ("y",), None),
    ]


def test_links_and_absolute_paths_inside_the_data_root_are_accepted(root):
    (root / "link.wav").symlink_to(root / "a.wav")
    path = written(
        root,
        "path,tags,split\nlink.wav,x,development\n"
        f"{root / 'c.ogg'},x,development\n",
    )
    clips = manifest.read_clips(path, root, "development")
    assert [clip.clip_id for clip in clips] == ["link.wav", "c.ogg"]


def test_a_data_root_may_be_a_link(root):
    (root.parent / "alias").symlink_to(root)
    path = written(root, GOOD)
    clips = manifest.read_clips(path, root.parent / "alias", "development")
    assert [clip.clip_id for clip in clips] == ["a.wav", "sub dir/b.flac"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", ":1: must begin with the header path,tags,split"),
        ("a.wav,x,development\n", ":1: the header must have 'path'"),
        ("path;tags;split\n", ":1: .*separated by commas"),
        ("path,tags,split,label\n", ":1: .*must not have 'label'"),
        ("path,tags,split,tags\n", ":1: .*not repeat 'tags'"),
        ("path,split\n", ":1: .*must have 'tags'"),
        ("path,tags,split\n", "at least one row"),
    ],
)
def test_a_wrong_header_is_refused(root, text, reason):
    with pytest.raises(DataError, match=reason):
        manifest.check_manifest(written(root, text), root)


def test_other_encodings_and_missing_files_and_roots_are_refused(root):
    path = written(root, GOOD, encoding="utf-16")
    with pytest.raises(DataError, match=r"clips\.csv:1: must be UTF-8"):
        manifest.check_manifest(path, root)
    with pytest.raises(DataError, match=r"none\.csv: can't be read"):
        manifest.check_manifest(root / "none.csv", root)
    with pytest.raises(DataError, match="data root: must be a directory"):
        manifest.check_manifest(written(root, GOOD), root / "nowhere")


def test_a_split_without_rows_or_of_unknown_name_is_refused(root):
    path = written(root, "path,tags,split\na.wav,x,development\n")
    with pytest.raises(DataError, match="no row of the split 'evaluation'"):
        manifest.read_clips(path, root, "evaluation")
    with pytest.raises(DataError, match="'validation'"):
        manifest.read_clips(path, root, "validation")


def test_check_and_readers_refuse_a_segment_in_both_splits(root):
    path = written(
        root,
        "path,tags,split,segment\n"
        "a.wav,x,development,monday\n"
        "c.ogg,x,evaluation,monday\n",
    )
    (finding,) = manifest.check_manifest(path, root).findings
    assert finding.is_error
    assert finding.line == 3
    assert "'monday', of 'c.ogg' in evaluation and 'a.wav'" in finding.reason
    for split in ("development", "evaluation"):
        with pytest.raises(DataError) as raised:
            manifest.read_clips(path, root, split)
        assert str(raised.value) == str(finding)
    kept = manifest.read_clips(path, root, "evaluation", strict=False)
    assert len(kept) == 1


def test_a_segment_in_two_folds_is_noted(root):
    path = written(
        root,
        "path,tags,split,fold,segment\n"
        "a.wav,x,development,0,monday\n"
        "c.ogg,x,development,1,monday\n",
    )
    (finding,) = manifest.check_manifest(path, root).findings
    assert not finding.is_error
    assert "0, 1" in finding.reason
    assert manifest.read_valid_manifest(path, root).findings == (finding,)
