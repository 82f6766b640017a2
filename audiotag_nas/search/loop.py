"""The search loop: ask, train, journal, tell, round after round.

The loop has no state to save. A search depends only on its searcher and on the
trials' results, and every result is in the journal before the searcher learns
from it. A restarted loop makes the same calls of a new searcher, takes the
results of finished trials from the journal, and trains the other trials. The
outcome of the search is the same as without the restart.

The rewards of a round are told once all of them are known, in the order of
`ask`. The order in which a runner finishes trials only affects the order of the
journal's lines (`JournalEntry.order`).

Rounds may overlap, so that the workers need not wait for a round's slowest
trial. If `max_open_rounds` is L, round r is asked when exactly the rounds
0 .. r - L have been told. The search is thus the same for any number of
workers, even with early stopping: a trial's stop rule is made together with the
trial, from the rounds told by then.
"""

import collections
import dataclasses
import math
from collections.abc import Callable

from audiotag_nas.errors import ConfigError, SearchError, StoreError
from audiotag_nas.search.early_stopping import EarlyStopper
from audiotag_nas.search.events import (
    SearchEvent,
    SearchOutcome,
    TrialFinished,
    TrialStarted,
)
from audiotag_nas.search.journal import Journal
from audiotag_nas.search.searcher import Searcher, is_reward
from audiotag_nas.search.training_queue import TrainingQueue
from audiotag_nas.space import Tokens
from audiotag_nas.trial import MAX_REWARD, Trial, TrialResult, TrialRunner

MAX_IDLE_ROUNDS = 50
"""A search ends after this many consecutive rounds without a new point."""

MakeTrial = Callable[[int, int, Tokens], Trial]
"""Makes a trial from its number (counted from 0), round and tokens."""


def run_search(
    searcher: Searcher,
    runner: TrialRunner,
    journal: Journal,
    *,
    stage: str,
    num_trials: int,
    trials_per_round: int,
    make_trial: MakeTrial,
    failure_reward: float,
    retrain_repeats: bool = False,
    max_open_rounds: int = 1,
    early_stopper: EarlyStopper | None = None,
    on_event: Callable[[SearchEvent], None] | None = None,
) -> SearchOutcome:
    """Runs a search until `num_trials` trials are finished.

    Every round asks for `trials_per_round` points, even the last round, which
    may train only some of its points. A search that is extended later is
    therefore equal to a search that had the larger `num_trials` from the start.

    Args:
        searcher: a new searcher, which is asked and told all rounds from
            round 0, including those in the journal.
        runner: the runner of the trials. The caller must close the runner.
        journal: has the finished trials, and gets the new ones. Lines of other
            stages are ignored.
        stage: the stage of the trials that `make_trial` makes.
        num_trials: number of all trials, including those in the journal.
        trials_per_round: number of points per `ask`.
        make_trial: a pure function (number, round, tokens) -> Trial.
        failure_reward: the reward that is told for a failed trial.
        retrain_repeats: if True, a point that is proposed again is trained
            again. If False, the point's known reward is told again, without a
            new trial. A searcher with `repeats_on_purpose` implies True.
        max_open_rounds: maximum number of rounds that were asked and not yet
            told. If 1, idle workers wait for the last trial of the round.
        early_stopper: a new early stopper, or None to train every trial in
            full.
        on_event: a function that is called with each event, on this thread.

    Returns:
        The outcome. If the searcher had no more proposals, every point was
        trained, or `MAX_IDLE_ROUNDS` rounds proposed no new point, the outcome
        has fewer trials than `num_trials`, and a `stop_reason`.

    Raises:
        SearchError: all trials failed. This is checked once two rounds and at
            least 4 trials have ended, and at the end of the search.
        StoreError: the journal has a different trial with the same id, or the
            journal can't be written.
        ConfigError: an argument is out of range, or the searcher proposed a
            point that is not of the space.
    """
    for name, value in (
        ("num_trials", num_trials),
        ("trials_per_round", trials_per_round),
        ("max_open_rounds", max_open_rounds),
    ):
        if value < 1:
            raise ConfigError(f"`{name}` must be positive. Received: {value}")
    if not is_reward(failure_reward):
        raise ConfigError(
            "`failure_reward` must be finite and at most "
            f"{MAX_REWARD:g} in magnitude. Received: {failure_reward}"
        )
    emit = (lambda event: None) if on_event is None else on_event
    search = _Search(
        searcher=searcher,
        queue=TrainingQueue(runner, lambda trial: emit(TrialStarted(trial))),
        journal=journal,
        stage=stage,
        num_trials=num_trials,
        make_trial=make_trial,
        failure_reward=failure_reward,
        retrain_repeats=retrain_repeats
        or getattr(searcher, "repeats_on_purpose", False),
        early_stopper=early_stopper,
        on_event=emit,
    )
    stop_reason = search.run_rounds(trials_per_round, max_open_rounds)
    return search.outcome(stop_reason)


