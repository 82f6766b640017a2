"""Each trial of a stage is a function of config and tokens."""

import json

from audiotag_nas.architecture import Architecture, ConvBlock
from audiotag_nas.config import ExperimentConfig
from audiotag_nas.config.shipped import load_config
from audiotag_nas.experiment import stages
from audiotag_nas.trial import RewardSettings, Trial


def small_config() -> ExperimentConfig:
    config = ExperimentConfig(seed=5)
    config.search.filters = (4, 8)
    config.search.heights = (1, 3)
    config.search.widths = (3,)
    config.grid.mixup_alpha = (0.0, 0.4)
    config.grid.spectrogram_size = ("124x64", "62x64", "249x40")
    config.grid.batch_size = (16,)
    return config


def test_a_search_trial_has_the_architecture_that_its_tokens_name():
    config = small_config()
    tokens = (1, 1, 0) + (0, 0, 0) * 6
    trial = stages.search_trial(config, 12, 3, tokens)
    architecture = trial.architecture
    assert architecture.blocks[0] == ConvBlock(8, 3, 3)
    assert architecture.blocks[6] == ConvBlock(4, 1, 3)
    assert trial.hparams["block1_filters"] == 8
    assert trial.overrides.epochs == config.search.epochs
    assert (trial.trial_id, trial.round) == ("search-0012", 3)


def test_the_grid_is_the_full_product_of_its_axes():
    config = small_config()
    space = stages.grid_space(config)
    assert space.size == 2 * 3 * 1
    trial = stages.grid_trial(config, stages.CRNN_BASELINE, 4, 0, (1, 2, 0))
    assert trial.overrides.mixup_alpha == 0.4
    assert trial.overrides.spectrogram_size == "249x40"
    assert trial.overrides.batch_size == 16


def test_baseline_and_found_get_the_same_budget_and_seed():
    config = small_config()
    found = Architecture((ConvBlock(4, 1, 1),))
    trials = [
        stages.final_trial(config, (i,), found, (1, 1, 0)) for i in range(2)
    ]
    baseline, other = trials
    assert baseline.overrides.epochs == other.overrides.epochs
    assert baseline.overrides.patience == other.overrides.patience
    assert baseline.seed == other.seed
    assert other.overrides.spectrogram_size == "62x64"
    # The baseline keeps the config's own training section.
    assert baseline.overrides.mixup_alpha is None
    filters = [block.filters for block in baseline.architecture.blocks]
    assert filters == [8, 16, 32, 32, 64, 64, 64]


def test_a_trial_survives_json_and_has_a_seed_of_its_own():
    config = small_config()
    trials = [
        stages.search_trial(config, n, 0, (0, n, 0) + (0,) * 18)
        for n in range(2)
    ]
    for trial in trials:
        value = json.loads(json.dumps(trial.to_json()))
        assert Trial.from_json(value) == trial
    assert trials[0].seed != trials[1].seed
    other = ExperimentConfig(seed=6)
    assert stages.baseline_trial(config, (0,)).seed != (
        stages.baseline_trial(other, (0,)).seed
    )


def test_only_search_and_grid_have_the_searchs_reward_and_its_costs():
    config = small_config()
    config.search.reward = "auc"
    config.search.parameters_weight = 0.5
    found = Architecture((ConvBlock(4, 1, 1),))
    searched = stages.search_trial(config, 0, 0, (0,) * 21)
    trials = [
        stages.baseline_trial(config, (0,)),
        searched,
        stages.grid_trial(config, found, 0, 0, (0, 0, 0)),
        stages.final_trial(config, (1,), found, (0, 0, 0)),
        stages.train_trial(config, searched, {"epochs": 3}),
    ]
    rewards = {trial.stage: trial.reward for trial in trials}
    weighed, plain = RewardSettings("auc", True), RewardSettings("eer", False)
    assert rewards == {
        "baseline": plain,
        "search": weighed,
        "grid": weighed,
        "final": plain,
        "train": plain,
    }
    config.search.parameters_weight = 0.0
    assert stages.search_trial(config, 0, 0, (0,) * 21).reward == (
        RewardSettings("auc", False)
    )


def test_settings_of_the_search_without_effect_are_noted():
    config = load_config("smoke")
    assert stages.search_notes(config) == []
    config.search.searcher = "evolution"
    config.search.evolution.sample = 3
    config.search.reinforce.num_initial = 4
    config.search.early_stop = "curve"
    config.search.num_trials, config.search.epochs = 9, 2
    assert stages.search_notes(config) == [
        "search.reinforce.num_initial has no effect on evolution",
        "search.early_stop has no effect: there are 2 epochs and "
        "search.early_stop_min_epochs is 2",
    ]
