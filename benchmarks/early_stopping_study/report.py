"""Compares early stoppers and formats the comparison as a table."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from audiotag_nas.report.tables import format_table
from benchmarks.early_stopping_study.replay import (
    QualityCurves,
    Replay,
    replay_at_budget,
    replay_search,
)

_UNIT = 1e-4


@dataclasses.dataclass(frozen=True)
class Row:
    """The results of one stopper over all seeds.

    Attributes:
        name: name of the stopper, marked if the numbers of epochs are equal.
        regret: mean regret, as a difference of EERs.
        difference, difference_error: each search's regret minus the regret of
            the same search without stopping: the mean and its standard error.
        num_trials: mean number of trials.
        share_of_epochs: number of epochs, divided by the number of epochs of
            the searches without stopping.
        share_of_leads_lost: share of stopped trials among those that count in
            `Replay.num_would_lead`; NaN if there are none.
        fair_bias, bare_bias: means of `Replay.fair_errors` and of
            `Replay.bare_errors`; NaN if no trial was stopped.
    """

    name: str
    regret: float
    difference: float
    difference_error: float
    num_trials: float
    share_of_epochs: float
    share_of_leads_lost: float
    fair_bias: float
    bare_bias: float


def compare(
    curves: QualityCurves,
    *,
    searcher: str,
    stoppers: Sequence[str],
    num_trials: int,
    num_seeds: int,
    share: float = 1.0,
    settings: Mapping[str, Any] | None = None,
    equal_epochs: bool = True,
) -> list[Row]:
    """Replays searches without stopping and with each stopper.

    Args:
        curves: the recorded trials.
        searcher: name of the searcher.
        stoppers: names of the stoppers.
        num_trials: number of trials per search.
        num_seeds: number of searches per row.
        share: share of the recorded points that a search can choose. Each seed
            has a different random sample.
        settings: settings of the stoppers. Each stopper uses only its own ones.
        equal_epochs: whether to compare at equal numbers of epochs too.

    Returns:
        A row without stopping, a row per stopper at equal numbers of trials,
        and with `equal_epochs` a row per stopper at equal numbers of epochs.
    """
    num_points = round(share * len(curves.qualities))
    samples = [
        curves if share == 1 else curves.sample(num_points, seed=seed)
        for seed in range(num_seeds)
    ]

    def searches(stopper: str) -> list[Replay]:
        return [
            replay_search(
                sample,
                searcher=searcher,
                early_stop=stopper,
                seed=seed,
                num_trials=num_trials,
                settings=settings,
            )
            for seed, sample in enumerate(samples)
        ]

    plain = searches("none")
    rows = [_row("none", plain, plain)]
    rows += [_row(name, searches(name), plain) for name in stoppers]
    for stopper in stoppers if equal_epochs else ():
        replays = [
            replay_at_budget(
                sample,
                searcher=searcher,
                early_stop=stopper,
                seed=seed,
                num_epochs=without.num_epochs,
                settings=settings,
            )
            for seed, (sample, without) in enumerate(
                zip(samples, plain, strict=True)
            )
        ]
        rows.append(_row(f"{stopper}, equal epochs", replays, plain))
    return rows


def table(rows: Sequence[Row], *, markdown: bool = False) -> str:
    """Formats the rows, with EERs in units of 0.0001."""
    headers = [
        *("stopping", "regret", "difference", "trials", "epochs"),
        *("leads lost", "fair bias", "bare bias"),
    ]
    cells = [
        [
            row.name,
            f"{row.regret / _UNIT:.1f}",
            f"{row.difference / _UNIT:+.1f} +- "
            f"{row.difference_error / _UNIT:.1f}",
            f"{row.num_trials:.0f}",
            f"{row.share_of_epochs:.2f}",
            _or_blank(f"{row.share_of_leads_lost:.3f}"),
            _or_blank(f"{row.fair_bias / _UNIT:+.0f}"),
            _or_blank(f"{row.bare_bias / _UNIT:+.0f}"),
        ]
        for row in rows
    ]
    return format_table(cells, headers=headers, markdown=markdown)


def _or_blank(text: str) -> str:
    return "" if "nan" in text else text


def _row(name: str, replays: list[Replay], plain: list[Replay]) -> Row:
    differences = np.array(
        [r.regret - p.regret for r, p in zip(replays, plain, strict=True)]
    )
    would_lead = sum(replay.num_would_lead for replay in replays)
    lost = sum(replay.num_leads_lost for replay in replays)
    return Row(
        name=name,
        regret=_mean([replay.regret for replay in replays]),
        difference=float(differences.mean()),
        difference_error=float(
            differences.std(ddof=1) / math.sqrt(len(differences))
        ),
        num_trials=_mean([replay.num_trials for replay in replays]),
        share_of_epochs=sum(replay.num_epochs for replay in replays)
        / sum(replay.num_epochs for replay in plain),
        share_of_leads_lost=lost / would_lead if would_lead else math.nan,
        fair_bias=_mean([e for r in replays for e in r.fair_errors]),
        bare_bias=_mean([e for r in replays for e in r.bare_errors]),
    )


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else math.nan
