"""The comparison of ways to stop children early, in numbers and as a table."""

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
    """One way to stop, over all seeds.

    Attributes:
        name: of the stopper, and whether it had as many epochs.
        regret: mean, in EER.
        difference, difference_error: of the regret to the same searches
            without stopping, mean and standard error of the pairs.
        num_children: mean.
        share_of_epochs: of those that the searches without stopping took.
        share_of_leads_lost: of the children that would have led, those that
            were stopped; NaN if none would.
        told_bias, bare_bias: mean error of what was told of a stopped child,
            and of its bare reward; NaN if none was stopped.
    """

    name: str
    regret: float
    difference: float
    difference_error: float
    num_children: float
    share_of_epochs: float
    share_of_leads_lost: float
    told_bias: float
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
    """Searches without stopping, and with each stopper.

    Args:
        curves: what trainings give.
        searcher: by name.
        stoppers: by name.
        num_trials: children of a search.
        num_seeds: searches of each kind.
        share: of the recorded points, drawn anew for each seed.
        settings: of the stoppers; those that one does not have are left out.
        equal_epochs: whether to search at equal epochs too, which takes most
            of the time.

    Returns:
        No stopping; each stopper with as many children; each with as many
        epochs, where the recording has enough networks.
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
    rows += [_row(stopper, searches(stopper), plain) for stopper in stoppers]
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
        rows.append(_row(f"{stopper}, as many epochs", replays, plain))
    return rows


def table(rows: Sequence[Row], *, markdown: bool = False) -> str:
    """The rows as text; EER in units of 0.0001."""
    headers = [
        *("stopping", "regret", "difference", "children", "epochs"),
        *("leads lost", "told bias", "bare bias"),
    ]
    cells = [
        [
            row.name,
            f"{row.regret / _UNIT:.1f}",
            f"{row.difference / _UNIT:+.1f} +- "
            f"{row.difference_error / _UNIT:.1f}",
            f"{row.num_children:.0f}",
            f"{row.share_of_epochs:.2f}",
            _or_blank(f"{row.share_of_leads_lost:.3f}"),
            _or_blank(f"{row.told_bias / _UNIT:+.0f}"),
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
        num_children=_mean([replay.num_children for replay in replays]),
        share_of_epochs=sum(replay.num_epochs for replay in replays)
        / sum(replay.num_epochs for replay in plain),
        share_of_leads_lost=lost / would_lead if would_lead else math.nan,
        told_bias=_mean([e for r in replays for e in r.told_errors]),
        bare_bias=_mean([e for r in replays for e in r.bare_errors]),
    )


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else math.nan
