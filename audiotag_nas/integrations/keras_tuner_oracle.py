"""`ReinforceOracle`: our searchers in keras-tuner (extra `keras-tuner`).

    from audiotag_nas.integrations.keras_tuner_oracle import ReinforceOracle

    tuner = keras_tuner.Tuner(
        oracle=ReinforceOracle("val_accuracy", max_trials=50, seed=1),
        hypermodel=build_model,
        directory="runs",
        project_name="first",
    )
    tuner.search(x, y, validation_data=(x_val, y_val), epochs=5)

keras-tuner (O'Malley et al. 2019) owns models, trials and files; this file
translates. A hypermodel's hyperparameters become a `SearchSpace`
(`keras_tuner_space`), the objective a reward to maximize.

The searcher itself is not saved but what it was asked and told is: searchers
are functions of their calls, so a project that is reloaded goes on as one
that never stopped. Where the hypermodel shows a hyperparameter for the first
time in a later trial (`units_2`, of a third layer), a new searcher over the
wider space is begun and told all that is known.
"""

import json
import math
import os
import time
from collections.abc import Callable, Mapping
from typing import Any

try:
    import keras_tuner
except ModuleNotFoundError as missing:
    if missing.name != "keras_tuner":
        raise
    raise ModuleNotFoundError(
        "ReinforceOracle needs keras-tuner: pip install "
        "'audiotag-nas[keras-tuner]'",
        name="keras_tuner",
    ) from None

from audiotag_nas.config.searchers import make_settings, searcher_settings
from audiotag_nas.errors import ConfigError, StoreError
from audiotag_nas.files import atomic_write_text
from audiotag_nas.integrations.keras_tuner_space import (
    TunerSpace,
    nothing_declared,
)
from audiotag_nas.search.loop import MAX_IDLE_ROUNDS
from audiotag_nas.search.searcher import (
    Searcher,
    check_num,
    check_seed,
    is_reward,
    make_searcher,
)
from audiotag_nas.space import Choice, SearchSpace, Tokens, plain
from audiotag_nas.trial import MAX_REWARD

STATE_VERSION = 1

_IDLE_SECONDS = 0.2
_COMPLETED = "COMPLETED"


