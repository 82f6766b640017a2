"""Replays searches with early stopping on recorded learning curves.

The search loop, the searchers and the stoppers (rules that stop trials early)
are those of the package. Instead of a training, the curve of a recorded trial
is looked up, and is cut where the trainer would stop the training. The choice
of the recorded trial depends on the seed, but not on the stopper. Searches with
the same seed and different stoppers are therefore compared in pairs.

The true EER of a network is its final EER (`RecordedTable.final_eers`),
averaged over its recorded trials. The regret of a search is the true EER of the
recommended network minus the lowest true EER.
"""

import collections
import dataclasses
import functools
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from audiotag_nas.architecture import CRNN_BASELINE
from audiotag_nas.experiment.stages import derive_seed
from audiotag_nas.search.early_stopping import make_early_stopper
from audiotag_nas.search.events import SearchOutcome
from audiotag_nas.search.journal import Journal, JournalEntry
from audiotag_nas.search.loop import MakeTrial, run_search
from audiotag_nas.search.searcher import Searcher, make_searcher
from audiotag_nas.space import SearchSpace, Tokens
from audiotag_nas.trial import Trial, TrialResult, TrialStatus, is_stopped
from benchmarks.table.recorded_table import RecordedTable

_MAX_TRIALS_FACTOR = 4
"""At equal numbers of epochs, a search with stopping has at most this many
times the trials of a search without stopping."""


@dataclasses.dataclass(frozen=True)
class QualityCurves:
    """The qualities of recorded trials after each epoch, and the true EERs.

    Attributes:
        space: the search space. Some of its points may have no trials.
        qualities: point -> array of shape (trials, epochs). Column e is the
            quality of the first e + 1 epochs.
        true_eer: point -> true EER (see the module's docstring).
    """

    space: SearchSpace
    qualities: Mapping[Tokens, np.ndarray]
    true_eer: Mapping[Tokens, float]

    @classmethod
    def of(
        cls, table: RecordedTable, *, quality: str = "eer"
    ) -> "QualityCurves":
        """Returns the curves of all trials of a table.

        Args:
            table: the recorded table.
            quality: name of the quality that searches maximize.

        Raises:
            ConfigError: the quality is unknown.
        """
        points = [tuple(map(int, tokens)) for tokens in table.tokens]
        qualities = np.stack(
            [
                table.quality(quality, num_epochs=end)
                for end in range(1, table.num_epochs + 1)
            ],
            axis=2,
        )
        true_eer = table.final_eers().mean(axis=1).tolist()
        return cls(
            space=table.space,
            qualities=dict(zip(points, qualities, strict=True)),
            true_eer=dict(zip(points, true_eer, strict=True)),
        )

    @property
    def num_epochs(self) -> int:
        return next(iter(self.qualities.values())).shape[1]

    @property
    def least_eer(self) -> float:
        return min(self.true_eer.values())

    @functools.cached_property
    def _points(self) -> np.ndarray:
        return np.array(list(self.qualities))

    def nearest(self, tokens: Tokens) -> Tokens:
        """Returns the recorded point with least L1 distance to `tokens`."""
        if tokens in self.qualities:
            return tokens
        steps = np.abs(self._points - np.array(tokens)).sum(axis=1)
        return tuple(map(int, self._points[int(steps.argmin())]))

    def sample(self, num: int, *, seed: int) -> "QualityCurves":
        """Returns the curves of `num` random points."""
        points = list(self.qualities)
        drawn = np.random.default_rng(seed).permutation(len(points))[:num]
        chosen = [points[index] for index in drawn]
        return dataclasses.replace(
            self,
            qualities={point: self.qualities[point] for point in chosen},
            true_eer={point: self.true_eer[point] for point in chosen},
        )


