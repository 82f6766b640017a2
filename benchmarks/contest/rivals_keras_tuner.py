"""keras-tuner's BayesianOptimization as a searcher (O'Malley et al. 2019).

An oracle is the part of keras-tuner that proposes points. The searcher calls
the oracle in the same way as a tuner with several workers does. Each point of a
batch is the trial of a different worker, and the trial ends when the reward is
told. All settings are the library's defaults. Ordinal decisions are ints, and
other decisions are unordered choices. The oracle may propose a point again.

Three things differ from plain use of the library. The seed is never 0, because
0 would mean no seed. No state is written to disk. The Gaussian process skips
scikit-learn's argument checks; the numbers are the same, in a fifth of the
time. The oracle accepts rewards only for points that it has proposed. Rewards
of other points count only for the recommendation.
"""

import contextlib
import math
import warnings
from typing import Any

import numpy as np

try:
    import keras_tuner
    from scipy.linalg.lapack import dtrtrs
    from scipy.spatial.distance import cdist
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import Matern
except ModuleNotFoundError as missing:
    if missing.name not in {"keras_tuner", "scipy", "sklearn"}:
        raise
    raise ModuleNotFoundError(
        f"keras-tuner's searcher needs {missing.name}: pip install "
        "'audiotag-nas[contest]'",
        name=missing.name,
    ) from None

from audiotag_nas.search.searcher import check_seed
from audiotag_nas.search.searchers.base_searcher import BaseSearcher
from audiotag_nas.space import SearchSpace, Tokens

_OBJECTIVE = "reward"


class UncheckedRegressor(GaussianProcessRegressor):
    """scikit-learn's Gaussian process without argument checks in `predict`.

    The oracle optimizes its acquisition function by finite differences. With 21
    decisions, a proposal needs about 25,000 predictions of single points. In
    scikit-learn, argument checks take four fifths of the time of each
    prediction. The arithmetic is the same, so results are equal bit for bit.
    """

    def fit(self, X: Any, y: Any) -> "UncheckedRegressor":  # noqa: N803
        """See scikit-learn."""
        super().fit(X, y)
        if not (isinstance(self.kernel_, Matern) and self.kernel_.nu == 2.5):
            raise TypeError(
                f"the kernel must be Matern 5/2. Received: {self.kernel_}"
            )
        self._scaled_train = self.X_train_ / self.kernel_.length_scale
        return self

    def predict(
        self,
        X: Any,  # noqa: N803
        return_std: bool = False,
        return_cov: bool = False,
    ) -> Any:
        """See scikit-learn. Fast for one point if `return_std` is True."""
        is_one = isinstance(X, np.ndarray) and X.shape[:-1] == (1,)
        if not (is_one and return_std) or not hasattr(self, "_scaled_train"):
            return super().predict(X, return_std, return_cov)
        distance = cdist(X / self.kernel_.length_scale, self._scaled_train)
        distance *= math.sqrt(5)
        covariance = (1.0 + distance + distance**2 / 3.0) * np.exp(-distance)
        mean = self._y_train_std * (covariance @ self.alpha_)
        mean += self._y_train_mean
        half, _ = dtrtrs(self.L_, covariance.T, lower=1)
        variance = 1.0 - np.einsum("ij,ji->i", half.T, half)
        variance = np.maximum(variance, 0.0) * self._y_train_std**2
        return mean, np.sqrt(variance)


class _Oracle(keras_tuner.oracles.BayesianOptimizationOracle):
    """The oracle with the fast Gaussian process and without files."""

    def _make_gpr(self) -> UncheckedRegressor:
        settings = super()._make_gpr().get_params(deep=False)
        return UncheckedRegressor(**settings)

    def save(self) -> None:
        """Does nothing, because the contest does not resume a search."""

    def _save_trial(self, trial: Any) -> None:
        """Does nothing, for the same reason as `save`."""


class KerasTunerSearcher(BaseSearcher):
    """keras-tuner's Bayesian optimization as a `Searcher`.

    If the oracle finds no new random point in 20 tries, it regards the space as
    exhausted. `ask` then returns fewer points.

    Args:
        space: the search space.
        seed: seed of the oracle.
    """

    def __init__(self, space: SearchSpace, *, seed: int = 0) -> None:
        check_seed(seed)
        super().__init__(space, seed=seed)
        hyperparameters = keras_tuner.HyperParameters()
        for decision in space.decisions:
            num = len(decision.choices)
            if num == 1:
                hyperparameters.Fixed(decision.name, 0)
            elif decision.ordinal:
                hyperparameters.Int(decision.name, 0, num - 1)
            else:
                hyperparameters.Choice(
                    decision.name, list(range(num)), ordered=False
                )
        self._oracle = _Oracle(
            objective=keras_tuner.Objective(_OBJECTIVE, "max"),
            max_trials=None,
            # 0 would mean no seed. NumPy's legacy generator needs 32-bit seeds.
            seed=1 + seed % (2**32 - 1),
            hyperparameters=hyperparameters,
            allow_new_entries=False,
        )
        self._oracle.verbose = 0
        self._running: dict[Tokens, list[Any]] = {}
        self._num_asked = 0

    def _propose(self, num: int) -> list[Tokens]:
        points = []
        for _ in range(num):
            # A worker with a running trial would get the same trial again.
            worker = f"worker{self._num_asked}"
            self._num_asked += 1
            with _quiet():
                trial = self._oracle.create_trial(worker)
            if trial.status != "RUNNING":
                break
            values = trial.hyperparameters.values
            tokens = tuple(int(values[d.name]) for d in self._space.decisions)
            self._running.setdefault(tokens, []).append(trial)
            points.append(tokens)
        return points

    def _learn(self, points: list[Tokens], values: list[float]) -> None:
        for point, value in zip(points, values, strict=True):
            running = self._running.get(point)
            if not running:
                continue
            trial = running.pop(0)
            with _quiet():
                self._oracle.update_trial(trial.trial_id, {_OBJECTIVE: value})
                trial.status = "COMPLETED"
                self._oracle.end_trial(trial)


@contextlib.contextmanager
def _quiet() -> Any:
    """Suppresses the deprecation and fit warnings of each step."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
