"""`ReinforceOracle`, which brings this package's searchers to keras-tuner.

    from audiotag_nas.integrations.keras_tuner_oracle import ReinforceOracle

    tuner = keras_tuner.Tuner(
        oracle=ReinforceOracle("val_accuracy", max_trials=50, seed=1),
        hypermodel=build_model,
        directory="runs",
        project_name="first",
    )
    tuner.search(x, y, validation_data=(x_val, y_val), epochs=5)

The module needs the extra `keras-tuner`. keras-tuner (O'Malley et al. 2019)
manages models, trials and files. The oracle translates hyperparameters to a
`SearchSpace` (`keras_tuner_space`) and the objective to a reward.

The oracle saves the calls of its searcher. A replay of these calls restores the
searcher's state (`recorded_searcher`). If a later trial declares a new
hyperparameter, such as `units_2` for a third layer, the oracle makes a new
searcher for the larger space and tells this searcher all rewards so far.
"""

import math
import time
from collections.abc import Mapping
from typing import Any

from audiotag_nas.config.searchers import make_settings, searcher_settings
from audiotag_nas.errors import ConfigError, SearchError, StoreError
from audiotag_nas.integrations.durable_oracle import COMPLETED, DurableOracle
from audiotag_nas.integrations.keras_tuner_space import TunerSpace
from audiotag_nas.integrations.recorded_searcher import (
    RecordedSearcher,
    to_tokens,
)
from audiotag_nas.search.loop import MAX_IDLE_ROUNDS
from audiotag_nas.search.searcher import check_num, check_seed, is_reward
from audiotag_nas.space import Choice, SearchSpace, Tokens, plain
from audiotag_nas.trial import MAX_REWARD

STATE_VERSION = 1

_IDLE_SECONDS = 0.2


