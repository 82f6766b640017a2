"""The search loop: ask, train, journal, tell, round after round.

A search is a pure function of its searcher and of the trials' results, and
every result is in the journal before anything learns from it. So the loop has
no state of its own to save: started again, it asks the same searcher the same
questions, takes the answers that the journal has and trains the rest, and
ends as if it had never stopped.

A round's rewards are told in the order in which they were asked for, once all
of the round are in. The order in which a runner finishes them changes the
order of the journal's lines (`JournalEntry.order`) and nothing else.

Rounds may overlap, so that a straggler does not idle the other workers: with
`max_open_rounds` L, round r is asked once rounds 0 .. r - L are told, and
exactly those. What is learned when is thus a rule, not a matter of time: any
number of workers gives the same search.

Where children may be stopped early, that holds for them too: the rule by
which a child is stopped is made when it is asked for, from the rounds told by
then, and is part of its trial.
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
"""Rounds in a row that propose nothing new, after which a search ends."""

MakeTrial = Callable[[int, int, Tokens], Trial]
"""(number of the trial from 0, round, tokens) -> the trial."""


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
    """Searches until `num_trials` trainings are done, new or journaled.

    Every round asks for `trials_per_round` tokens, also the last, of which
    only as many are trained as are left: so a search that is run again with
    more trials goes on as if it had had them from the start.

    Args:
        searcher: at its beginning; it is asked and told again from round 0.
        runner: trains; closing it is left to the caller.
        journal: read for finished trials and appended to; its other stages'
            lines are not looked at.
        stage: the stage of the trials that `make_trial` makes.
        num_trials: trainings in all, those in the journal included.
        trials_per_round: tokens to ask for at a time.
        make_trial: (number, round, tokens) -> Trial; the same each time.
        failure_reward: told for a failed trial.
        retrain_repeats: train tokens again that were trained (always so if the
            searcher `repeats_on_purpose`); if False their
            known reward is told again and the training is not counted.
        max_open_rounds: rounds asked for and not yet told, at most. With 1
            everything known is learned before anything is asked, and workers
            wait for a round's last training.
        early_stopper: at its beginning; makes each trial's `stop_rule` and
            the reward that is told of a stopped one. None stops none.
        on_event: called with each event, on this thread.

    Returns:
        The outcome. It has fewer trials than `num_trials` where the searcher
        came to its end, every point was trained, or nothing new was proposed
        for `MAX_IDLE_ROUNDS` rounds; `stop_reason` then says so.

    Raises:
        SearchError: every trial failed; raised as soon as two rounds (and at
            least 4 trials) have.
        StoreError: the journal holds another trial under an asked one's id,
            or can't be written.
        ConfigError: an argument out of its range, or tokens that are not of
            the space.
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
    on_event = _ignore if on_event is None else on_event
    search = _Search(
        searcher=searcher,
        queue=TrainingQueue(
            runner, lambda trial: on_event(TrialStarted(trial))
        ),
        journal=journal,
        stage=stage,
        num_trials=num_trials,
        make_trial=make_trial,
        failure_reward=failure_reward,
        retrain_repeats=retrain_repeats
        or getattr(searcher, "repeats_on_purpose", False),
        early_stopper=early_stopper,
        on_event=on_event,
    )
    stop_reason = search.run_rounds(trials_per_round, max_open_rounds)
    return search.outcome(stop_reason)


