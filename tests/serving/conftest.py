"""A tiny exported model for all tests of this directory."""

import dataclasses
import hashlib
import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest

from audiotag_nas.architecture import Architecture, ConvBlock
from audiotag_nas.config import FeatureConfig
from audiotag_nas.models import build_crnn
from audiotag_nas.serving.export import export_model

TAGS = ("speech", "music", "knock")
CLIP_SECONDS = 0.5


@dataclasses.dataclass(frozen=True)
class Exported:
    """The directory, the live network and its front end."""

    directory: Path
    model: keras.Model
    features: FeatureConfig
    architecture: Architecture


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    features = FeatureConfig(
        sample_rate_hz=8000,
        frame_length=256,
        frame_step=100,
        num_mels=13,
        fmax_hz=4000.0,
    )
    architecture = Architecture(
        (ConvBlock(4, 3, 3), ConvBlock(5, 1, 5)), recurrent_units=6
    )
    keras.utils.set_random_seed(3)
    model = build_crnn(architecture, num_mels=13, num_tags=3)
    # Noise makes scores differ over time and tags.
    rng = np.random.default_rng(5)
    model.set_weights(
        [
            w + 0.7 * np.abs(w).mean() * rng.standard_normal(w.shape)
            for w in model.get_weights()
        ]
    )
    directory = tmp_path_factory.mktemp("serving") / "export"
    export_model(
        model,
        directory,
        features=features,
        tags=TAGS,
        thresholds={"speech": 0.4, "music": 0.5, "knock": float("nan")},
        metrics={"evaluation_mean_eer": 0.125, "undefined": float("nan")},
        clip_seconds=CLIP_SECONDS,
        architecture=architecture,
    )
    return Exported(directory, model, features, architecture)


@pytest.fixture
def copy(exported, tmp_path):
    """A copy of the exported model, which tests change."""
    return shutil.copytree(exported.directory, tmp_path / "copy")


def change_manifest(directory, change) -> None:
    value = json.loads((directory / "manifest.json").read_text())
    change(value)
    (directory / "manifest.json").write_text(json.dumps(value))


def entry_of(path) -> dict:
    """Returns the manifest's entry for a file, computed by hand."""
    data = path.read_bytes()
    return {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
