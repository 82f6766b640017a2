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
        result: its result.
        num_done: finished trials of this search.
        num_total: all trials of this search.
        best_trial: the best full training so far, or None.
        best_result: its result.
        from_journal: whether an earlier run trained it.
        utilization: so far; see `SearchOutcome`.
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
        trials: in the order of their numbers.
        results: one per trial, in the same order.
        best_trial: the first full training with the highest reward.
        best_result: its result.
        recommendation: the tokens that the searcher recommends.
        num_from_journal: trials that earlier runs finished.
        stop_reason: why there are fewer trials than requested, or empty.
        utilization: the fraction of the runner's slots' time that was spent
            training in this run; None if nothing was trained.
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
        """The best full training of the recommended tokens."""
        return max(
            (
                (trial, result)
                for trial, result in zip(self.trials, self.results, strict=True)
                if trial.tokens == self.recommendation and result.is_whole
            ),
            key=lambda pair: pair[1].reward or 0.0,
        )
