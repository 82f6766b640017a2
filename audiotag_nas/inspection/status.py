"""The state of a running or finished experiment, for the command `status`.

A driver is a process that runs stages; its work is a session. This module reads
only the config, the journal, `driver.lock` and `running.json`. To be fast
enough for `watch`, it does not import TensorFlow.
"""

import dataclasses
import os
import time

from audiotag_nas.architecture import Architecture
from audiotag_nas.config import ExperimentConfig
from audiotag_nas.experiment import stages
from audiotag_nas.experiment.generations import Generations, split_generations
from audiotag_nas.experiment.results import entry_rank
from audiotag_nas.experiment.running_file import (
    Session,
    StageRun,
    read_session,
    recommended_id,
)
from audiotag_nas.experiment.workspace import Workspace
from audiotag_nas.search.journal import JournalEntry, read_entries
from audiotag_nas.search.lock import Holder, read_holder
from audiotag_nas.trial import TrialStatus


@dataclasses.dataclass(frozen=True)
class StageStatus:
    """The state of one stage.

    Attributes:
        stage: the name of the stage.
        num_total: the number of trials of the whole stage.
        num_superseded: the number of finished trials with earlier settings; no
            other field counts these trials.
        completed: the completed trials, sorted by `entry_rank`.
        failed: the failed trials.
        running: the trials that a driver is training, id -> seconds so far.
        lost: the ids of the trials that were running when the driver stopped.
        is_ended: whether the stage has ended, possibly with fewer trials.
        recommended: the trial that the searcher recommends; None if the
            stage did not end in the last session.
    """

    stage: str
    num_total: int
    num_superseded: int
    completed: list[JournalEntry]
    failed: list[JournalEntry]
    running: dict[str, float]
    lost: list[str]
    is_ended: bool
    recommended: JournalEntry | None

    @property
    def best_eer(self) -> float | None:
        """The lowest validation EER; None if no trial has one.

        Trials that were stopped early count only if all were stopped early.
        """
        whole = [e.result for e in self.completed if e.result.is_whole]
        return min(
            (
                result.metrics["validation_eer"]
                for result in whole or [e.result for e in self.completed]
                if "validation_eer" in result.metrics
            ),
            default=None,
        )


@dataclasses.dataclass(frozen=True)
class Status:
    """The state of an experiment; the last session may still be running.

    Attributes:
        workdir: the working directory.
        name: the name of the experiment.
        holder: the driver, which may have been killed; None without a driver.
        stages: every stage, in order.
        architectures: the architectures of the running trials, by trial id.
        current: the stage that ran last in the last session.
        rate_per_second: the number of trials of the stage `current` that end
            per second; None before the first trial has finished.
        seconds_left: the seconds until the stage `current` ends; None if
            unknown or not running.
        utilization: the share of the workers' time that was spent on training
            in the last session; None if nothing was trained.
        num_slots: the number of trials that are trained in parallel.
        stop_reason: the error or interrupt that ended the last session; empty
            if the session ended normally, or if a newer driver has started.
    """

    workdir: str
    name: str
    holder: Holder | None
    stages: list[StageStatus]
    architectures: dict[str, Architecture]
    current: str | None
    rate_per_second: float | None
    seconds_left: float | None
    utilization: float | None
    num_slots: int
    stop_reason: str

    @property
    def is_driven(self) -> bool:
        """True if a driver runs here, or may run on another machine."""
        return self.holder is not None and self.holder.is_alive is not False


def read_status(
    workdir: str | os.PathLike, *, now: float | None = None
) -> Status:
    """Reads the state of a working directory.

    Args:
        workdir: the directory.
        now: the time in seconds since 1970; None stands for the current time.

    Raises:
        StoreError: the directory contains no experiment, or the experiment's
            journal is damaged.
    """
    now = time.time() if now is None else now
    workspace = Workspace(workdir)
    config = workspace.read_config()
    # The journal is read last: a trial that ends meanwhile counts as done.
    holder = read_holder(workspace.workdir)
    session = read_session(workspace.running_path)
    entries = read_entries(workspace.journal_path)
    generations = split_generations(entries, config, session)
    is_running = _is_current(session, holder)
    until = now if is_running or session is None else session.updated_at
    done = {entry.trial.trial_id for entry in entries}
    runs = [] if session is None else session.stages
    current = runs[-1] if runs else None
    states = [
        _stage_status(
            stage,
            num_total,
            generations.of_stage(stage),
            _running(runs, stage, done),
            until=until if is_running else None,
            is_ended=any(
                run.stage == stage and run.ended_at is not None for run in runs
            ),
            recommended=recommended_id(session, stage),
        )
        for stage, num_total in _totals(config, entries, runs).items()
    ]
    rate = None if current is None else _rate(current, until)
    return Status(
        workdir=str(workdir),
        name=config.name,
        holder=holder,
        stages=states,
        architectures={
            trial_id: architecture
            for run in runs
            for trial_id, architecture in run.architectures.items()
        },
        current=None if current is None else current.stage,
        rate_per_second=rate,
        seconds_left=_seconds_left(states, current, rate)
        if is_running
        else None,
        utilization=_utilization(runs, until),
        num_slots=1 if current is None else current.num_slots,
        stop_reason=""
        if holder is not None or session is None
        else session.stop_reason,
    )


def _totals(
    config: ExperimentConfig, entries: list[JournalEntry], runs: list[StageRun]
) -> dict[str, int]:
    """Returns the number of trials per stage; `train` only if it has any."""
    trained = {e.trial.trial_id for e in entries if e.trial.stage == "train"}
    for run in runs:
        if run.stage == "train":
            trained.update(run.running)
    totals = {
        "baseline": stages.BASELINE_SPACE.size,
        "search": config.search.num_trials,
        "grid": stages.grid_space(config).size,
        "final": stages.FINAL_SPACE.size,
    }
    return totals | ({"train": len(trained)} if trained else {})


def _is_current(session: Session | None, holder: Holder | None) -> bool:
    """Returns True if the session belongs to a driver that still runs."""
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
    generations: Generations,
    running: dict[str, float],
    *,
    until: float | None,
    is_ended: bool,
    recommended: str,
) -> StageStatus:
    entries = generations.current
    completed = [e for e in entries if e.result.status is TrialStatus.COMPLETED]
    return StageStatus(
        stage=stage,
        num_total=num_total,
        num_superseded=len(generations.superseded),
        completed=sorted(completed, key=entry_rank),
        failed=[e for e in entries if e.result.status is TrialStatus.FAILED],
        running={}
        if until is None
        else {i: max(0.0, until - start) for i, start in running.items()},
        lost=list(running) if until is None else [],
        is_ended=is_ended,
        recommended=next(
            (e for e in completed if e.trial.trial_id == recommended), None
        ),
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
    """Returns the utilization in the stages that trained at least one trial."""
    busy = capacity = 0.0
    for run in runs:
        if run.num_trained or run.running:
            capacity += run.num_slots * _wall_seconds(run, until)
            busy += run.busy_seconds + sum(
                max(0.0, until - start) for start in run.running.values()
            )
    return min(1.0, busy / capacity) if capacity else None