@dataclasses.dataclass
class _Search:
    """The arguments and the state of one call of `run_search`.

    Attributes:
        trials: the trials in the order of their numbers.
        results: the results by trial id.
        number_of: the number of the first trial of each point.
        best: the best full training so far, as its trial and its result.
        num_from_journal: number of trials taken from the journal.
        rewards: each trial's told reward, by the number of the trial.
    """

    searcher: Searcher
    queue: TrainingQueue
    journal: Journal
    stage: str
    num_trials: int
    make_trial: MakeTrial
    failure_reward: float
    retrain_repeats: bool
    early_stopper: EarlyStopper | None
    on_event: Callable[[SearchEvent], None]

    trials: list[Trial] = dataclasses.field(default_factory=list)
    results: dict[str, TrialResult] = dataclasses.field(default_factory=dict)
    number_of: dict[Tokens, int] = dataclasses.field(default_factory=dict)
    best: tuple[Trial, TrialResult] | None = None
    num_from_journal: int = 0
    rewards: dict[int, float] = dataclasses.field(default_factory=dict)

    def run_rounds(self, trials_per_round: int, max_open_rounds: int) -> str:
        """Runs the search; returns why it ended early, or an empty string."""
        open_rounds: collections.deque[list[int]] = collections.deque()
        round_number = num_idle = 0
        stop_reason = ""
        while True:
            while (
                len(open_rounds) < max_open_rounds
                and len(self.trials) < self.num_trials
                and not stop_reason
            ):
                num_before = len(self.trials)
                numbers, stop_reason = self._ask(trials_per_round, round_number)
                if stop_reason:
                    break
                open_rounds.append(numbers)
                round_number += 1
                is_idle = len(self.trials) == num_before
                num_idle = num_idle + 1 if is_idle else 0
                if num_idle == MAX_IDLE_ROUNDS:
                    stop_reason = (
                        "the searcher proposed no new point for "
                        f"{num_idle} rounds"
                    )
            if not open_rounds:
                return stop_reason
            numbers = open_rounds.popleft()
            self._train(numbers)
            self._tell(numbers)
            self._check_failures(2 * trials_per_round)

    def outcome(self, stop_reason: str) -> SearchOutcome:
        self._check_failures(0)
        if self.best is None:
            raise SearchError(f"{self.stage}: no trial was run: {stop_reason}.")
        results = tuple(self.results[t.trial_id] for t in self.trials)
        return SearchOutcome(
            trials=tuple(self.trials),
            results=results,
            best_trial=self.best[0],
            best_result=self.best[1],
            recommendation=self._recommendation(),
            num_from_journal=self.num_from_journal,
            stop_reason=stop_reason,
            utilization=self.queue.utilization,
        )

    def _ask(
        self, trials_per_round: int, round_number: int
    ) -> tuple[list[int], str]:
        """The trial numbers of a new round, or why there is no new round."""
        if (
            not self.retrain_repeats
            and len(self.number_of) == self.searcher.space.size
        ):
            return [], "every point of the space has been trained"
        asked = [
            self.searcher.space.validate(tokens)
            for tokens in self.searcher.ask(trials_per_round)
        ]
        if not asked:
            return [], "the searcher has no more points to propose"
        return self._number(asked, round_number), ""

    def _number(self, asked: list[Tokens], round_number: int) -> list[int]:
        """Makes the new trials of a round; returns the round's trial numbers.

        Once there are `num_trials` trials, new points are dropped.
        """
        numbers = []
        for tokens in asked:
            number = self.number_of.get(tokens)
            if number is None or self.retrain_repeats:
                number = len(self.trials)
                if number == self.num_trials:
                    continue
                trial = self._make_trial(number, round_number, tokens)
                self.trials.append(trial)
                if not self._take_from_journal(trial):
                    self.queue.add(trial)
                self.number_of.setdefault(tokens, number)
            numbers.append(number)
        return numbers

    def _make_trial(
        self, number: int, round_number: int, tokens: Tokens
    ) -> Trial:
        """The trial with its stop rule.

        A point proposed again is trained in full, because the searcher wants a
        better estimate of the point's reward.
        """
        trial = self.make_trial(number, round_number, tokens)
        rule = [] if self.early_stopper is None else self.early_stopper.rule()
        if not rule or tokens in self.number_of:
            return trial
        return dataclasses.replace(trial, stop_rule=rule)

    def _train(self, numbers: list[int]) -> None:
        """Waits until these trials end; trials of other rounds keep running."""
        ids = {self.trials[number].trial_id for number in numbers}
        while not ids <= self.results.keys():
            trial, result = self.queue.next_result()
            entry = self.journal.append(trial, result)
            self._finish(trial, entry.result, from_journal=False)

    def _take_from_journal(self, trial: Trial) -> bool:
        entry = self.journal.get(trial.trial_id)
        if entry is None:
            return False
        differences = entry.differences(trial)
        if differences:
            raise StoreError(
                f"{self.journal.path}, line {entry.line_number}: trial "
                f"{trial.trial_id} belongs to another search: "
                f"{differences[0]}. {self._remedy(trial)}"
            )
        self.num_from_journal += 1
        self._finish(trial, entry.result, from_journal=True)
        return True

    def _remedy(self, trial: Trial) -> str:
        """How to proceed if the journal has a different trial of this id."""
        if len(self.results) > self.num_from_journal:
            return (
                "Earlier trials were retrained and got other results. To "
                f"continue, remove the lines of stage {self.stage} from round "
                f"{trial.round} on."
            )
        return (
            "Use the settings of the journal's search, or another working "
            "directory."
        )

    def _finish(
        self, trial: Trial, result: TrialResult, *, from_journal: bool
    ) -> None:
        self.results[trial.trial_id] = result
        # In the order of trial numbers, so that the first of equals wins.
        whole = [
            (t, self.results[t.trial_id])
            for t in self.trials
            if t.trial_id in self.results and self.results[t.trial_id].is_whole
        ]
        self.best = max(whole, key=_measured_reward, default=None)
        best_trial, best_result = self.best or (None, None)
        self.on_event(
            TrialFinished(
                trial=trial,
                result=result,
                num_done=len(self.results),
                num_total=self.num_trials,
                best_trial=best_trial,
                best_result=best_result,
                from_journal=from_journal,
                utilization=self.queue.utilization,
            )
        )

    def _tell(self, numbers: list[int]) -> None:
        """Tells a round's rewards; a trial told again has the same reward."""
        new = {
            number: self.results[self.trials[number].trial_id]
            for number in numbers
            if number not in self.rewards
        }
        if self.early_stopper is not None:
            self.early_stopper.tell(list(new.values()))
        for number, result in new.items():
            self.rewards[number] = self._reward(result)
        self.searcher.tell(
            [self.trials[number].tokens for number in numbers],
            [self.rewards[number] for number in numbers],
        )

    def _reward(self, result: TrialResult) -> float:
        if result.reward is None or not is_reward(result.reward):
            return self.failure_reward
        if self.early_stopper is None or result.is_whole:
            return result.reward
        return self.early_stopper.estimated_final_reward(result)

    def _check_failures(self, min_trials: int) -> None:
        """Raises SearchError if all trials, `min_trials` or more, failed."""
        if self.best is not None or not self.results:
            return
        if min_trials and len(self.rewards) < max(4, min_trials):
            return
        # Also wait for the open rounds: the decision must not depend on which
        # of their trials happened to end by now.
        self._train(list(range(len(self.trials))))
        if self.best is not None:
            return
        reasons = collections.Counter(
            self.results[trial.trial_id].reason for trial in self.trials
        )
        reason, count = reasons.most_common(1)[0]
        raise SearchError(
            f"{self.stage}: all {len(self.results)} trials failed, {count} of "
            f"them with: {reason.rstrip('.')}. Fix the cause. To retrain the "
            f"trials, also remove their lines from {self.journal.path}."
        )

    def _recommendation(self) -> Tokens:
        """The point that the searcher recommends among full trainings.

        The searcher alone would also consider failed and stopped trials, for
        which it was told a fixed or an estimated reward.
        """
        return self.searcher.recommend(
            among={
                trial.tokens
                for trial in self.trials
                if self.results[trial.trial_id].is_whole
            }
        )


def _measured_reward(pair: tuple[Trial, TrialResult]) -> float:
    reward = pair[1].reward
    return -math.inf if reward is None else reward
