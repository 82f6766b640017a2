"""Tests how a trial becomes a result."""

import dataclasses
import itertools
import math
import resource

import keras
import numpy as np
import pytest
import soundfile

from audiotag_nas.architecture import CRNN_BASELINE, Architecture, ConvBlock
from audiotag_nas.config import (
    DataConfig,
    ExperimentConfig,
    FeatureConfig,
    GridConfig,
    SearchConfig,
    TrainingConfig,
)
from audiotag_nas.data import feature_writer
from audiotag_nas.data.clip import Clip
from audiotag_nas.data.stored_features import open_prepared
from audiotag_nas.errors import ConfigError, DataError, StoreError
from audiotag_nas.models import build_crnn, load_model, save_model
from audiotag_nas.models.costs import network_costs
from audiotag_nas.runners.in_process_runner import InProcessRunner
from audiotag_nas.search import make_searcher
from audiotag_nas.search.early_stopping import HalvingStopper
from audiotag_nas.search.journal import Journal
from audiotag_nas.search.loop import run_search
from audiotag_nas.space import Decision, SearchSpace
from audiotag_nas.training import folds, trial_training
from audiotag_nas.trial import (
    MODEL_FILE,
    RewardSettings,
    TrainingOverrides,
    Trial,
    TrialResult,
    TrialStatus,
)
from tests.fakes import FakeRunner

TINY = Architecture((ConvBlock(3, 3, 1), ConvBlock(2, 1, 3)), recurrent_units=4)
REWARD = RewardSettings("binormal_eer")


@pytest.fixture(scope="module")
def config() -> ExperimentConfig:
    data = DataConfig(
        tags=("low", "high", "loud"),
        clip_seconds=0.5,
        min_clip_seconds=0.5,
        validation_folds=(1,),
    )
    return ExperimentConfig(
        data=data,
        features=FeatureConfig(
            sample_rate_hz=8000,
            frame_length=512,
            frame_step=256,
            num_mels=13,
            fmax_hz=4000.0,
        ),
        training=TrainingConfig(epochs=2, batch_size=4, learning_rate=0.01),
    )


@pytest.fixture(scope="module")
def features_dir(config, tmp_path_factory):
    """Makes low, high, soft and loud tones in two folds."""
    root = tmp_path_factory.mktemp("tones")
    rng = np.random.default_rng(0)
    seconds = np.arange(4000) / 8000
    clips = []
    for i in range(22):
        high, loud = i % 2, i // 2 % 2
        tone = np.sin(2 * np.pi * (2500 if high else 300) * seconds)
        noise = 0.01 * rng.normal(size=4000)
        path = root / f"{i}.wav"
        soundfile.write(path, (0.5 if loud else 0.02) * tone + noise, 8000)
        tags = ["high" if high else "low"] + ["loud"] * loud
        clips.append(
            Clip(f"{i}", f"s{i}", tuple(tags), "development", i % 3 % 2, path)
        )
    size = config.features.spectrogram_size(0.5)
    feature_writer.write_log_mels(
        clips,
        config.features,
        data=config.data,
        split_dir=root / "features" / size / "development",
    )
    return root / "features"


def make_trial(*, stop_rule=(), reward=REWARD, **overrides) -> Trial:
    return Trial(
        trial_id="search-0000",
        stage="search",
        round=0,
        tokens=(0,),
        hparams={},
        architecture=TINY,
        seed=11,
        overrides=TrainingOverrides(**overrides),
        stop_rule=stop_rule,
        reward=reward,
    )


def run(trial, config, features_dir, trial_dir) -> TrialResult:
    return trial_training.run_trial(
        trial, config=config, features_dir=features_dir, trial_dir=trial_dir
    )


def without_seconds(result: TrialResult) -> TrialResult:
    return dataclasses.replace(result, seconds=0.0)


def test_the_same_trial_gives_the_same_result_whatever_ran_before(
    config, features_dir, tmp_path
):
    first = run(make_trial(), config, features_dir, tmp_path / "a")
    run(make_trial(mixup_alpha=0.0), config, features_dir, tmp_path / "b")
    again = run(make_trial(), config, features_dir, tmp_path / "c")
    assert without_seconds(again) == without_seconds(first)
    other = run(
        dataclasses.replace(make_trial(), seed=12),
        config,
        features_dir,
        tmp_path / "d",
    )
    assert other.history != first.history


