"""Which clips an experiment reads, and what is checked before training."""

import itertools

import numpy as np
import pytest

from audiotag_nas.config import DataConfig, ExperimentConfig, SyntheticConfig
from audiotag_nas.data import audio
from audiotag_nas.data.findings import finding_lines
from audiotag_nas.errors import ConfigError, DataError, StoreError
from audiotag_nas.experiment import dataset
from audiotag_nas.experiment.workspace import Workspace
from tests.full_disk import room_for


def write_chunk(chunks, name: str) -> None:
    segment, _, number = name.rpartition("_chunk")
    rows = [
        ("segmentname", segment),
        ("chunknumber", number),
        ("framestart", int(number) * 192000),
        ("annotation_a1", "c"),
        ("session_a1", "1.0"),
        ("annotation_a2", "c"),
        ("session_a2", "1.0"),
        ("annotation_a3", "c"),
        ("session_a3", "2.0"),
        ("majorityvote", "c"),
        ("chunkname", name),
    ]
    text = "".join(f"{key},{value}\n" for key, value in rows)
    (chunks / f"{name}.csv").write_text(text)


@pytest.fixture
def dataset_dir(tmp_path):
    """Segment A is in fold 3, B is split over 1 and 2, C is raw only."""
    root = tmp_path / "chime_home"
    (root / "chunks").mkdir(parents=True)
    refined = [("A.s0_chunk4", 3), ("B.s0_chunk7", 2), ("B.s0_chunk9", 1)]
    raw = [name for name, _ in refined]
    raw += ["A.s0_chunk5", "B.s0_chunk8", "C.s1_chunk0", "C.s1_chunk2"]
    for name in raw:
        write_chunk(root / "chunks", name)

    def write_list(name, rows):
        lines = [",".join(map(str, (i, *row))) for i, row in enumerate(rows)]
        (root / f"{name}.csv").write_text("\n".join(lines) + "\n")

    write_list("development_chunks_raw", [(name,) for name in raw])
    write_list("development_chunks_refined", [(name,) for name, _ in refined])
    write_list("development_chunks_refined_crossval_dcase2016", refined)
    write_list("evaluation_chunks_raw", [])
    write_list("evaluation_chunks_refined", [])
    return root


def make_config(dataset_dir, **fields) -> ExperimentConfig:
    return ExperimentConfig(
        data=DataConfig(
            source="chime_home", dataset_dir=str(dataset_dir), **fields
        )
    )


def test_the_refined_list_has_the_folds_that_are_listed(dataset_dir):
    clips = dataset.read_clips(
        make_config(dataset_dir), Workspace("unused"), "development"
    )
    folds = {clip.clip_id: clip.fold for clip in clips}
    assert folds == {"A.s0_chunk4": 3, "B.s0_chunk7": 2, "B.s0_chunk9": 1}


def test_raw_clips_stay_in_the_fold_of_their_segment(dataset_dir):
    clips = dataset.read_clips(
        make_config(dataset_dir, raw=True), Workspace("unused"), "development"
    )
    folds = {clip.clip_id: clip.fold for clip in clips}
    assert len(folds) == 7
    # A refined clip keeps its own fold, even where its segment is split.
    assert folds["B.s0_chunk9"] == 1
    assert folds["A.s0_chunk5"] == 3
    assert folds["B.s0_chunk8"] == 2
    assert folds["C.s1_chunk0"] == folds["C.s1_chunk2"]
    assert folds["C.s1_chunk0"] in range(5)


def test_a_split_without_clips_is_an_error_that_names_it(dataset_dir):
    with pytest.raises(DataError, match="evaluation"):
        dataset.read_clips(
            make_config(dataset_dir), Workspace("unused"), "evaluation"
        )


def test_paths_in_a_manifest_are_relative_to_its_directory(tmp_path):
    for name in ("bark", "rain"):
        audio.write_wav(
            tmp_path / f"{name}.wav", np.zeros(800), sample_rate_hz=8000
        )
    manifest = tmp_path / "mine.csv"
    manifest.write_text(
        "path,tags,split,fold,segment\n"
        "bark.wav,dog,development,1,yard\n"
        "rain.wav,rain;wind,evaluation,,roof\n"
    )
    config = ExperimentConfig(
        data=DataConfig(source="manifest", manifest_path=str(manifest))
    )
    clips = dataset.read_clips(config, Workspace("unused"), "evaluation")
    assert [clip.tags for clip in clips] == [("rain", "wind")]


