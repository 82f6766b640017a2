"""The typed config: its rules, its JSON, its derived front ends."""

import copy
import dataclasses
import json
import re
from pathlib import Path

import pytest

from audiotag_nas.config import (
    ExperimentConfig,
    FeatureConfig,
    parse_spectrogram_size,
)
from audiotag_nas.config.shipped import load_config
from audiotag_nas.errors import ConfigError

CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.py"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_shipped_config_is_valid_and_survives_json(path):
    config = load_config(path.stem)
    if config.data.source == "chime_home":
        with pytest.raises(ConfigError, match=r"data\.dataset_dir"):
            config.validate()
        config.data.dataset_dir = "/somewhere/chime_home"
    config.validate()
    value = json.loads(json.dumps(config.to_json()))
    assert ExperimentConfig.from_json(value) == config
    assert config.name == path.stem


def test_the_default_spectrogram_size_is_the_baselines_124_x_128():
    assert FeatureConfig().spectrogram_size(4.0) == "124x128"
    # librosa centres: 1 + 88200 // 512 frames of 4 s at 22.05 kHz.
    assert FeatureConfig.librosa_defaults().num_frames(88200) == 173


@pytest.mark.parametrize(
    ("size", "length", "step"),
    [
        ("124x64", 1024, 512),
        # (64000 - 1024) // 248 samples from frame to frame.
        ("249x40", 1024, 253),
        # 1024 samples would leave gaps: (64000 - 2048) // 61.
        ("62x64", 2048, 1015),
    ],
)
def test_a_resized_front_end_gives_the_requested_size(size, length, step):
    features = FeatureConfig().resized(size, 4.0)
    assert (features.frame_length, features.frame_step) == (length, step)
    assert features.spectrogram_size(4.0) == size


def test_an_impossible_size_is_refused_with_the_nearest_one():
    with pytest.raises(ConfigError, match="The nearest possible size"):
        FeatureConfig().resized("7000x64", 4.0)
    with pytest.raises(ConfigError, match="<frames>x<mel bins>"):
        parse_spectrogram_size("124*128")


def set_field(config: ExperimentConfig, path: str, value: object) -> None:
    *sections, name = path.split(".")
    for section in sections:
        config = getattr(config, section)
    setattr(config, name, value)


@pytest.mark.parametrize(
    ("path", "value", "rule"),
    [
        ("training.batch_size", 0, "must be at least 1. Received: 0"),
        ("training.batch_size", 3.5, "must be an int"),
        ("training.batch_size", True, "must be an int"),
        ("training.learning_rate", float("nan"), "must be a finite number"),
        ("training.mixup_alpha", -0.1, "must be at least 0. Rec"),
        ("data.source", "web", "one of"),
        ("data.tags", ("c", "c"), "different values"),
        ("data.validation_folds", (), "at least one"),
        ("data.min_clip_seconds", 5.0, "must not exceed"),
        ("features.fmax_hz", 9000.0, "at most half the sample rate"),
        ("features.power", 1.5, "one of"),
        ("grid.batch_size", (8, 8), "different values"),
        ("grid.spectrogram_size", ("wide",), "spectrogram size"),
        ("search.filters", (), "at least one"),
        ("search.searcher", "oracle", "one of"),
        (
            "search.reinforce.policy_entropy",
            1000.5,
            "must be at least 0 and at most 1000. Received: 1000.5",
        ),
        (
            "search.reinforce_plain.clip_norm",
            1e30,
            "must be above 0 and at most 1e+15",
        ),
        ("search.evolution", 3, "must be of type EvolutionSettings"),
        ("search.evolution.population", 0, "must be at least 1"),
        ("search.reward", "f1", "loss, binormal_eer"),
        ("search.parameters_weight", -0.1, "must be at least 0"),
        ("search.multiply_adds_weight", -0.1, "must be at least 0"),
        ("search.latency_weight", -0.1, "must be at least 0"),
        ("search.failure_reward", -1e16, "must be at least -1e+15 and at"),
        ("seed", -1, "at least 0"),
        ("training", 3, "must be of type TrainingConfig"),
    ],
)
def test_a_wrong_value_is_reported_with_its_field_rule_and_value(
    path, value, rule
):
    config = ExperimentConfig()
    set_field(config, path, value)
    with pytest.raises(ConfigError) as caught:
        config.validate()
    message = str(caught.value)
    assert f"config.{path}" in message
    assert rule in message
    assert "\n" not in message


