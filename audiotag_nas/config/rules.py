"""The values that each field of the experiment config may have.

Rules of one field at a time; those between fields, and the types, are
`ExperimentConfig.validate`'s (`config`).
"""

from typing import Any

from audiotag_nas.trial import MAX_REWARD

REWARDS = ("eer", "auc", "loss", "binormal_eer")
"""Measures of a reward: `training.rewards.MEASURES`, docs/rewards.md."""


def _positive(value: float) -> bool:
    return value > 0


def _not_negative(value: float) -> bool:
    return value >= 0


def _one_of(*values: object) -> tuple[str, Any]:
    return f"one of {list(values)}", lambda value: value in values


def _each(holds: Any) -> Any:
    def check(values: tuple) -> bool:
        distinct = len(set(values)) == len(values)
        return bool(values) and distinct and all(map(holds, values))

    return check


_POSITIVE = ("positive", _positive)
_NOT_NEGATIVE = ("0 or more", _not_negative)
_POSITIVE_TO_MOST = (
    f"above 0 and at most {MAX_REWARD:g}",
    lambda x: 0 < x <= MAX_REWARD,
)
_DAY = 86400.0
_SOME_POSITIVE = ("different positive numbers, at least one", _each(_positive))

RULES: dict[str, tuple[str, Any]] = {
    "name": ("not empty", bool),
    "seed": _NOT_NEGATIVE,
    "threads_per_trial": _POSITIVE,
    "data.source": _one_of("synthetic", "chime_home", "manifest"),
    "data.tags": ("different names, at least one", _each(bool)),
    "data.clip_seconds": (
        f"above 0 and at most {_DAY:g}",
        lambda seconds: 0 < seconds <= _DAY,
    ),
    "data.min_clip_seconds": _POSITIVE,
    "data.validation_folds": (
        "different folds from 0 up, at least one",
        _each(_not_negative),
    ),
    "synthetic.num_development_clips": ("at least 20", lambda n: n >= 20),
    "synthetic.num_evaluation_clips": ("at least 10", lambda n: n >= 10),
    "synthetic.broadband_boost": _POSITIVE,
    "features.sample_rate_hz": (
        "from 1000 to 768000",
        lambda rate: 1000 <= rate <= 768000,
    ),
    "features.window": _one_of("hamming", "hann"),
    "features.frame_length": ("at least 16", lambda n: n >= 16),
    "features.frame_step": _POSITIVE,
    "features.power": _one_of(1.0, 2.0),
    "features.num_mels": _POSITIVE,
    "features.fmin_hz": _NOT_NEGATIVE,
    "features.mel_scale": _one_of("slaney", "htk"),
    "features.mel_norm": _one_of("peak", "slaney", "none"),
    "features.log": _one_of("ln", "db"),
    "features.log_floor": _POSITIVE,
    "training.epochs": _POSITIVE,
    "training.patience": _POSITIVE,
    "training.batch_size": _POSITIVE,
    "training.learning_rate": _POSITIVE,
    "training.mixup_alpha": _NOT_NEGATIVE,
    "training.time_mask_frames": _NOT_NEGATIVE,
    "training.mel_mask_bins": _NOT_NEGATIVE,
    "search.searcher": _one_of(
        "reinforce",
        "reinforce_plain",
        "evolution",
        "local_search",
        "gaussian_process",
        "random",
    ),
    "search.num_trials": _POSITIVE,
    "search.trials_per_round": _POSITIVE,
    "search.open_rounds": _POSITIVE,
    "search.epochs": _POSITIVE,
    "search.patience": _POSITIVE,
    "search.num_blocks": _one_of(7),
    "search.filters": _SOME_POSITIVE,
    "search.heights": _SOME_POSITIVE,
    "search.widths": _SOME_POSITIVE,
    "search.num_initial": ("at least 2", lambda n: n >= 2),
    "search.policy_steps": ("from 0 to 1000", lambda n: 0 <= n <= 1000),
    "search.policy_entropy": ("from 0 to 1000", lambda x: 0 <= x <= 1000),
    "search.reward": _one_of(*REWARDS),
    "search.parameters_weight": _NOT_NEGATIVE,
    "search.multiply_adds_weight": _NOT_NEGATIVE,
    "search.latency_weight": _NOT_NEGATIVE,
    "search.early_stop": _one_of("none", "halving", "curve"),
    "search.early_stop_min_trials": ("at least 4", lambda n: n >= 4),
    "search.early_stop_min_epochs": _POSITIVE,
    "search.early_stop_eta": ("at least 1.1", lambda x: x >= 1.1),
    "search.early_stop_risk": ("above 0 and below 0.5", lambda x: 0 < x < 0.5),
    "search.failure_reward": (
        f"at most {MAX_REWARD:g} in magnitude",
        lambda reward: abs(reward) <= MAX_REWARD,
    ),
    "search.controller_units": _POSITIVE,
    "search.learning_rate": _POSITIVE_TO_MOST,
    "search.baseline_decay": ("in [0, 1)", lambda x: 0 <= x < 1),
    "search.entropy_weight": (
        f"from 0 to {MAX_REWARD:g}",
        lambda x: 0 <= x <= MAX_REWARD,
    ),
    "search.clip_norm": _POSITIVE_TO_MOST,
    "search.evolution_population": _POSITIVE,
    "search.evolution_sample": _POSITIVE,
    "grid.mixup_alpha": (
        "different numbers of 0 or more, at least one",
        _each(_not_negative),
    ),
    "grid.spectrogram_size": ("different sizes, at least one", _each(bool)),
    "grid.batch_size": _SOME_POSITIVE,
    "grid.epochs": _POSITIVE,
    "grid.patience": _POSITIVE,
    "final.epochs": _POSITIVE,
    "final.patience": _POSITIVE,
    "final.bootstrap_samples": ("at least 100", lambda n: n >= 100),
}
"""Path of a field -> the rule in words, and whether a value keeps it."""
