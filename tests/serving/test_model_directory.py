"""The directory of an exported model: damage and other files are refused."""

import os
import re
import shutil

import pytest

from audiotag_nas.errors import StoreError
from audiotag_nas.serving.model_directory import read_manifest
from tests.serving.conftest import TAGS, change_manifest, entry_of


@pytest.mark.parametrize(
    "name", ["saved_model.pb", "variables/variables.data-00000-of-00001"]
)
def test_a_changed_file_is_named(exported, tmp_path, name):
    directory = tmp_path / "copy"
    shutil.copytree(exported.directory, directory)
    data = bytearray((directory / name).read_bytes())
    data[len(data) // 2] ^= 1
    (directory / name).write_bytes(data)
    with pytest.raises(StoreError, match=f"{name}: not the exported file"):
        read_manifest(directory)
    (directory / name).unlink()
    with pytest.raises(StoreError, match=f"{name}: missing"):
        read_manifest(directory)


def test_a_damaged_or_newer_manifest_is_named(exported, tmp_path):
    text = (exported.directory / "manifest.json").read_text()
    path = tmp_path / "manifest.json"
    path.write_text(text[:-9])
    with pytest.raises(StoreError, match=r"manifest\.json: damaged"):
        read_manifest(tmp_path)
    path.write_text(text.replace('schema_version": 1', 'schema_version": 2'))
    with pytest.raises(StoreError, match=r"must be 1\. Received: 2"):
        read_manifest(tmp_path)
    path.unlink()
    with pytest.raises(StoreError, match="is not an exported model"):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        "../beside.txt",
        "variables/../../beside.txt",
        "{parent}/beside.txt",
        "./saved_model.pb",
        "variables//variables.index",
        "manifest.json",
        ".",
        "",
    ],
)
def test_a_manifest_may_only_name_files_inside_its_directory(copy, name):
    beside = copy.parent / "beside.txt"
    beside.write_text("root:x:0:0")
    name = name.format(parent=copy.parent)
    change_manifest(copy, lambda v: v["files"].update({name: entry_of(beside)}))
    with pytest.raises(StoreError) as refused:
        read_manifest(copy)
    assert str(refused.value) == (
        f"{copy / 'manifest.json'}: files must be inside the model's "
        f"directory, with paths such as 'variables/x'. Received: {name!r}"
    )


@pytest.mark.parametrize("name", ["notes.txt", "variables/more", "a/b/c.so"])
def test_a_file_that_the_manifest_does_not_list_is_refused(copy, name):
    (copy / name).parent.mkdir(parents=True, exist_ok=True)
    (copy / name).write_text("extra")
    with pytest.raises(StoreError, match=f"{name}: must not exist, because"):
        read_manifest(copy)


@pytest.mark.parametrize(
    "name", ["saved_model.pb", "variables", "extra", "manifest.json"]
)
def test_a_symbolic_link_is_refused_even_to_the_same_bytes(copy, name):
    if (copy / name).exists():
        (copy / name).rename(copy.parent / "moved")
    else:
        (copy.parent / "moved").touch()
    (copy / name).symlink_to(copy.parent / "moved")
    with pytest.raises(StoreError, match=f"{name}: must be .* symbolic link"):
        read_manifest(copy)


def test_a_pipe_in_the_directory_is_refused_and_not_opened(copy):
    os.mkfifo(copy / "variables" / "pipe")
    with pytest.raises(
        StoreError, match=r"variables/pipe: must .*special file"
    ):
        read_manifest(copy)


def test_a_link_to_the_directory_itself_is_followed(copy, tmp_path):
    (tmp_path / "latest").symlink_to(copy)
    assert read_manifest(tmp_path / "latest").tags == TAGS


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v.update(tags=["speech", "speech", "knock"]), "tags: must"),
        (lambda v: v.update(tags=[]), "tags: must be different names"),
        (lambda v: v.update(tags=[["speech"], "b", "c"]), "tags: must"),
        (lambda v: v["thresholds"].update(speech=float("nan")), "thresholds:"),
        (
            lambda v: v["thresholds"].update(speech=1.5),
            "thresholds: must be in",
        ),
        (lambda v: v.update(clip_seconds=float("inf")), "clip_seconds: must"),
        (lambda v: v.update(clip_seconds=10**400), "OverflowError"),
        (lambda v: v["features"].update(num_mels="13"), "features.num_mels: "),
        (
            lambda v: v["features"].update(frame_step=0),
            "features.frame_step: m",
        ),
        (lambda v: v["features"].update(extra=1), "no field named 'extra'"),
        (lambda v: v.update(files=None), "TypeError"),
        (lambda v: v["files"].update(x=3), "TypeError"),
        (
            lambda v: v["files"].pop("saved_model.pb"),
            "must list saved_model.pb",
        ),
    ],
)
def test_a_manifest_with_a_value_that_is_not_allowed_is_one_line(
    copy, change, message
):
    change_manifest(copy, change)
    with pytest.raises(StoreError, match=re.escape(message)) as refused:
        read_manifest(copy)
    assert str(refused.value).startswith(f"{copy / 'manifest.json'}: ")


def test_a_manifest_with_very_deep_nesting_is_damaged(copy):
    (copy / "manifest.json").write_text("[" * 100_000)
    with pytest.raises(StoreError, match="damaged: RecursionError"):
        read_manifest(copy)
