"""A running or finished experiment, seen from outside, in one screen.

Reads only: the config, the journal, `driver.lock` and `running.json`. No
TensorFlow, so that it can be called again and again (`watch`).
"""

import collections
import dataclasses
import os
import textwrap
import time

from audiotag_nas.config import ExperimentConfig
from audiotag_nas.experiment import stages
from audiotag_nas.experiment.progress import format_seconds
from audiotag_nas.experiment.results import (
    architecture_of,
    architecture_words,
    entry_rank,
)
from audiotag_nas.experiment.running import Session, StageRun, read_session
from audiotag_nas.experiment.workspace import Workspace
from audiotag_nas.search.journal import JournalEntry, read_entries
from audiotag_nas.search.lock import Holder, read_holder
from audiotag_nas.space import Architecture
from audiotag_nas.trial import TrialStatus

_MAX_REASONS = 5
_MAX_RUNNING = 8
_WIDTH = 79


@dataclasses.dataclass(frozen=True)
class StageStatus:
    """How far a stage is.

    Attributes:
        stage: its name.
        num_total: trials that it is to have.
        completed: the entries of those that did, the best first, those
            stopped early last.
        failed: the entries of those that failed.
        running: ids of the trials that a living driver trains, and for how
            many seconds.
        lost: ids of the trials that a driver was training when it stopped.
        is_ended: it came to its end, if need be with fewer trials.
    """

    stage: str
    num_total: int
    completed: list[JournalEntry]
    failed: list[JournalEntry]
    running: dict[str, float]
    lost: list[str]
    is_ended: bool


@dataclasses.dataclass(frozen=True)
class Status:
    """All that `status_lines` tells.

    Attributes:
        workdir: the working directory.
        name: of the experiment.
        holder: who drives, or drove and was killed; None if nobody does.
        stages: every stage, in order.
        settings: of the running trials, by id.
        current: the stage that runs or ran last in the last session.
        rate_per_second: trials of it that the session finishes a second;
            None before the first.
        seconds_left: of it; None if unknown or if nobody drives.
        utilization: seconds trained over seconds passed times slots, in the
            last session; None if nothing was trained.
        num_slots: trials side by side.
    """

    workdir: str
    name: str
    holder: Holder | None
    stages: list[StageStatus]
    settings: dict[str, dict]
    current: str | None
    rate_per_second: float | None
    seconds_left: float | None
    utilization: float | None
    num_slots: int

    @property
    def is_driven(self) -> bool:
        """Whether a driver works here, as far as can be told."""
        return self.holder is not None and self.holder.is_alive is not False


def read_status(
    workdir: str | os.PathLike, *, now: float | None = None
) -> Status:
    """Looks at a working directory; changes nothing.

    Args:
        workdir: the directory.
        now: seconds since 1970; the clock's if None.

    Raises:
        StoreError: no experiment was begun there, or its journal is damaged.
    """
    now = time.time() if now is None else now
    workspace = Workspace(workdir)
    config = workspace.read_config()
    # Before the journal: a trial that ends in between is then still counted.
    holder = read_holder(workspace.workdir)
    session = read_session(workspace.running_path)
    entries = read_entries(workspace.journal_path)
    is_living = _is_of(session, holder)
    until = now if is_living or session is None else session.updated_at
    done = {entry.trial.trial_id for entry in entries}
    runs = [] if session is None else session.stages
    current = runs[-1] if runs else None
    states = [
        _stage_status(
            stage,
            num_total,
            [entry for entry in entries if entry.trial.stage == stage],
            _running(runs, stage, done),
            until=until if is_living else None,
            is_ended=any(
                run.stage == stage and run.ended_at is not None for run in runs
            ),
        )
        for stage, num_total in _totals(config).items()
    ]
    rate = None if current is None else _rate(current, until)
    return Status(
        workdir=str(workdir),
        name=config.name,
        holder=holder,
        stages=states,
        settings={
            trial_id: settings
            for run in runs
            for trial_id, settings in run.settings.items()
        },
        current=None if current is None else current.stage,
        rate_per_second=rate,
        seconds_left=_seconds_left(states, current, rate)
        if is_living
        else None,
        utilization=_utilization(runs, until),
        num_slots=1 if current is None else current.num_slots,
    )