@pytest.mark.parametrize(
    ("name", "source"),
    [("manifest_path", "manifest"), ("dataset_dir", "chime_home")],
)
def test_missing_data_are_reported_with_their_config_field(
    tmp_path, monkeypatch, name, source
):
    monkeypatch.chdir(tmp_path)
    config = ExperimentConfig(data=DataConfig(source=source, **{name: "mine"}))
    with pytest.raises(
        ConfigError,
        match=rf"data\.{name}: must exist, in {tmp_path}\. .*'mine'",
    ):
        dataset.read_clips(config, Workspace("unused"), "development")


def test_an_existing_synthetic_data_set_is_not_written_again(tmp_path):
    config = ExperimentConfig(synthetic=SyntheticConfig(20, 10))
    workspace = Workspace(tmp_path)
    dataset.write_synthetic_dataset(config, workspace)
    path = workspace.dataset_dir / "development_chunks_refined.csv"
    before = path.stat().st_mtime_ns
    dataset.write_synthetic_dataset(config, workspace)
    assert path.stat().st_mtime_ns == before
    clips = dataset.read_clips(config, workspace, "development")
    assert len(clips) == 20


def with_evaluation(dataset_dir, chunk: str, *, refined: bool) -> None:
    """Adds an evaluation split of this chunk and of another chunk."""
    names = [chunk, "E.s9_chunk0"]
    for name in names:
        write_chunk(dataset_dir / "chunks", name)
    lines = [f"{i},{name}\n" for i, name in enumerate(names)]
    (dataset_dir / "evaluation_chunks_raw.csv").write_text("".join(lines))
    (dataset_dir / "evaluation_chunks_refined.csv").write_text(
        "".join(lines if refined else lines[1:])
    )


def test_a_segment_in_both_splits_is_refused_if_it_is_used(dataset_dir):
    config = make_config(dataset_dir)
    with_evaluation(dataset_dir, "A.s0_chunk6", refined=True)
    with pytest.raises(DataError) as raised:
        dataset.read_dataset(config, Workspace("unused"))
    assert str(raised.value) == (
        f"{dataset_dir}/evaluation_chunks_refined.csv: development and "
        "evaluation must not share a segment. Received: 'A.s0', of "
        "'A.s0_chunk6' in evaluation and 'A.s0_chunk4' in development"
    )
    # C is only in the raw development list.
    with_evaluation(dataset_dir, "C.s1_chunk6", refined=True)
    with pytest.raises(DataError, match=r"'C\.s1'"):
        dataset.read_dataset(
            make_config(dataset_dir, raw=True), Workspace("unused")
        )


def test_findings_of_check_are_returned_with_the_clips(dataset_dir):
    with_evaluation(dataset_dir, "A.s0_chunk6", refined=False)
    found = dataset.read_dataset(make_config(dataset_dir), Workspace("unused"))
    assert {s: len(clips) for s, clips in found.clips.items()} == {
        "development": 3,
        "evaluation": 1,
    }
    error, note = finding_lines(found.findings)
    assert error.startswith(f"error: {dataset_dir}/evaluation_chunks_raw.csv:1")
    assert "'A.s0'" in error
    assert note == (
        f"note: {dataset_dir}/development_chunks_refined.csv: the segment "
        "'B.s0' lies in the folds 1, 2; they are used as listed."
    )


