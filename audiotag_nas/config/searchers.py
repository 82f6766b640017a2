"""The settings of each searcher: names, defaults, ranges and meanings.

`make_searcher` takes them by name. In the experiment config they are the
sections `search.<searcher>`.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from audiotag_nas.config.section import Section, setting, setting_names
from audiotag_nas.errors import ConfigError
from audiotag_nas.space import plain
from audiotag_nas.trial import MAX_REWARD

MAX_POLICY_STEPS = 1000
"""Per round: each of them has its own seed."""


@dataclasses.dataclass
class NoSettings(Section):
    """Searchers without settings."""


@dataclasses.dataclass
class ReinforceSettings(Section):
    """The default searcher: REINFORCE on a learned reward model."""

    num_initial: int = setting(
        12, "Trials before the reward model is used.", at_least=2
    )
    policy_steps: int = setting(
        8,
        "Policy-gradient steps on the reward model per round.",
        at_least=0,
        at_most=MAX_POLICY_STEPS,
    )
    # At 1000 the policy is uniform: advantages are at most 3. From 1e20 on,
    # the norm of the gradient overflows.
    policy_entropy: float = setting(
        0.1,
        "Weight of the policy's entropy bonus, per nat.",
        at_least=0,
        at_most=1000,
    )
    reevaluate: bool = setting(
        True,
        "Retrain good architectures where the noise of their rewards decides "
        "which is best. False: only once every point was asked or told.",
    )


@dataclasses.dataclass
class PlainReinforceSettings(Section):
    """REINFORCE with an LSTM policy, without a reward model (the paper's)."""

    # Rewards have the same bound. Larger values overflow single precision.
    controller_units: int = setting(
        64, "Width of the LSTM and of the embedding.", at_least=1
    )
    learning_rate: float = setting(
        5e-3, "Learning rate of Adam.", above=0, at_most=MAX_REWARD
    )
    baseline_decay: float = setting(
        0.9,
        "Share of the return baseline that is kept at an update.",
        at_least=0,
        below=1,
    )
    entropy_weight: float = setting(
        0.01,
        "Weight of the entropy bonus, per nat.",
        at_least=0,
        at_most=MAX_REWARD,
    )
    clip_norm: float = setting(
        1.0, "Maximum global norm of the gradient.", above=0, at_most=MAX_REWARD
    )


@dataclasses.dataclass
class EvolutionSettings(Section):
    """Regularized evolution."""

    # [own] for 200 trials; Real et al. use 100 for 20,000.
    population: int = setting(
        20, "Size of the population: the latest trials.", at_least=1
    )
    sample: int = setting(
        5, "Members per tournament, drawn with replacement.", at_least=1
    )


SEARCHER_SETTINGS: dict[str, type[Section]] = {
    "reinforce": ReinforceSettings,
    "reinforce_plain": PlainReinforceSettings,
    "evolution": EvolutionSettings,
    "local_search": NoSettings,
    "gaussian_process": NoSettings,
    "random": NoSettings,
    "grid": NoSettings,
}
"""Searcher -> the class of its settings."""


def searcher_settings(name: str) -> tuple[str, ...]:
    """Returns the names of the settings of searcher `name`.

    Raises:
        ConfigError: no such searcher; names the existing ones.
    """
    if name not in SEARCHER_SETTINGS:
        raise ConfigError(
            f"a searcher must be one of {list(SEARCHER_SETTINGS)}. "
            f"Received: {name!r}"
        )
    return setting_names(SEARCHER_SETTINGS[name])


def make_settings(name: str, values: Mapping[str, Any]) -> Section:
    """Returns the checked settings of searcher `name`.

    Args:
        name: the searcher.
        values: setting -> value; NumPy scalars are accepted.

    Raises:
        ConfigError: no such searcher or setting (names the allowed ones), or
            a value that is not allowed.
    """
    allowed = searcher_settings(name)
    unknown = ", ".join(f"`{key}`" for key in sorted(set(values) - {*allowed}))
    if unknown:
        names = ", ".join(f"`{key}`" for key in allowed)
        raise ConfigError(
            f"searcher `{name}` has no setting {unknown}. "
            f"Allowed: {names or 'none'}"
        )
    settings = SEARCHER_SETTINGS[name](
        **{key: plain(value) for key, value in values.items()}
    )
    settings.check(name)
    return settings
