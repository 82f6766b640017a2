"""Tests how a machine other than the driver's finds features by their key."""

import dataclasses
import shutil

import pytest

from audiotag_nas.config import ExperimentConfig, SyntheticConfig
from audiotag_nas.errors import DataError, StoreError
from audiotag_nas.experiment import dataset, preparation
from audiotag_nas.experiment.workspace import Workspace
from audiotag_nas.runners.node_features import find_features

SIZE = "31x16"


@pytest.fixture(scope="module")
def config() -> ExperimentConfig:
    config = ExperimentConfig(
        synthetic=SyntheticConfig(
            num_development_clips=11, num_evaluation_clips=5
        )
    )
    features = config.features.resized(SIZE, config.data.clip_seconds)
    return dataclasses.replace(config, features=features)


@pytest.fixture(scope="module")
def driver(config, tmp_path_factory):
    """Returns the driver's features and their key."""
    workspace = Workspace(tmp_path_factory.mktemp("driver"))
    dataset.write_synthetic_dataset(config, workspace)
    clips = dataset.read_clips(config, workspace, "development")
    prepared = preparation.prepare_split(
        config, workspace, size=SIZE, split="development", clips=clips
    )
    return workspace.features_dir, prepared


def _find(config, driver, cache_dir, prepare=preparation.prepare_on_node):
    features_dir, prepared = driver
    return find_features(
        config,
        size=SIZE,
        key=prepared.key,
        features_dir=features_dir,
        cache_dir=cache_dir,
        prepare=prepare,
    )


def _never(*unused, **neither):
    raise AssertionError("there is nothing to prepare")


def test_what_a_shared_disk_has_is_used_where_it_is(config, driver, tmp_path):
    assert _find(config, driver, tmp_path, _never) == driver[0]
    assert not list(tmp_path.iterdir())


def test_a_node_that_sees_nothing_makes_the_same_bytes_once(
    config, driver, tmp_path
):
    unseen = (tmp_path / "unseen", driver[1])
    found = _find(config, unseen, tmp_path / "cache")
    for path in driver[1].split_dir.iterdir():
        made = found / SIZE / "development" / path.name
        assert made.read_bytes() == path.read_bytes()
    assert _find(config, unseen, tmp_path / "cache", _never) == found


def test_features_of_another_key_or_damaged_are_not_used(
    config, driver, tmp_path
):
    damaged = tmp_path / "damaged"
    shutil.copytree(driver[0], damaged)
    shard = damaged / SIZE / "development" / driver[1].shards[0].path.name
    data = bytearray(shard.read_bytes())
    data[-1] ^= 1
    shard.write_bytes(data)
    other = dataclasses.replace(driver[1], key="0" * 64)
    for seen in [(damaged, driver[1]), (driver[0], other)]:
        with pytest.raises(_PreparedError):
            _find(config, seen, tmp_path / "cache", _raise)


class _PreparedError(Exception):
    pass


def _raise(*unused, **neither):
    raise _PreparedError


def test_a_node_whose_data_set_is_another_is_named(config, driver, tmp_path):
    other = dataclasses.replace(config, seed=config.seed + 1)
    unseen = (tmp_path / "unseen", driver[1])
    with pytest.raises(DataError, match="must equal the driver's features"):
        _find(other, unseen, tmp_path / "cache")


def test_a_cache_that_can_not_be_written_is_one_line(config, driver, tmp_path):
    (tmp_path / "file").write_text("in the way")
    unseen = (tmp_path / "unseen", driver[1])
    with pytest.raises(StoreError, match=r"can't be written \(Not a direc"):
        _find(config, unseen, tmp_path / "file" / "cache")