def run_on_manifest(run_tool, folder, tool, evaluation, segments=(), *flags):
    """Runs a tool on 20 valid development clips and the `evaluation` rows.

    The first rows belong to `segments`; each other row is its own segment.
    """
    noise = np.random.default_rng(0).standard_normal((22, 16000)) * 0.1
    for number, samples in enumerate(noise):
        audio.write_wav(folder / f"{number}.wav", samples, sample_rate_hz=16000)
    rows = [
        f"{n}.wav,{('dog', 'cat')[n % 2]},development,{n // 2 % 2}.0"
        for n in range(20)
    ]
    (folder / "clips.csv").write_text(
        "path,tags,split,fold,segment\n"
        + "".join(
            f"{row},{segment}\n"
            for row, segment in itertools.zip_longest(
                [*rows, *evaluation], segments, fillvalue=""
            )
        )
    )
    return run_tool(
        *(tool, "--config=smoke", f"--workdir={folder / 'w'}"),
        "--config.data.source=manifest",
        f"--config.data.manifest_path={folder / 'clips.csv'}",
        "--config.data.tags=dog,cat",
        *flags,
    )


EVALUATION = ["20.wav,dog,evaluation,", "21.wav,cat,evaluation,"]


@pytest.mark.parametrize("tool", ["prepare", "search", "grid", "run"])
def test_a_segment_in_both_splits_stops_every_tool(run_tool, tmp_path, tool):
    segments = ["", "yard", *[""] * 18, "yard"]
    done = run_on_manifest(run_tool, tmp_path, tool, EVALUATION, segments)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line == (
        f"error: {tmp_path}/clips.csv:22: development and evaluation must not "
        "share a segment. Received: 'yard', of '20.wav' in evaluation and "
        "'1.wav' in development"
    )
    assert not (tmp_path / "w" / "features").exists()


def test_a_segment_in_two_folds_is_noted_once(run_tool, tmp_path):
    # Rows 0 and 2 belong to the folds 0 and 1.
    done = run_on_manifest(
        *(run_tool, tmp_path, "prepare", EVALUATION, ["pond", "", "pond"]),
        "--config.data.min_clip_seconds=1",
    )
    assert done.returncode == 0, done.stderr
    (line,) = (x for x in done.stdout.splitlines() if "pond" in x)
    assert line == (
        f"  note: {tmp_path}/clips.csv: the segment 'pond' lies in the folds "
        "0, 1; validation results will be optimistic."
    )


@pytest.mark.parametrize(
    ("tool", "evaluation", "message"),
    [
        ("prepare", [], "clips.csv: has no row of the split 'evaluation'."),
        (
            "prepare",
            ["gone.wav,dog,evaluation,"],
            "line 22: path: must be a file that exists. Received: 'gone.wav'",
        ),
        (
            "run",
            ["20.wav,dog,evaluation,", "21.wav,dog;cow,evaluation,"],
            "the evaluation split (2 clips): at least one of the tags dog, cat "
            "must be carried by some clips, but not by all clips. Received: no "
            "such tag",
        ),
    ],
)
def test_the_evaluation_split_is_checked_before_features_are_computed(
    run_tool, tmp_path, tool, evaluation, message
):
    done = run_on_manifest(run_tool, tmp_path, tool, evaluation)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.endswith(message)
    assert not (tmp_path / "w" / "features").exists()


def test_one_tag_that_one_evaluation_clip_lacks_is_enough(tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.wav").touch()
    path = tmp_path / "clips.csv"
    path.write_text(
        "path,tags,split\na.wav,dog,evaluation\nb.wav,,evaluation\n"
    )
    data = DataConfig(
        source="manifest", manifest_path=str(path), tags=("cat", "dog")
    )
    clips = dataset.read_clips(
        ExperimentConfig(data=data), Workspace("unused"), "evaluation"
    )
    dataset.check_scorable(clips, data.tags)


def test_a_full_disk_leaves_no_part_of_the_synthetic_data_set(tmp_path):
    config = ExperimentConfig(
        data=DataConfig(source="synthetic"),
        synthetic=SyntheticConfig(
            num_development_clips=20, num_evaluation_clips=10
        ),
    )
    workspace = Workspace(tmp_path)
    # A recording at 48 kHz has 768044 bytes.
    with (
        room_for(300_000),
        pytest.raises(
            StoreError,
            match=rf"^{tmp_path}/dataset/chunks/\S+\.48kHz\.wav: can't be "
            r"written \(File too large\)\. The same command continues",
        ),
    ):
        dataset.write_synthetic_dataset(config, workspace)
    assert list(tmp_path.iterdir()) == []