def status_lines(status: Status) -> list[str]:
    """The screen."""
    lines = [
        f"{status.workdir}: experiment {status.name}",
        f"driver: {_driver_words(status)}",
        "",
        f"{'stage':<10}{'done':>6}{'failed':>8}{'running':>9}{'of':>6}"
        f"{'best EER':>10}",
    ]
    lines += [_stage_line(stage) for stage in status.stages]
    for part in (
        _running_lines(status),
        _best_lines(status),
        _stopped_lines(status),
        _failed_lines(status),
        _pace_lines(status),
    ):
        if part:
            lines += ["", *part]
    return lines


def _totals(config: ExperimentConfig) -> dict[str, int]:
    return {
        "baseline": stages.BASELINE_SPACE.size,
        "search": config.search.num_trials,
        "grid": stages.grid_space(config).size,
        "final": stages.FINAL_SPACE.size,
    }


def _is_of(session: Session | None, holder: Holder | None) -> bool:
    """Whether the session is that of a driver that lives."""
    return (
        session is not None
        and holder is not None
        and holder.is_alive is not False
        and (session.pid, session.host) == (holder.pid, holder.host)
    )


def _running(
    runs: list[StageRun], stage: str, done: set[str]
) -> dict[str, float]:
    return {
        trial_id: started_at
        for run in runs
        if run.stage == stage
        for trial_id, started_at in run.running.items()
        if trial_id not in done
    }


def _stage_status(
    stage: str,
    num_total: int,
    entries: list[JournalEntry],
    running: dict[str, float],
    *,
    until: float | None,
    is_ended: bool,
) -> StageStatus:
    completed = [e for e in entries if e.result.status is TrialStatus.COMPLETED]
    return StageStatus(
        stage=stage,
        num_total=num_total,
        completed=sorted(completed, key=entry_rank),
        failed=[e for e in entries if e.result.status is TrialStatus.FAILED],
        running={}
        if until is None
        else {i: max(0.0, until - start) for i, start in running.items()},
        lost=list(running) if until is None else [],
        is_ended=is_ended,
    )


def _wall_seconds(run: StageRun, until: float) -> float:
    return max(0.0, (run.ended_at or until) - run.started_at)


def _rate(run: StageRun, until: float) -> float | None:
    wall = _wall_seconds(run, until)
    return run.num_trained / wall if run.num_trained and wall else None


def _seconds_left(
    states: list[StageStatus], run: StageRun | None, rate: float | None
) -> float | None:
    if run is None or run.ended_at is not None or rate is None:
        return None
    for state in states:
        if state.stage == run.stage:
            num_done = len(state.completed) + len(state.failed)
            return max(0, run.num_total - num_done) / rate
    return None


def _utilization(runs: list[StageRun], until: float) -> float | None:
    """Of the stages in which anything was trained."""
    busy = capacity = 0.0
    for run in runs:
        if run.num_trained or run.running:
            capacity += run.num_slots * _wall_seconds(run, until)
            busy += run.busy_seconds + sum(
                max(0.0, until - start) for start in run.running.values()
            )
    return min(1.0, busy / capacity) if capacity else None


def _driver_words(status: Status) -> str:
    holder = status.holder
    if holder is None:
        return "none"
    who = f"process {holder.pid} on {holder.host} since {holder.since}"
    if holder.is_alive is None:
        return f"{who} (another machine: whether it lives can't be told here)"
    if holder.is_alive:
        return who
    return f"none; {who} was killed. The same command goes on."


def _stage_line(stage: StageStatus) -> str:
    best = ""
    if stage.completed:
        eer = stage.completed[0].result.metrics.get("validation_eer")
        best = "" if eer is None else f"{eer:.4f}"
    num_done = len(stage.completed) + len(stage.failed)
    ended = stage.is_ended or num_done >= stage.num_total
    return (
        f"{stage.stage:<10}{len(stage.completed):>6}{len(stage.failed):>8}"
        f"{len(stage.running):>9}{stage.num_total:>6}{best:>10}"
        f"{'  ended' if ended else ''}"
    )