class ReinforceOracle(DurableOracle):
    """A `keras_tuner.Oracle` with one of this package's searchers.

    Hyperparameters may be Choice, Boolean, Int, Float with a step, and Fixed,
    also within conditional scopes. No point is trained twice. If the searcher
    proposes a point again, the known reward is told again.

    Workers never wait for each other. When a new round is asked, the searcher
    has been told only the rewards known by then. With several workers, the
    search therefore depends on the order in which trials end. With one worker,
    the search depends only on the seed and the scores.

    Args:
        objective: a name, a `keras_tuner.Objective`, or a list of objectives.
        max_trials: maximum number of trials; may be larger after a reload.
        seed: the searcher's seed. A seed of 0 does not mean a random seed.
        trials_per_round: number of points per `ask`.
        failure_score: the objective's value for a failed trial. None means the
            worst score of the completed trials so far; until a trial has
            completed, failures are not told.
        searcher: the name of a searcher, as for `make_searcher`.
        settings: the searcher's settings by name; `reevaluate` is always False.
        **kwargs: other arguments of `keras_tuner.Oracle`: `hyperparameters`,
            `allow_new_entries`, `tune_new_entries`, `max_retries_per_trial`,
            `max_consecutive_failed_trials`.

    Raises:
        ConfigError: an argument is out of range. `create_trial` also raises a
            ConfigError; it names a hyperparameter that can't be searched.
        SearchError: raised by `create_trial` if the first trial failed before
            it declared a hyperparameter.
        StoreError: raised by `reload` if the project can't be continued.
    """

    def __init__(
        self,
        objective: Any = None,
        max_trials: int | None = 10,
        *,
        seed: int = 0,
        trials_per_round: int = 4,
        failure_score: float | None = None,
        searcher: str = "reinforce",
        settings: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        seed = check_seed(seed)
        trials_per_round = check_num(trials_per_round)
        if failure_score is not None and not is_reward(failure_score):
            raise ConfigError(
                "`failure_score` must be finite and at most "
                f"{MAX_REWARD:g} in magnitude. Received: {failure_score}"
            )
        # The settings are saved as JSON, which has no NumPy numbers.
        settings = {n: plain(value) for n, value in (settings or {}).items()}
        make_settings(searcher, settings)
        names = searcher_settings(searcher)
        misplaced = {n: value for n, value in kwargs.items() if n in names}
        if misplaced:
            raise ConfigError(
                "the searcher's settings must be given by the argument "
                f"`settings`, as settings={misplaced}. Received: "
                f"{', '.join(misplaced)}="
            )
        if "reevaluate" in names:
            settings["reevaluate"] = False
        super().__init__(
            objective=objective, max_trials=max_trials, seed=seed, **kwargs
        )
        # The base class replaces a seed of 0 by a random seed.
        self.seed = self._seed_state = seed
        self._trials_per_round = trials_per_round
        self._failure_score = failure_score
        self._made_with = {"searcher": searcher, "settings": settings}
        self._searcher = RecordedSearcher(searcher, settings)
        # Proposed points that have no trial yet.
        self._waiting: list[Tokens] = []
        # Proposed points for which the searcher was not yet told a reward.
        self._pending: list[Tokens] = []
        # The trial of each canonical point.
        self._trial_of: dict[Tokens, str] = {}

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Returns the next trial's status and values, for keras-tuner."""
        space = TunerSpace(self.hyperparameters.space)
        if space.search_space is None:
            return self._populate_empty(space)
        if self._searcher.space != space.search_space:
            self._begin(space, space.search_space)
        for _ in range(MAX_IDLE_ROUNDS):
            while self._waiting:
                point = space.canonical(self._waiting.pop(0))
                if point not in self._trial_of:
                    self._trial_of[point] = trial_id
                    return _running(space.values(point))
            self._tell_ended(space)
            if len(self._trial_of) == space.search_space.size:
                break
            asked = self._searcher.ask(self._trials_per_round)
            if not asked:
                break
            self._waiting, self._pending = asked, self._pending + asked
        return {"status": "STOPPED", "values": None}

    def score_trial(self, trial: Any) -> None:
        """Scores a trial, with NaN for a score that is not a valid reward."""
        super().score_trial(trial)
        if not is_reward(trial.score):
            trial.score = math.nan

    def _populate_empty(self, space: TunerSpace) -> dict[str, Any]:
        """Starts a first trial, because it may declare hyperparameters."""
        if not self.trials:
            return _running(space.values(()))
        if self.ongoing_trials:
            # Without this pause, the tuner would ask again immediately.
            time.sleep(_IDLE_SECONDS)
            return {"status": "IDLE", "values": None}
        ended = list(self.trials.values())
        if not any(trial.status == COMPLETED for trial in ended):
            # keras-tuner's own oracles end such a search without an error.
            raise _nothing_declared(ended[-1])
        return {"status": "STOPPED", "values": None}

    def _begin(self, space: TunerSpace, search_space: SearchSpace) -> None:
        """Makes a new searcher, which will be told all trials so far."""
        self._searcher.begin(search_space, seed=self.seed)
        self._waiting, self._pending = [], []
        self._trial_of = {}
        for trial_id in self.start_order:
            point = space.tokens(self.trials[trial_id].hyperparameters.values)
            self._trial_of[point] = trial_id
            self._pending.append(point)

    def _tell_ended(self, space: TunerSpace) -> None:
        """Tells the known rewards, in the order of `ask`."""
        tokens, rewards, pending = [], [], []
        for point in self._pending:
            reward = self._reward(self._trial_of.get(space.canonical(point)))
            if reward is None:
                pending.append(point)
            else:
                tokens.append(point)
                rewards.append(reward)
        self._pending = pending
        if tokens:
            self._searcher.tell(tokens, rewards)

    def _reward(self, trial_id: str | None) -> float | None:
        """The reward of a trial, to be maximized; None if not known yet."""
        if trial_id is None or trial_id not in self.end_order:
            return None
        sign = 1.0 if self.objective.direction == "max" else -1.0
        trial = self.trials[trial_id]
        if trial.status == COMPLETED:
            return sign * float(trial.score)
        if self._failure_score is not None:
            return sign * self._failure_score
        ended = [self.trials[other] for other in self.end_order]
        return min(
            (
                sign * float(other.score)
                for other in ended
                if other.status == COMPLETED
            ),
            default=None,
        )

    def get_state(self) -> dict[str, Any]:
        return super().get_state() | {
            "audiotag_nas": {
                "version": STATE_VERSION,
                "made_with": self._made_with,
                "calls": self._searcher.calls,
                "waiting": self._waiting,
                "untold": self._pending,
                "trial_of": list(self._trial_of.items()),
            }
        }

    def set_state(self, state: dict[str, Any]) -> None:
        self._check_state(state)
        super().set_state(state)
        own = state["audiotag_nas"]
        self._searcher.replay(own["calls"], path=self._project_dir)
        self._waiting = to_tokens(own["waiting"])
        self._pending = to_tokens(own["untold"])
        self._trial_of = {
            tuple(point): trial_id for point, trial_id in own["trial_of"]
        }

    def _check_state(self, state: dict[str, Any]) -> None:
        """Raises StoreError if another oracle made the project."""
        own = state.get("audiotag_nas")
        if own is None or own["version"] != STATE_VERSION:
            raise StoreError(
                f"{self._project_dir}: another oracle made this project."
            )
        here = {"seed": self.seed, **self._made_with}
        there = {"seed": state["seed"], **own["made_with"]}
        for name, value in here.items():
            if value != there[name]:
                raise StoreError(
                    f"{self._project_dir}: the project was begun with "
                    f"{name}={there[name]!r}. Received: {name}={value!r}"
                )


def _running(values: dict[str, Choice]) -> dict[str, Any]:
    return {"status": "RUNNING", "values": values}


def _nothing_declared(trial: Any) -> SearchError:
    """The error for a trial that failed before it declared anything."""
    message = (trial.message or "unknown").strip().rpartition("\n")[2]
    return SearchError(
        f"trial {trial.trial_id} failed before it declared a "
        "hyperparameter, so there is nothing to search. Declare "
        "hyperparameters before code that may fail, or pass them to the "
        "oracle as `hyperparameters`, and restart the project "
        f"(overwrite=True). The trial's error: {message}"
    )
