"""Optuna's samplers as searchers: ask, tell, recommend.

Akiba et al., *Optuna* (KDD 2019); TPE is Bergstra et al. (NeurIPS 2011). Each
sampler has its library's defaults. An ordinal decision is an int, so that the
sampler knows its order; others are categorical. Trials asked for and not told
yet are Optuna's running trials, which its samplers spread a batch by
(`constant_liar`, on by default since 5.0; q-batch log EI).

In Optuna 5 the default TPE is the multivariate one; `tpe_independent` is what
was the default before. Needs the extra `contest`; the Gaussian-process
sampler needs torch.
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
"""Name -> the sampler of a seed, all else as the library has it."""


class OptunaSearcher(BaseSearcher):
    """One of Optuna's samplers under the contract of `Searcher`.

    Args:
        space: what to search.
        sampler: one of `SAMPLERS`.
        seed: of the sampler, as NumPy's old generator takes it.

    Raises:
        ConfigError: no such sampler; names those there are.
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
                self._study.add_trial(self._foreign(point, value))

    def _foreign(self, point: Tokens, value: float) -> optuna.trial.FrozenTrial:
        """A finished trial that was not asked for."""
        return optuna.trial.create_trial(
            params=dict(zip(self._distributions, point, strict=True)),
            distributions=self._distributions,
            value=value,
        )


def _distribution(
    decision: Decision,
) -> optuna.distributions.BaseDistribution:
    num = len(decision.choices)
    if decision.ordinal:
        return optuna.distributions.IntDistribution(0, num - 1)
    return optuna.distributions.CategoricalDistribution(tuple(range(num)))
