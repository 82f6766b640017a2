"""Optuna's samplers as searchers.

Akiba et al. (KDD 2019) describe Optuna, and Bergstra et al. (NeurIPS 2011)
describe the sampler TPE. All settings are the library's defaults. Ordinal
decisions are ints, so that the sampler knows their order; other decisions are
categorical. A point whose reward was not told yet is a running trial. The
samplers take running trials into account, so that the points of a batch differ:
TPE uses `constant_liar`, and the Gaussian process uses q-batch log EI.

Since Optuna 5, TPE uses `constant_liar` and is multivariate by default. The
earlier default, which is not multivariate, is `tpe_independent`. This module
needs the extra `contest`, and torch for the Gaussian-process sampler.
"""

import warnings
from collections.abc import Callable

try:
    import optuna
except ModuleNotFoundError as missing:
    if missing.name != "optuna":
        raise
    raise ModuleNotFoundError(
        "Optuna's searchers need optuna: pip install 'audiotag-nas[contest]'",
        name="optuna",
    ) from None

from audiotag_nas.errors import ConfigError
from audiotag_nas.search.searcher import check_seed
from audiotag_nas.search.searchers.base_searcher import BaseSearcher
from audiotag_nas.space import Decision, SearchSpace, Tokens

SAMPLERS: dict[str, Callable[[int], optuna.samplers.BaseSampler]] = {
    "tpe": lambda seed: optuna.samplers.TPESampler(seed=seed),
    "tpe_multivariate": lambda seed: optuna.samplers.TPESampler(
        seed=seed, multivariate=True
    ),
    "tpe_independent": lambda seed: optuna.samplers.TPESampler(
        seed=seed, multivariate=False
    ),
    "gp": lambda seed: optuna.samplers.GPSampler(seed=seed),
}
"""Name -> function that makes a sampler with a given seed."""


class OptunaSearcher(BaseSearcher):
    """One of Optuna's samplers as a `Searcher`.

    Args:
        space: the search space.
        sampler: a name in `SAMPLERS`.
        seed: seed of the sampler. Only its last 32 bits are used.

    Raises:
        ConfigError: the sampler is unknown.
    """

    def __init__(
        self, space: SearchSpace, *, sampler: str, seed: int = 0
    ) -> None:
        check_seed(seed)
        if sampler not in SAMPLERS:
            raise ConfigError(
                f"a sampler must be one of {list(SAMPLERS)}. "
                f"Received: {sampler!r}"
            )
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        super().__init__(space, seed=seed)
        self._study = optuna.create_study(
            direction="maximize", sampler=SAMPLERS[sampler](seed % 2**32)
        )
        self._distributions = {
            decision.name: _distribution(decision)
            for decision in space.decisions
        }
        self._running: dict[Tokens, list[optuna.Trial]] = {}

    def _propose(self, num: int) -> list[Tokens]:
        return [self._ask_one() for _ in range(num)]

    def _ask_one(self) -> Tokens:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", optuna.exceptions.ExperimentalWarning
            )
            trial = self._study.ask(self._distributions)
        tokens = tuple(
            int(trial.params[decision.name])
            for decision in self._space.decisions
        )
        self._running.setdefault(tokens, []).append(trial)
        return tokens

    def _learn(self, points: list[Tokens], values: list[float]) -> None:
        for point, value in zip(points, values, strict=True):
            running = self._running.get(point)
            if running:
                self._study.tell(running.pop(0), value)
            else:
                self._study.add_trial(self._finished_trial(point, value))

    def _finished_trial(
        self, point: Tokens, value: float
    ) -> optuna.trial.FrozenTrial:
        """Returns a finished trial of a point that Optuna did not propose."""
        return optuna.trial.create_trial(
            params=dict(zip(self._distributions, point, strict=True)),
            distributions=self._distributions,
            value=value,
        )


def _distribution(decision: Decision) -> optuna.distributions.BaseDistribution:
    num = len(decision.choices)
    if decision.ordinal:
        return optuna.distributions.IntDistribution(0, num - 1)
    return optuna.distributions.CategoricalDistribution(tuple(range(num)))
