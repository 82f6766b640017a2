"""Searches replayed on recorded learning curves, with children stopped early.

The loop, the searchers and the stoppers are the real ones; a training is the
look-up of a recorded curve, cut where its rule stops it, by the function by
which the trainer stops. Which recorded training a network gets, and which when
it is trained again, is the same whatever stops it, so that ways of stopping
are compared in pairs.

A search's regret is the true EER of the network it recommends less that of
the best recorded: the final EER (`RecordedTable.final_eers`), the mean over all
recorded trainings of the network.
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

_MOST_CHILDREN = 4
"""Times as many that the epochs of whole ones may pay for, at most."""


@dataclasses.dataclass(frozen=True)
class QualityCurves:
    """What recorded trainings were worth epoch by epoch, and in the end.

    Attributes:
        space: of the networks; not every point of it need be here.
        qualities: tokens -> (trainings, epochs), the quality by epoch.
        true_eer: tokens -> see the module.
    """

    space: SearchSpace
    qualities: Mapping[Tokens, np.ndarray]
    true_eer: Mapping[Tokens, float]

    @classmethod
    def of(
        cls, table: RecordedTable, *, quality: str = "eer"
    ) -> "QualityCurves":
        """All of a table's trainings.

        Args:
            table: the recording.
            quality: name of the quality that a search maximizes.

        Raises:
            ConfigError: no such quality.
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
        """The recorded point with the fewest steps from `tokens`."""
        if tokens in self.qualities:
            return tokens
        steps = np.abs(self._points - np.array(tokens)).sum(axis=1)
        return tuple(map(int, self._points[int(steps.argmin())]))

    def sample(self, num: int, *, seed: int) -> "QualityCurves":
        """`num` of the points, drawn at random."""
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
    """What one search came to.

    Attributes:
        regret: in EER.
        num_children: trained, whole or not.
        num_epochs: of all children together.
        epochs: of each child.
        num_stopped: children.
        num_would_lead: children, of those that a rule could stop, that
            trained whole are better than all whole ones before them.
        num_leads_lost: those of them that were stopped.
        told_errors: of each stopped child, the reward told of it less the one
            that it would have had.
        bare_errors: of each stopped child, its own reward less that.
    """

    regret: float
    num_children: int
    num_epochs: int
    epochs: tuple[int, ...]
    num_stopped: int
    num_would_lead: int
    num_leads_lost: int
    told_errors: tuple[float, ...]
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
    """One search, by the real loop.

    Args:
        curves: what trainings give.
        searcher: its name, see `make_searcher`.
        early_stop: the stopper's name, see `make_early_stopper`.
        seed: of the searcher, and of which recorded training is looked up.
        num_trials: children in all.
        trials_per_round: asked for at a time.
        max_open_rounds: see `run_search`.
        settings: of the stopper, where they differ from its defaults.
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
    """Of one search's trials.

    A network's seed is the same in any search of this seed, and the next
    number each time that it is trained again.
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
            architecture=CRNN_BASELINE,  # nothing is built
            seed=derive_seed(seed, str(tokens)) + num_trained[tokens] - 1,
        )

    return make_trial


def _replay(
    curves: QualityCurves,
    outcome: SearchOutcome,
    told: Mapping[Tokens, float],
) -> Replay:
    """What a search came to, by what its children would have had.

    Args:
        curves: what trainings give.
        outcome: of the search.
        told: tokens -> the reward last told of them.
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
        num_children=len(outcome.trials),
        num_epochs=sum(epochs),
        epochs=epochs,
        num_stopped=sum(stopped),
        num_would_lead=would_lead,
        num_leads_lost=lost,
        told_errors=tuple(fair - final for fair, _, final in cut),
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
    """The search of as many children as `num_epochs` epochs pay for.

    At most four times as many as they would pay for whole.

    Args:
        curves: what trainings give.
        num_epochs: at most, of all children together.
        searcher, early_stop, seed, settings: as in `replay_search`.
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

    # Once for its price list: a search cut short is the start of a longer one.
    prices = replay(_MOST_CHILDREN * num_epochs // curves.num_epochs).epochs
    affordable = np.searchsorted(np.cumsum(prices), num_epochs, side="right")
    return replay(max(1, int(affordable)))


class _RecordedSearcher:
    """A searcher that is asked only for what was recorded.

    A point that was not is replaced by the nearest that was, so that a part
    of a recording can be searched too.

    Attributes:
        told: tokens -> the reward last told of them.
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
    """A `TrialRunner` whose trainings are looked up."""

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
    """What a child with this curve gives, stopped where its rule says so."""
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
    """A journal in memory: a replay costs milliseconds and needs no disk."""

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
    """See `Replay.num_would_lead` and `Replay.num_leads_lost`."""
    best = -np.inf
    would_lead = lost = 0
    for trial, final, is_cut in zip(trials, finals, stopped, strict=True):
        if final > best and trial.stop_rule:
            would_lead += 1
            lost += is_cut
        if not is_cut:
            best = max(best, final)
    return would_lead, lost