def test_the_reward_is_one_minus_the_eer_of_the_network_that_is_kept(
    config, features_dir, tmp_path
):
    from audiotag_nas.data import pipeline
    from audiotag_nas.data.stored_features import open_prepared
    from audiotag_nas.training import trainer

    trial = make_trial(reward=RewardSettings("eer"))
    result = run(trial, config, features_dir, tmp_path)
    model = load_model(tmp_path / MODEL_FILE)
    prepared = open_prepared(
        features_dir / config.features.spectrogram_size(0.5) / "development"
    )
    tags = config.data.tags
    labels = prepared.labels(tags, folds=(1,))
    data = pipeline.make_evaluation_dataset(
        prepared, tags=tags, folds=(1,), batch_size=5
    )
    scores = trainer.predict(model, data, num_clips=len(labels))
    assert result.reward == pytest.approx(1 - trainer.mean_eer(labels, scores))
    assert result.metrics["num_parameters"] == model.count_params()
    assert result.metrics["validation_eer"] == min(
        result.history["validation_eer"]
    )


def test_the_reward_is_the_configs_quality_less_what_the_costs_weigh(
    config, features_dir, tmp_path
):
    search = SearchConfig(
        parameters_weight=0.125, multiply_adds_weight=0.25, latency_weight=0.5
    )
    config = dataclasses.replace(config, search=search)
    trial = make_trial(reward=RewardSettings("auc", weighs_costs=True))
    result = run(trial, config, features_dir, tmp_path)
    metrics = result.metrics
    baseline = build_crnn(CRNN_BASELINE, num_mels=13, num_tags=3)
    size = {"num_frames": 14, "num_mels": 13, "num_tags": 3}
    ratios = {
        0.125: metrics["num_parameters"] / baseline.count_params(),
        0.25: metrics["multiply_adds"]
        / network_costs(CRNN_BASELINE, **size).multiply_adds,
        0.5: metrics["latency_seconds"] / metrics["baseline_latency_seconds"],
    }
    # (4000 - 512) // 256 + 1 frames.
    assert metrics["multiply_adds"] == network_costs(TINY, **size).multiply_adds
    penalty = sum(w * math.log10(ratio) for w, ratio in ratios.items())
    assert metrics["cost_penalty"] == pytest.approx(penalty)
    assert penalty < 0
    # The penalty is part of the quality of every epoch, so stop rules use it.
    best = itertools.accumulate(result.history["validation_auc"], max)
    assert result.history["quality"] == pytest.approx(
        [auc - penalty for auc in best]
    )
    assert result.reward == result.history["quality"][-1]


def test_a_trial_has_its_own_reward_whatever_the_search_weighs(
    config, features_dir, tmp_path
):
    search = SearchConfig(reward="auc", parameters_weight=0.125)
    config = dataclasses.replace(config, search=search)
    trial = make_trial(epochs=1, reward=RewardSettings("eer"))
    result = run(trial, config, features_dir, tmp_path)
    assert result.reward == 1 - result.metrics["validation_eer"]
    assert "cost_penalty" not in result.metrics


def test_a_trial_is_stopped_by_its_rule_and_keeps_its_curves(
    config, features_dir, tmp_path
):
    whole = run(make_trial(epochs=3), config, features_dir, tmp_path / "a")
    quality = whole.history["quality"]
    assert whole.is_whole
    assert "stopped_epoch" not in whole.metrics

    # Every quality is below 2. The quality of epoch 1 is just high enough.
    rule = [[1, quality[0]], [2, 2.0], [3, 2.0]]
    trial = make_trial(epochs=3, stop_rule=rule)
    stopped = run(trial, config, features_dir, tmp_path / "b")
    assert stopped.status is TrialStatus.COMPLETED
    assert stopped.stopped_epoch == stopped.metrics["epochs"] == 2
    assert not stopped.is_whole
    for name, curve in whole.history.items():
        assert stopped.history[name] == curve[:2]
    assert stopped.reward == quality[1]
    assert (tmp_path / "b" / MODEL_FILE).is_file()

    # The last epoch is not stopped early, because it is the end.
    trial = make_trial(epochs=3, stop_rule=[[3, 2.0]])
    ended = run(trial, config, features_dir, tmp_path / "c")
    assert without_seconds(ended) == without_seconds(whole)