class ReinforceOracle(keras_tuner.Oracle):
    """A `keras_tuner.Oracle` that asks and tells one of our searchers.

    Hyperparameters may be Choice, Boolean, Int, Float with a step and Fixed,
    also within conditional scopes. Points that were trained are not trained
    again; their score is told again.

    With several workers no worker waits: a new round is opened with what has
    been learned by then, so the search depends on which trials end first.
    With one worker it is a function of the seed and the scores alone.

    Args:
        objective: as for keras-tuner: a name, a `keras_tuner.Objective`, or a
            list of them.
        max_trials: trials in all. A reloaded project may have more.
        seed: of the searcher; 0 is a seed like any other.
        trials_per_round: points the searcher is asked for at a time.
        failure_score: the objective's value that a failed trial counts as.
            None: the worst that any completed trial has so far (and nothing
            is told of failures before there is one).
        searcher: any name that `make_searcher` knows.
        settings: of the searcher, by name; here `reevaluate` is always False.
        **kwargs: the other arguments of `keras_tuner.Oracle`:
            `hyperparameters`, `allow_new_entries`, `tune_new_entries`,
            `max_retries_per_trial`, `max_consecutive_failed_trials`.

    Raises:
        ConfigError: an argument out of its range; from `create_trial`, a
            hyperparameter that can't be searched, by its name.
        SearchError: from `create_trial`, a trial failed that declared none.
        StoreError: from `reload`, a project that this oracle can't go on
            with.
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
        # Its state is JSON, which has no numbers of NumPy.
        settings = {n: plain(value) for n, value in (settings or {}).items()}
        make_settings(searcher, settings)
        names = searcher_settings(searcher)
        misplaced = {n: value for n, value in kwargs.items() if n in names}
        if misplaced:
            raise ConfigError(
                "the searcher's settings must be given by `settings`: "
                f"settings={misplaced}. Received: {', '.join(misplaced)}="
            )
        if "reevaluate" in names:
            # Here a point is trained once, whoever asks for it again.
            settings["reevaluate"] = False
        super().__init__(
            objective=objective, max_trials=max_trials, seed=seed, **kwargs
        )
        # The base class takes a seed of 0 for none and draws another.
        self.seed = self._seed_state = seed
        self._trials_per_round = trials_per_round
        self._failure_score = failure_score
        self.trials: dict[str, Any]
        self._made_with: dict[str, Any] = {
            "searcher": searcher,
            "settings": settings,
        }

        self._searcher: Searcher | None = None
        # What made the searcher what it is: spaces, questions and answers.
        self._calls: list[dict[str, Any]] = []
        # Asked for, no trial made yet.
        self._waiting: list[Tokens] = []
        # Asked for, not told yet.
        self._untold: list[Tokens] = []
        # Point -> trial; points are tokens with inactive decisions at 0.
        self._trial_of: dict[Tokens, str] = {}

    # What keras-tuner calls

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """The next point to train, as keras-tuner's values."""
        space = TunerSpace(self.hyperparameters.space)
        if space.search_space is None:
            return self._populate_empty(space)
        if self._searcher is None or self._searcher.space != space.search_space:
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
            asked = self._ask()
            if not asked:
                break
            self._waiting, self._untold = asked, self._untold + asked
        return {"status": "STOPPED", "values": None}

    def score_trial(self, trial: Any) -> None:
        """As keras-tuner, but an infinite objective is a failure like NaN.

        And so is one that is too large to be told: the loss has diverged.
        """
        super().score_trial(trial)
        if not is_reward(trial.score):
            trial.score = math.nan

    def create_trial(self, tuner_id: str) -> Any:
        return self._guarded(super().create_trial, tuner_id)

    def update_trial(
        self, trial_id: str, metrics: dict[str, float], step: int = 0
    ) -> Any:
        return self._guarded(super().update_trial, trial_id, metrics, step)

    def end_trial(self, trial: Any) -> None:
        self._guarded(super().end_trial, trial)

    def _guarded(self, method: Callable, *args: Any) -> Any:
        """Calls `method` so that an exception leaves the oracle unlocked.

        keras-tuner's own methods keep the lock when they raise, and every
        other thread then waits for ever.
        """
        result, error = self._caught(method, *args)
        if error is not None:
            raise error
        return result

    @keras_tuner.synchronized
    def _caught(self, method: Callable, *args: Any) -> tuple[Any, Any]:
        try:
            return method(*args), None
        except Exception as error:
            return None, error

    # Asking and telling

    def _populate_empty(self, space: TunerSpace) -> dict[str, Any]:
        """No hyperparameter is known: a first trial may show some."""
        if not self.trials:
            return _running(space.values(()))
        if self.ongoing_trials:
            # The tuner asks again at once, without end.
            time.sleep(_IDLE_SECONDS)
            return {"status": "IDLE", "values": None}
        ended = list(self.trials.values())
        if not any(trial.status == _COMPLETED for trial in ended):
            # keras-tuner's own oracles end here as if all were well.
            raise nothing_declared(ended[-1])
        return {"status": "STOPPED", "values": None}

    def _begin(self, space: TunerSpace, search_space: SearchSpace) -> None:
        """A searcher at its beginning, to be told all that is known."""
        # With the seed of the one before it would propose the same again.
        number = sum("space" in call for call in self._calls)
        seed = (self.seed + number) % 2**63
        self._do({"space": search_space.to_json(), "seed": seed})
        self._waiting, self._untold = [], []
        self._trial_of = {}
        for trial_id in self.start_order:
            point = space.tokens(self.trials[trial_id].hyperparameters.values)
            self._trial_of[point] = trial_id
            self._untold.append(point)

    def _ask(self) -> list[Tokens]:
        return self._do({"ask": self._trials_per_round})

    def _tell_ended(self, space: TunerSpace) -> None:
        """Tells the rewards that are in, in the order of the questions."""
        told, rewards, untold = [], [], []
        for tokens in self._untold:
            reward = self._reward(self._trial_of.get(space.canonical(tokens)))
            if reward is None:
                untold.append(tokens)
            else:
                told.append(tokens)
                rewards.append(reward)
        self._untold = untold
        if told:
            self._do({"tell": told, "rewards": rewards})

    def _reward(self, trial_id: str | None) -> float | None:
        """What a trial earned, to be maximized; None if not known yet."""
        if trial_id is None or trial_id not in self.end_order:
            return None
        sign = 1.0 if self.objective.direction == "max" else -1.0
        trial = self.trials[trial_id]
        if trial.status == _COMPLETED:
            return sign * float(trial.score)
        if self._failure_score is not None:
            return sign * self._failure_score
        ended = [self.trials[other] for other in self.end_order]
        return min(
            (
                sign * float(other.score)
                for other in ended
                if other.status == _COMPLETED
            ),
            default=None,
        )

    def _do(self, call: dict[str, Any]) -> list[Tokens]:
        """One call to the searcher, kept for the replay."""
        answer = self._replay(call)
        if "ask" in call:
            call = {**call, "answer": list(answer)}
        self._calls.append(call)
        return answer

    def _replay(self, call: Mapping[str, Any]) -> list[Tokens]:
        if "space" in call:
            self._searcher = make_searcher(
                self._made_with["searcher"],
                SearchSpace.from_json(call["space"]),
                seed=call["seed"],
                **self._made_with["settings"],
            )
        elif self._searcher is None:
            raise StoreError("oracle.json: the calls begin without a space.")
        elif "ask" in call:
            return self._searcher.ask(call["ask"])
        else:
            self._searcher.tell(call["tell"], call["rewards"])
        return []

    # State

    def get_state(self) -> dict[str, Any]:
        return super().get_state() | {
            "audiotag_nas": {
                "version": STATE_VERSION,
                "made_with": self._made_with,
                "calls": self._calls,
                "waiting": self._waiting,
                "untold": self._untold,
                "trial_of": list(self._trial_of.items()),
            }
        }

    def set_state(self, state: dict[str, Any]) -> None:
        self._check_state(state)
        super().set_state(state)
        mine = state["audiotag_nas"]
        self._searcher, self._calls = None, mine["calls"]
        for call in self._calls:
            answer = self._replay(call)
            if "ask" in call and answer != _as_tokens(call["answer"]):
                raise StoreError(
                    f"{self._project_dir}: the searcher no longer gives the "
                    "points it gave (another version of the software?). Go "
                    "on with that version, or begin another project."
                )
        self._waiting = _as_tokens(mine["waiting"])
        self._untold = _as_tokens(mine["untold"])
        self._trial_of = {
            tuple(point): trial_id for point, trial_id in mine["trial_of"]
        }

    def _check_state(self, state: dict[str, Any]) -> None:
        """Raises StoreError where the project is not this oracle's."""
        mine = state.get("audiotag_nas")
        if mine is None or mine["version"] != STATE_VERSION:
            raise StoreError(
                f"{self._project_dir}: the project is of another oracle."
            )
        here = {"seed": self.seed, **self._made_with}
        there = {"seed": state["seed"], **mine["made_with"]}
        for name, value in here.items():
            if value != there[name]:
                raise StoreError(
                    f"{self._project_dir}: the project was begun with "
                    f"`{name}` {there[name]!r}. Received: {value!r}"
                )

    def save(self) -> None:
        """Writes `oracle.json` whole or not at all."""
        self._write("oracle.json", self.get_state())

    def _save_trial(self, trial: Any) -> None:
        self._write(f"trial_{trial.trial_id}/trial.json", trial.get_state())

    def _write(self, name: str, state: dict[str, Any]) -> None:
        atomic_write_text(
            os.path.join(self._project_dir, name), json.dumps(state)
        )

    def reload(self) -> None:
        """Takes up a saved project, also one whose driver was killed."""
        super().reload()
        missing = [i for i in self.start_order if i not in self.trials]
        if missing:
            raise StoreError(
                f"{self._project_dir}: trial {missing[0]} has no trial.json."
            )
        # In the order of their start, not of the file names; one that was
        # written but not yet entered in oracle.json will be made again.
        self.trials = {i: self.trials[i] for i in self.start_order}
        for trial_id in list(self._retry_queue):
            trial = self.trials[trial_id]
            if trial.status == _COMPLETED and trial_id not in self.end_order:
                # It had ended; only oracle.json was not told.
                self._retry_queue.remove(trial_id)
                self._run_times[trial_id] += 1
                self.end_order.append(trial_id)
            else:
                # Or the run to come would be averaged with the one cut off.
                trial.metrics = type(trial.metrics)()


def _running(values: dict[str, Choice]) -> dict[str, Any]:
    return {"status": "RUNNING", "values": values}


def _as_tokens(rows: list[list[int]]) -> list[Tokens]:
    return [tuple(row) for row in rows]