def _running_lines(status: Status) -> list[str]:
    running = {
        i: s for stage in status.stages for i, s in stage.running.items()
    }
    lost = [trial_id for stage in status.stages for trial_id in stage.lost]
    lines = []
    for trial_id, seconds in list(running.items())[:_MAX_RUNNING]:
        architecture = Architecture.from_json(
            status.settings[trial_id]["architecture"]
        )
        lines.append(
            f"running: {trial_id}  {format_seconds(seconds)}  "
            f"{architecture.describe()}"
        )
    if len(running) > _MAX_RUNNING:
        lines.append(f"running: {len(running) - _MAX_RUNNING} more")
    if lost:
        lines.append(
            f"lost: {', '.join(lost[:_MAX_RUNNING])} ({len(lost)}) ran when "
            "the driver stopped; will run again"
        )
    return lines


def _best_lines(status: Status) -> list[str]:
    """The best of the search in words, and the settings that the grid found."""
    lines = []
    for stage in status.stages:
        if stage.stage not in ("search", "grid") or not stage.completed:
            continue
        entry = stage.completed[0]
        numbers = entry.result.metrics
        text = f"best of the {stage.stage}: {entry.trial.trial_id}"
        if "validation_eer" in numbers:
            text += f", EER {numbers['validation_eer']:.4f}"
        if "num_parameters" in numbers:
            text += f", {numbers['num_parameters']:,.0f} parameters"
        lines.append(text)
        if stage.stage == "search":
            words = architecture_words(architecture_of(entry.trial))
        else:
            words = ", ".join(
                f"{name} {value}" for name, value in entry.trial.hparams.items()
            )
        lines += textwrap.wrap(
            words, _WIDTH, initial_indent="  ", subsequent_indent="  "
        )
    return lines


def _stopped_lines(status: Status) -> list[str]:
    """How many children were stopped early, and after how many epochs."""
    lines = []
    for stage in status.stages:
        epochs = [
            entry.result.stopped_epoch
            for entry in stage.completed
            if entry.result.stopped_epoch
        ]
        if epochs:
            lines.append(
                f"stopped early: {len(epochs)} of the {stage.stage}, after "
                f"{sum(epochs) / len(epochs):.1f} epochs on average"
            )
    return lines


def _failed_lines(status: Status) -> list[str]:
    ids = collections.defaultdict(list)
    for stage in status.stages:
        for entry in stage.failed:
            ids[entry.result.reason.splitlines()[0]].append(
                entry.trial.trial_id
            )
    ranked = sorted(ids.items(), key=lambda item: -len(item[1]))
    lines = []
    for reason, trial_ids in ranked[:_MAX_REASONS]:
        more = ", ..." if len(trial_ids) > 3 else ""
        if len(reason) > _WIDTH:
            reason = f"{reason[: _WIDTH - 3]}..."
        lines.append(
            f"failed: {len(trial_ids)} x {reason} "
            f"({', '.join(trial_ids[:3])}{more})"
        )
    if len(ranked) > _MAX_REASONS:
        num_left = sum(len(i) for _, i in ranked[_MAX_REASONS:])
        lines.append(f"failed: {num_left} more, of other reasons")
    return lines


def _pace_lines(status: Status) -> list[str]:
    lines = []
    if status.rate_per_second is not None:
        rate = 3600 * status.rate_per_second
        text = f"rate: {rate:.{0 if rate >= 10 else 1}f} trials of the "
        text += f"{status.current} an hour"
        if status.seconds_left is not None:
            text += f", about {format_seconds(status.seconds_left)} left"
        lines.append(text)
    if status.utilization is not None:
        lines.append(
            f"utilization: {100 * status.utilization:.0f} % of "
            f"{status.num_slots} slot{'s' if status.num_slots > 1 else ''}"
            f"{'' if status.is_driven else ' in the last session'}"
        )
    return lines