@pytest.mark.parametrize("name", ["demo", "chime_home", "smoke"])
@pytest.mark.parametrize("seconds", [0.5, 1.0, 2.0, 3.9, 10.0])
def test_the_sizes_that_an_error_names_fit(name, seconds):
    config = load_config(name)
    config.data.dataset_dir = {"chime_home": "/somewhere"}.get(name, "")
    config.data.clip_seconds = config.data.min_clip_seconds = seconds
    with pytest.raises(
        ConfigError, match="because the search trains on"
    ) as caught:
        config.validate()
    (sizes,) = re.findall(r"e\.g\. (\S+), because", str(caught.value))
    config.grid.spectrogram_size = tuple(sizes.split(","))
    config.validate()
    assert config.features.spectrogram_size(seconds) in sizes.split(",")


@pytest.mark.parametrize(
    ("field", "source"),
    [
        ("manifest_path", "synthetic"),
        ("manifest_path", "chime_home"),
        ("dataset_dir", "synthetic"),
    ],
)
def test_a_data_path_that_the_source_ignores_is_refused(field, source):
    config = ExperimentConfig()
    config.data.source = source
    config.data.dataset_dir = (
        "/data/chime_home" if source != "synthetic" else ""
    )
    setattr(config.data, field, "mine")
    with pytest.raises(ConfigError, match=rf"data\.source: .*data\.{field}"):
        config.validate()


@pytest.mark.parametrize("field", ["latency_weight", "measure_latency"])
def test_measuring_latency_requires_one_thread(field):
    config = ExperimentConfig(threads_per_trial=2)
    config.validate()
    set_field(config, f"search.{field}", True if "me" in field else 0.1)
    with pytest.raises(ConfigError, match=r"threads_per_trial.*Received: 2"):
        config.validate()
    config.threads_per_trial = 1
    config.validate()


def test_the_chime_home_config_has_the_papers_reward():
    assert load_config("chime_home").search.reward == "eer"


def test_an_unknown_field_in_json_is_named_with_those_allowed():
    value = ExperimentConfig().to_json()
    value["training"]["epoch"] = 3
    with pytest.raises(ConfigError, match=r"no field named 'epoch'.*epochs"):
        ExperimentConfig.from_json(value)


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("training.epoch", ["TrainingConfig", "'epoch'", "Nearest: epochs"]),
        ("serach", ["ExperimentConfig", "'serach'", "Nearest: search"]),
        # No similar name: all fields are named.
        ("synthetic.xyz", ["SyntheticConfig", "num_evaluation_clips"]),
        # A property is not a field.
        ("search.weighs_costs", ["SearchConfig", "'weighs_costs'"]),
    ],
)
def test_an_unknown_field_cannot_be_set(path, parts):
    config = ExperimentConfig()
    with pytest.raises(ConfigError) as caught:
        set_field(config, path, 5)
    for part in parts:
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)
    assert config == ExperimentConfig()


def test_a_changed_config_is_copied_with_its_changes():
    config = ExperimentConfig()
    config.search.filters = (4, 12)
    config.training = dataclasses.replace(config.training, epochs=7)
    twin = copy.deepcopy(config)
    assert twin == config
    config.search.filters = (5,)
    assert (twin.search.filters, twin.training.epochs) == ((4, 12), 7)


def test_a_list_is_accepted_for_a_tuple():
    listed, tupled = ExperimentConfig(), ExperimentConfig()
    listed.data.tags = ["dog", "rain"]
    listed.search.filters = [4, 8]
    tupled.data.tags = ("dog", "rain")
    tupled.search.filters = (4, 8)
    assert listed.validate() == tupled.validate()
    listed.data.tags = ["dog", 3]
    with pytest.raises(
        ConfigError, match=r"data\.tags: must be several values"
    ):
        listed.validate()


def test_differences_name_the_fields_and_both_values():
    other = ExperimentConfig()
    other.training = dataclasses.replace(other.training, epochs=7)
    other.grid = dataclasses.replace(other.grid, batch_size=(5,))
    assert other.differences(ExperimentConfig()) == [
        "training.epochs: 7 here, 100 there",
        "grid.batch_size: (5,) here, (22, 44, 88) there",
    ]
    assert ExperimentConfig().differences(ExperimentConfig()) == []


def test_a_file_without_a_config_is_named(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("def get_config(): return 3\n")
    with pytest.raises(ConfigError, match=r"mine\.py.*Received: 3"):
        load_config(str(path))
    with pytest.raises(ConfigError, match="demo, domestic_table, smoke"):
        load_config("nowhere")