def test_a_search_of_real_trials_stops_some_and_resumes_from_its_journal(
    config, features_dir, tmp_path
):
    space = SearchSpace((Decision("filters", (1, 2, 3, 4, 5, 6, 7)),))

    def make(number, round_number, tokens):
        block = ConvBlock(tokens[0] + 1, 3, 1)
        return dataclasses.replace(
            make_trial(epochs=3),
            architecture=Architecture((block,), recurrent_units=4),
            trial_id=f"search-{number:04d}",
            round=round_number,
            tokens=tokens,
        )

    def search(runner):
        return run_search(
            make_searcher("grid", space),
            runner,
            Journal(tmp_path / "trials.jsonl"),
            stage="search",
            num_trials=7,
            trials_per_round=4,
            make_trial=make,
            failure_reward=0.0,
            # Two of four trials continue after epoch 2.
            early_stopper=HalvingStopper(num_epochs=3, min_trials=4, eta=2.0),
        )

    runner = InProcessRunner(
        config, features_dir=features_dir, trials_dir=tmp_path
    )
    outcome = search(runner)
    pairs = list(zip(outcome.trials, outcome.results, strict=True))
    halfway = sorted(r.history["quality"][1] for r in outcome.results[:4])
    for trial, result in pairs[4:]:
        assert trial.stop_rule == ((2, halfway[-2]),)
        is_below = result.history["quality"][1] < halfway[-2]
        assert is_below == (result.stopped_epoch == 2)
    assert any(result.stopped_epoch for result in outcome.results)
    assert search(FakeRunner()).results == outcome.results


def test_a_trial_whose_weights_explode_is_a_failed_result_with_a_reason(
    config, features_dir, tmp_path
):
    trial = make_trial(learning_rate=1e38)
    runner = InProcessRunner(
        config, features_dir=features_dir, trials_dir=tmp_path
    )
    runner.submit(trial)
    result = runner.next_result()
    assert result.status is TrialStatus.FAILED
    assert result.reward is None
    assert "not finite after epoch 1" in result.reason
    assert not (tmp_path / trial.trial_id / MODEL_FILE).exists()


