"""Loading networks that are damaged or not regular files."""

import os
from types import SimpleNamespace

import keras
import pytest

from audiotag_nas.errors import StoreError
from audiotag_nas.experiment.trained_networks import (
    KEPT,
    load_network,
    network_path,
    remove_networks,
)
from audiotag_nas.experiment.workspace import Workspace
from audiotag_nas.models import save_model


@pytest.fixture
def path(tmp_path):
    path = network_path(Workspace(tmp_path), "search-0007")
    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(2)])
    save_model(model, path)
    return path


def refusal(tmp_path):
    with pytest.raises(StoreError) as caught:
        load_network(Workspace(tmp_path), "search-0007")
    return str(caught.value)


def test_an_intact_network_is_loaded(path, tmp_path):
    model = load_network(Workspace(tmp_path), "search-0007")
    assert model.count_params() == 3 * 2 + 2


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[: len(data) // 2],
        lambda data: b"not a zip file",
        lambda data: data.replace(b"Dense", b"Dance"),
    ],
)
def test_a_damaged_network_is_refused_in_one_line_with_the_remedy(
    path, tmp_path, damage
):
    path.write_bytes(damage(path.read_bytes()))
    line = refusal(tmp_path)
    assert line.startswith(f"{path}: can't be loaded (")
    assert "train --workdir" in line
    assert "\n" not in line


def test_a_fifo_in_place_of_a_network_is_refused_at_once(path, tmp_path):
    path.unlink()
    os.mkfifo(path)
    assert refusal(tmp_path) == (
        f"{path}: must be a regular file. Received: a FIFO"
    )


def test_only_the_first_networks_of_the_ranking_are_kept(tmp_path):
    workspace = Workspace(tmp_path)
    ids = [f"search-{number:04d}" for number in (3, 0, *range(4, KEPT + 4))]
    for trial_id in ids:
        (workspace.trials_dir / trial_id).mkdir(parents=True)
    remove_networks(
        workspace,
        [SimpleNamespace(trial=SimpleNamespace(trial_id=i)) for i in ids],
    )
    assert sorted(p.name for p in workspace.trials_dir.iterdir()) == sorted(
        ids[:KEPT]
    )