@dataclasses.dataclass
class _Search:
    """One call of `run_search`: its arguments, and what it has so far."""

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
    told: dict[int, float] = dataclasses.field(default_factory=dict)

    def run_rounds(self, trials_per_round: int, max_open_rounds: int) -> str:
        """Returns why it stopped early, or an empty string."""
        open_rounds: collections.deque[list[int]] = collections.deque()
        round_number = num_idle = 0
        stop_reason = ""
        while True:
            while len(open_rounds) < max_open_rounds and not stop_reason:
                if len(self.trials) == self.num_trials:
                    break
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
                        "the searcher proposed nothing new for "
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
        """The numbers of a new round's trials, or why there is no round."""
        if self._is_exhausted():
            return [], "every point of the space has been trained"
        asked = [
            self.searcher.space.validate(tokens)
            for tokens in self.searcher.ask(trials_per_round)
        ]
        if not asked:
            return [], "the searcher has nothing left to try"
        return self._number(asked, round_number), ""

    def _is_exhausted(self) -> bool:
        return (
            not self.retrain_repeats
            and len(self.number_of) == self.searcher.space.size
        )

    def _number(self, asked: list[Tokens], round_number: int) -> list[int]:
        """Numbers of the trials that answer `asked`; makes the new ones.

        Tokens that no trial is left for go unanswered.
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
        """The trial, with what may stop it by what is told now.

        Tokens trained again are trained whole: who asks for them once more
        wants to know how good they are, and a guess from a cut curve is no
        better than the training before.
        """
        trial = self.make_trial(number, round_number, tokens)
        rule = [] if self.early_stopper is None else self.early_stopper.rule()
        if not rule or tokens in self.number_of:
            return trial
        return dataclasses.replace(trial, stop_rule=rule)

    def _train(self, numbers: list[int]) -> None:
        """Waits for these trials; whatever else is asked for trains too."""
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
                f"{trial.trial_id} is of another search: {differences[0]}. "
                f"{self._way_out(trial)}"
            )
        self.num_from_journal += 1
        self._finish(trial, entry.result, from_journal=True)
        return True

    def _way_out(self, trial: Trial) -> str:
        """Where the journal does not hold the trial that is asked for."""
        if len(self.results) > self.num_from_journal:
            return (
                "Trials before it were trained again, and what was learned "
                f"from them is another. To go on, remove the {self.stage}'s "
                f"lines of round {trial.round} and later."
            )
        return (
            "Use another working directory, or the settings that the journal "
            "was made with."
        )

    def _finish(
        self, trial: Trial, result: TrialResult, *, from_journal: bool
    ) -> None:
        self.results[trial.trial_id] = result
        # By number, not by arrival: among equals the first asked for wins.
        whole = [
            (t, self.results[t.trial_id])
            for t in self.trials
            if t.trial_id in self.results and self.results[t.trial_id].is_whole
        ]
        self.best = max(whole, key=_reward, default=None)
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
        """Tells a round; of a trial told before, the reward told then."""
        new = {
            number: self.results[self.trials[number].trial_id]
            for number in numbers
            if number not in self.told
        }
        if self.early_stopper is not None:
            self.early_stopper.tell(list(new.values()))
        for number, result in new.items():
            self.told[number] = self._told_reward(result)
        self.searcher.tell(
            [self.trials[number].tokens for number in numbers],
            [self.told[number] for number in numbers],
        )

    def _told_reward(self, result: TrialResult) -> float:
        if result.reward is None or not is_reward(result.reward):
            return self.failure_reward
        if self.early_stopper is None or result.is_whole:
            return result.reward
        return self.early_stopper.fair_reward(result)

    def _check_failures(self, num_enough: int) -> None:
        """Stops a search in which enough trials were run and all failed."""
        if self.best is not None or not self.results:
            return
        if num_enough and len(self.told) < max(4, num_enough):
            return
        # Open rounds have their say too: how much of them is in is chance.
        self._train(list(range(len(self.trials))))
        if self.best is not None:
            return
        reasons = collections.Counter(
            self.results[trial.trial_id].reason for trial in self.trials
        )
        reason, count = reasons.most_common(1)[0]
        raise SearchError(
            f"{self.stage}: all {len(self.results)} trials failed, {count} of "
            f"them with: {reason.rstrip('.')}. To train them again once the "
            f"cause is gone, remove their lines from {self.journal.path}."
        )

    def _recommendation(self) -> Tokens:
        """The searcher's, of the tokens that were trained to their end.

        A searcher can't tell a failure from a reward as low as the penalty,
        nor what a stopped child would have become from what one became.
        """
        return self.searcher.recommend(
            among={
                trial.tokens
                for trial in self.trials
                if self.results[trial.trial_id].is_whole
            }
        )


def _ignore(event: SearchEvent) -> None:
    """Where nobody wants to be told."""


def _reward(pair: tuple[Trial, TrialResult]) -> float:
    reward = pair[1].reward
    return -math.inf if reward is None else reward