def test_a_network_that_finds_no_room_stops_the_search_and_leaves_no_piece(
    tmp_path,
):
    model = keras.Sequential([keras.Input((200,)), keras.layers.Dense(300)])
    path = tmp_path / "search-0000" / MODEL_FILE
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # The kernel refuses the write (EFBIG), as it does for a full disk (ENOSPC).
    resource.setrlimit(resource.RLIMIT_FSIZE, (20000, limits[1]))
    try:
        with pytest.raises(StoreError, match=r"model\.keras: can't be written"):
            save_model(model, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(path.parent.iterdir()) == []
    save_model(model, path)
    assert path.is_file()


def test_an_error_common_to_all_trials_stops_the_search(
    config, features_dir, tmp_path
):
    empty_fold = dataclasses.replace(
        config, data=dataclasses.replace(config.data, validation_folds=(7,))
    )
    with pytest.raises(DataError, match=r"\[0, 1\].*Received: 7"):
        run(make_trial(), empty_fold, features_dir, tmp_path)
    all_folds = dataclasses.replace(
        config, data=dataclasses.replace(config.data, validation_folds=(0, 1))
    )
    with pytest.raises(
        DataError, match=r"one of the folds \[0, 1\].*Received: \[0, 1\]$"
    ):
        run(make_trial(), all_folds, features_dir, tmp_path)


def test_the_overrides_are_the_training_settings_and_the_spectrogram_size():
    names = [
        {field.name for field in dataclasses.fields(cls)}
        for cls in (TrainingOverrides, TrainingConfig)
    ]
    assert names[0] == names[1] | {"spectrogram_size"}


@pytest.mark.parametrize(
    ("section", "field", "value", "message"),
    [
        # 15 of the 22 clips are not in fold 1.
        ("training", "batch_size", 16, "clips to train on, 15. Received: 16"),
        ("grid", "batch_size", (4, 16), "clips to train on, 15. Received: 16"),
        # (4000 - 512) / 256 steps after the first frame; 13 mels.
        ("training", "time_mask_frames", 15, "frames, 14. Received: 15"),
        ("training", "mel_mask_bins", 14, "mels, 13. Received: 14"),
    ],
)
def test_what_a_later_training_would_not_survive_is_told_before_the_first(
    config, features_dir, section, field, value, message
):
    size = config.features.spectrogram_size(0.5)
    prepared = open_prepared(features_dir / size / "development")
    fitting = dataclasses.replace(config, grid=GridConfig(batch_size=(4, 15)))
    folds.check_trainable(prepared, fitting)
    changed = dataclasses.replace(getattr(fitting, section), **{field: value})
    changed = dataclasses.replace(fitting, **{section: changed})
    with pytest.raises(ConfigError, match=message) as info:
        folds.check_trainable(prepared, changed)
    assert f"config.{section}.{field}" in str(info.value)


def carried_by(prepared, **carries):
    """Returns the clips with other tags, one function per tag."""
    return dataclasses.replace(
        prepared,
        clips=tuple(
            dataclasses.replace(
                clip,
                tags=tuple(t for t, holds in carries.items() if holds(clip)),
            )
            for clip in prepared.clips
        ),
    )


@pytest.fixture(scope="module")
def tones(config, features_dir):
    size = config.features.spectrogram_size(0.5)
    return open_prepared(features_dir / size / "development")


@pytest.fixture
def fitting(config):
    return dataclasses.replace(config, grid=GridConfig(batch_size=(4,)))


def test_a_tag_that_no_clip_carries_is_named_with_those_there_are(
    fitting, tones
):
    fitting = dataclasses.replace(
        fitting, data=dataclasses.replace(fitting.data, tags=("low", "hihg"))
    )
    with pytest.raises(ConfigError) as caught:
        folds.check_trainable(tones, fitting)
    message = str(caught.value)
    assert message.startswith("config.data.tags: each must be carried by")
    assert "which carry 'high', 'loud', 'low'. Received: 'hihg'" in message


def test_a_tag_that_some_folds_lack_is_a_note_and_no_error(fitting, tones):
    assert folds.tag_notes(tones, fitting) == []
    half = carried_by(
        tones,
        low=lambda clip: int(clip.clip_id) % 2,
        high=lambda clip: clip.fold == 0 or clip.clip_id == "1",
        loud=lambda clip: clip.fold == 1,
    )
    folds.check_trainable(half, fitting)
    assert folds.tag_notes(half, fitting) == [
        "no clip of the training folds [0] carries 'loud': the tag "
        "can't be learned",
        "every clip of the validation folds [1] carries 'loud': the tag has "
        "no EER there and does not count in the mean EER",
    ]
    late = carried_by(
        tones,
        low=lambda clip: int(clip.clip_id) % 2,
        high=lambda clip: clip.fold == 0,
        loud=lambda clip: True,
    )
    assert folds.tag_notes(late, fitting)[0] == (
        "no clip of the validation folds [1] carries 'high': the tag has no "
        "EER there and does not count in the mean EER"
    )


def test_folds_in_which_no_tag_has_an_eer_are_named_before_any_training(
    fitting, tones
):
    without = carried_by(
        tones,
        low=lambda clip: clip.fold == 0,
        high=lambda clip: clip.fold == 0,
        loud=lambda clip: True,
    )
    with pytest.raises(DataError) as caught:
        folds.check_trainable(without, fitting)
    message = str(caught.value)
    assert "data.validation_folds [1]" in message
    assert "data.tags ['low', 'high', 'loud']" in message
    # Of the numbers from 0 to 21, 7 have the remainder 1 when divided by 3.
    assert message.endswith("no such tag, in 7 clips")


def test_the_runner_gives_one_result_a_trial_and_reports_epochs(
    config, features_dir, tmp_path
):
    epochs = []
    runner = InProcessRunner(
        config,
        features_dir=features_dir,
        trials_dir=tmp_path,
        on_epoch=lambda trial, epoch, numbers: epochs.append(
            (trial.trial_id, epoch, sorted(numbers))
        ),
    )
    assert runner.num_slots == 1
    runner.submit(make_trial(epochs=1))
    result = runner.next_result()
    runner.close()
    assert result.trial_id == "search-0000"
    names = [
        "quality",
        "training_loss",
        "validation_auc",
        "validation_binormal_eer",
        "validation_eer",
        "validation_loss",
    ]
    assert epochs == [("search-0000", 1, names)]
    assert (tmp_path / "search-0000" / MODEL_FILE).is_file()