@dataclasses.dataclass(frozen=True)
class Replay:
    """The result of one replayed search.

    Attributes:
        regret: regret of the search, as a difference of EERs.
        num_trials: number of trials, including stopped trials.
        num_epochs: total number of epochs.
        epochs: number of epochs of each trial.
        num_stopped: number of stopped trials.
        num_would_lead: number of trials with a stop rule whose complete
            training is better than each earlier trial that was not stopped.
        num_leads_lost: number of stopped trials among those that would lead.
        fair_errors: for each stopped trial, the reward that the searcher was
            told, minus the reward of the complete training.
        bare_errors: for each stopped trial, the reward at the stopped epoch,
            minus the reward of the complete training.
    """

    regret: float
    num_trials: int
    num_epochs: int
    epochs: tuple[int, ...]
    num_stopped: int
    num_would_lead: int
    num_leads_lost: int
    fair_errors: tuple[float, ...]
    bare_errors: tuple[float, ...]


def replay_search(
    curves: QualityCurves,
    *,
    searcher: str,
    early_stop: str,
    seed: int,
    num_trials: int,
    trials_per_round: int = 4,
    max_open_rounds: int = 1,
    settings: Mapping[str, Any] | None = None,
) -> Replay:
    """Runs one search with the package's loop on recorded curves.

    Args:
        curves: the recorded trials.
        searcher: name of the searcher (see `make_searcher`).
        early_stop: name of the stopper (see `make_early_stopper`).
        seed: seed of the searcher and of the choice of recorded trials.
        num_trials: number of trials of the search.
        trials_per_round: number of trials per round.
        max_open_rounds: see `run_search`.
        settings: settings of the stopper that differ from the defaults.
    """
    recorded = _RecordedSearcher(
        make_searcher(searcher, curves.space, seed=seed), curves
    )
    outcome = run_search(
        recorded,
        _ReplayRunner(curves),
        _UnwrittenJournal(os.devnull),
        stage="search",
        num_trials=min(num_trials, len(curves.qualities)),
        trials_per_round=trials_per_round,
        make_trial=_trial_maker(seed),
        failure_reward=0.0,
        max_open_rounds=max_open_rounds,
        early_stopper=make_early_stopper(
            early_stop, num_epochs=curves.num_epochs, **(settings or {})
        ),
    )
    return _replay(curves, outcome, recorded.told)


def _trial_maker(seed: int) -> MakeTrial:
    """Returns a function that makes a search's trials.

    The seed of a network's first trial depends only on `seed` and the network.
    For each further trial of the same network, the seed increases by 1.
    """
    num_trained: collections.Counter[Tokens] = collections.Counter()

    def make_trial(number: int, round_number: int, tokens: Tokens) -> Trial:
        num_trained[tokens] += 1
        return Trial(
            trial_id=f"search-{number:04d}",
            stage="search",
            round=round_number,
            tokens=tokens,
            hparams={},
            architecture=CRNN_BASELINE,  # unused, because no network is built
            seed=derive_seed(seed, str(tokens)) + num_trained[tokens] - 1,
        )

    return make_trial


def _replay(
    curves: QualityCurves, outcome: SearchOutcome, told: Mapping[Tokens, float]
) -> Replay:
    """Compares a search's results with the complete trials.

    Args:
        curves: the recorded trials.
        outcome: outcome of the search.
        told: point -> the last reward that the searcher was told.
    """
    finals = [_curve(curves, trial)[-1] for trial in outcome.trials]
    stopped = [r.stopped_epoch > 0 for r in outcome.results]
    cut = [
        (told[trial.tokens], result.reward or 0.0, final)
        for trial, result, final, is_cut in zip(
            outcome.trials, outcome.results, finals, stopped, strict=True
        )
        if is_cut
    ]
    would_lead, lost = _count_leads(outcome.trials, finals, stopped)
    epochs = tuple(len(r.history["quality"]) for r in outcome.results)
    return Replay(
        regret=curves.true_eer[outcome.recommendation] - curves.least_eer,
        num_trials=len(outcome.trials),
        num_epochs=sum(epochs),
        epochs=epochs,
        num_stopped=sum(stopped),
        num_would_lead=would_lead,
        num_leads_lost=lost,
        fair_errors=tuple(fair - final for fair, _, final in cut),
        bare_errors=tuple(bare - final for _, bare, final in cut),
    )


