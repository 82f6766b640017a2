"""Events of a running search, and its outcome."""

import dataclasses

from audiotag_nas.space import Tokens
from audiotag_nas.trial import Trial, TrialResult


@dataclasses.dataclass(frozen=True)
class TrialStarted:
    """A trial was submitted to the runner."""

    trial: Trial


@dataclasses.dataclass(frozen=True)
class TrialFinished:
    """A trial's result is in the journal.

    Attributes:
        trial: the finished trial.
        result: the result of `trial`.
        num_done: number of finished trials of this search.
        num_total: number of trials of the whole search.
        best_trial: the best trial so far that was trained in full, or None.
        best_result: the result of `best_trial`, or None.
        from_journal: True if an earlier run trained the trial.
        utilization: the utilization so far, as in `SearchOutcome`.
    """

    trial: Trial
    result: TrialResult
    num_done: int
    num_total: int
    best_trial: Trial | None
    best_result: TrialResult | None
    from_journal: bool
    utilization: float | None = None


SearchEvent = TrialStarted | TrialFinished


@dataclasses.dataclass(frozen=True)
class SearchOutcome:
    """The outcome of a search.

    Attributes:
        trials: all trials, in the order of their numbers.
        results: one result per trial, in the same order.
        best_trial: the trial with the highest reward among those trained in
            full. Among equal rewards, the first trial wins.
        best_result: the result of `best_trial`.
        recommendation: the tokens that the searcher recommends.
        num_from_journal: number of trials that earlier runs finished.
        stop_reason: why there are fewer trials than requested, or empty.
        utilization: the fraction of this run's time that a slot of the runner
            spent training, averaged over all slots; None without a training.
    """

    trials: tuple[Trial, ...]
    results: tuple[TrialResult, ...]
    best_trial: Trial
    best_result: TrialResult
    recommendation: Tokens
    num_from_journal: int
    stop_reason: str
    utilization: float | None = dataclasses.field(default=None, compare=False)

    @property
    def recommended(self) -> tuple[Trial, TrialResult]:
        """The best trial of the recommended tokens that was trained in full."""
        return max(
            (
                (trial, result)
                for trial, result in zip(self.trials, self.results, strict=True)
                if trial.tokens == self.recommendation and result.is_whole
            ),
            key=lambda pair: pair[1].reward or 0.0,
        )
