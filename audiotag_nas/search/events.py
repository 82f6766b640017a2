"""What a search tells while it runs, and what it found at its end."""

import dataclasses

from audiotag_nas.space import Tokens
from audiotag_nas.trial import Trial, TrialResult


@dataclasses.dataclass(frozen=True)
class TrialStarted:
    """A trial was given to the runner, which had a free slot for it."""

    trial: Trial


@dataclasses.dataclass(frozen=True)
class TrialFinished:
    """A trial's result is in the journal.

    Attributes:
        trial: what was run.
        result: what came of it.
        num_done: trials of this search finished so far.
        num_total: trials that the search is to have.
        best_trial: the best completed one so far, of those not stopped early;
            None if there is none.
        best_result: its result.
        from_journal: an earlier run trained it; nothing was run now.
        utilization: see `SearchOutcome`; so far.
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
    """What a search found.

    Attributes:
        trials: in the order of their numbers.
        results: one a trial, in the same order.
        best_trial: of the highest reward, among those not stopped early;
            among equals the first.
        best_result: its result.
        recommendation: the tokens that the searcher recommends.
        num_from_journal: trials that an earlier run had finished.
        stop_reason: why there are fewer trials than asked for; else empty.
        utilization: seconds that the trials of this run trained, over its
            seconds times the runner's slots; None if nothing was trained.
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
        """Of the recommended tokens' whole trainings that of most reward."""
        return max(
            (
                (trial, result)
                for trial, result in zip(self.trials, self.results, strict=True)
                if trial.tokens == self.recommendation and result.is_whole
            ),
            key=lambda pair: pair[1].reward or 0.0,
        )