def replay_at_budget(
    curves: QualityCurves,
    *,
    num_epochs: int,
    searcher: str,
    early_stop: str,
    seed: int,
    settings: Mapping[str, Any] | None = None,
) -> Replay:
    """Runs the longest search that needs at most `num_epochs` epochs.

    The search has at most four times the trials of a search without stopping.

    Args:
        curves: the recorded trials.
        num_epochs: limit on the epochs of all trials.
        searcher, early_stop, seed, settings: see `replay_search`.
    """

    def replay(num_trials: int) -> Replay:
        return replay_search(
            curves,
            searcher=searcher,
            early_stop=early_stop,
            seed=seed,
            num_trials=num_trials,
            settings=settings,
        )

    # A shorter search is equal to the start of a longer search. The epochs of
    # the longest search thus show how many epochs each shorter search needs.
    epochs = replay(_MAX_TRIALS_FACTOR * num_epochs // curves.num_epochs).epochs
    num_trials = np.searchsorted(np.cumsum(epochs), num_epochs, side="right")
    return replay(max(1, int(num_trials)))


class _RecordedSearcher:
    """A searcher that proposes recorded points only.

    A point without a recorded trial is replaced by the nearest recorded point,
    so that a sample of a table can be searched.

    Attributes:
        told: point -> the last reward that the searcher was told.
    """

    def __init__(self, searcher: Searcher, curves: QualityCurves) -> None:
        self._searcher = searcher
        self._curves = curves
        self.told: dict[Tokens, float] = {}

    @property
    def space(self) -> SearchSpace:
        return self._searcher.space

    def ask(self, num: int) -> list[Tokens]:
        return [self._curves.nearest(t) for t in self._searcher.ask(num)]

    def tell(
        self, tokens: Sequence[Sequence[int]], rewards: Sequence[float]
    ) -> None:
        self._searcher.tell(tokens, rewards)
        for point, reward in zip(tokens, rewards, strict=True):
            self.told[tuple(point)] = reward

    @property
    def repeats_on_purpose(self) -> bool:
        return getattr(self._searcher, "repeats_on_purpose", False)

    def recommend(self, among: Iterable[Sequence[int]] | None = None) -> Tokens:
        return self._searcher.recommend(among)


class _ReplayRunner:
    """A `TrialRunner` that looks up recorded trials."""

    num_slots = 1

    def __init__(self, curves: QualityCurves) -> None:
        self._curves = curves
        self._waiting: collections.deque[Trial] = collections.deque()

    def submit(self, trial: Trial) -> None:
        self._waiting.append(trial)

    def next_result(self) -> TrialResult:
        trial = self._waiting.popleft()
        return cut_result(trial, _curve(self._curves, trial).tolist())

    def close(self) -> None:
        self._waiting.clear()


def cut_result(trial: Trial, quality: Sequence[float]) -> TrialResult:
    """Returns the result of a trial whose complete curve is `quality`."""
    metrics: dict[str, float] = {}
    num_epochs = len(quality)
    for epoch in range(1, num_epochs):
        if is_stopped(trial.stop_rule, epoch, quality[epoch - 1]):
            metrics["stopped_epoch"] = num_epochs = epoch
            break
    history = {"quality": list(quality[:num_epochs])}
    return TrialResult(
        trial_id=trial.trial_id,
        status=TrialStatus.COMPLETED,
        reward=history["quality"][-1],
        metrics=metrics,
        history=history,
    )


class _UnwrittenJournal(Journal):
    """A journal in memory, because writing would take longer than a replay."""

    def _read(self) -> tuple[list[JournalEntry], int, int]:
        return [], 0, 0

    def _write(self, data: bytes) -> None:
        del data


def _curve(curves: QualityCurves, trial: Trial) -> np.ndarray:
    trainings = curves.qualities[trial.tokens]
    return trainings[trial.seed % len(trainings)]


def _count_leads(
    trials: Sequence[Trial], finals: Sequence[float], stopped: Sequence[bool]
) -> tuple[int, int]:
    """Returns `Replay.num_would_lead` and `Replay.num_leads_lost`."""
    best = -np.inf
    would_lead = lost = 0
    for trial, final, is_cut in zip(trials, finals, stopped, strict=True):
        if final > best and trial.stop_rule:
            would_lead += 1
            lost += is_cut
        if not is_cut:
            best = max(best, final)
    return would_lead, lost
