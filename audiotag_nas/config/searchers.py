"""The settings of each searcher: names, defaults, ranges and meanings.

`make_searcher` takes the settings as keyword arguments. In the experiment
config, each searcher has its settings in the section `search.<searcher>`.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from audiotag_nas.config.section import Section, setting, setting_names
from audiotag_nas.errors import ConfigError
from audiotag_nas.space import plain
from audiotag_nas.trial import MAX_REWARD

MAX_POLICY_STEPS = 1000
"""Maximum number of policy steps per round. Each step has its own seed."""


@dataclasses.dataclass
class NoSettings(Section):
    """A section without fields, for searchers that have no settings."""


@dataclasses.dataclass
class ReinforceSettings(Section):
    """The default searcher, which runs REINFORCE on a learned reward model."""

    num_initial: int = setting(
        12, "Trials before the reward model is first used.", at_least=2
    )
    policy_steps: int = setting(
        8,
        "Number of policy-gradient steps on the reward model per round.",
        at_least=0,
        at_most=MAX_POLICY_STEPS,
    )
    # A weight of 1000 already makes the policy uniform, because advantages are
    # at most 3. From 1e20 on, the norm of the gradient would overflow.
    policy_entropy: float = setting(
        0.1,
        "Weight of the policy's entropy bonus, per nat.",
        at_least=0,
        at_most=1000,
    )
    reevaluate: bool = setting(
        True,
        "Retrain good architectures if the noise of their rewards hides which "
        "of them is the best. If false, architectures are retrained only after "
        "every architecture of the space was proposed.",
    )


@dataclasses.dataclass
class PlainReinforceSettings(Section):
    """The paper's searcher: REINFORCE with an LSTM policy, no reward model."""

    # MAX_REWARD is also the maximum of rewards. In single precision, settings
    # above MAX_REWARD would overflow.
    controller_units: int = setting(
        64, "Size of the LSTM and of its token embeddings.", at_least=1
    )
    learning_rate: float = setting(
        5e-3, "Learning rate of Adam.", above=0, at_most=MAX_REWARD
    )
    baseline_decay: float = setting(
        0.9,
        "Share of the moving average of rewards that an update keeps.",
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

    # This project's own choice: 20 members suit searches of 200 trials. Real et
    # al. use 100 members for 20,000 trials.
    population: int = setting(
        20, "Size of the population, which holds the latest trials.", at_least=1
    )
    sample: int = setting(
        5, "Members drawn per tournament, with replacement.", at_least=1
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
        ConfigError: there is no such searcher. The error lists all searchers.
    """
    if name not in SEARCHER_SETTINGS:
        raise ConfigError(
            f"a searcher must be one of {', '.join(SEARCHER_SETTINGS)}. "
            f"Received: {name!r}"
        )
    return setting_names(SEARCHER_SETTINGS[name])


def make_settings(name: str, values: Mapping[str, Any]) -> Section:
    """Returns the checked settings of searcher `name`.

    Args:
        name: name of the searcher.
        values: name of a setting -> value, which may be a NumPy scalar.

    Raises:
        ConfigError: there is no such searcher or setting, or a value is not
            allowed.
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
