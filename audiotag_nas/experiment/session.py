"""`running.json`: what a driver is doing, for those who look from outside.

The journal knows what is finished; this file adds what is not: the trials
being trained, since when, and how busy the runner's slots have been in this
session (one process's work on the directory). It is rewritten whole at each
event. Nothing is resumed from it, so losing it costs nothing, and one whose
driver is dead (see `search.lock.read_holder`) tells what was lost.
"""

import contextlib
import dataclasses
import json
import os
import socket
import time
from pathlib import Path

from audiotag_nas.architecture import Architecture
from audiotag_nas.errors import StoreError, UserError
from audiotag_nas.fields import from_json
from audiotag_nas.files import atomic_write_text
from audiotag_nas.search.loop import SearchEvent, TrialFinished
from audiotag_nas.stored_json import read_json
from audiotag_nas.trial import Trial

SCHEMA_VERSION = 2


@dataclasses.dataclass
class StageRun:
    """One stage in one session. Times are seconds since 1970.

    Attributes:
        stage: its name.
        num_total: trials that it is to have.
        num_slots: trials that the runner trains side by side.
        started_at: when its runner was ready.
        ended_at: when it came to its end; None if it did not.
        num_trained: trials that this session finished.
        busy_seconds: what they took, summed.
        running: trial id -> when it was started.
        architectures: trial id -> architecture of the running trials.
        recommended: id of the trial whose network is gone on with; empty
            until it came to its end.
    """

    stage: str
    num_total: int
    num_slots: int
    started_at: float
    ended_at: float | None = None
    num_trained: int = 0
    busy_seconds: float = 0.0
    running: dict[str, float] = dataclasses.field(default_factory=dict)
    architectures: dict[str, Architecture] = dataclasses.field(
        default_factory=dict
    )
    recommended: str = ""


@dataclasses.dataclass
class Session:
    """One driver's work on the directory.

    Attributes:
        pid, host: of the driver.
        updated_at: of the last event.
        stages: in the order in which they were begun.
        stop_reason: the error or interrupt that ended it; empty while it
            works, where it came to its end, and where it was killed.
    """

    pid: int
    host: str
    updated_at: float
    stages: list[StageRun]
    stop_reason: str = ""


class RunningFile:
    """The driver's side: kept up to date event by event.

    It only informs, so an error in writing it (a full disk) stops nothing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._session = Session(os.getpid(), socket.gethostname(), 0.0, [])

    def begin(self, stage: str, *, num_total: int, num_slots: int) -> None:
        """A stage whose runner is ready."""
        self._session.stages.append(
            StageRun(stage, num_total, num_slots, time.time())
        )
        self._write()

    def take(self, event: SearchEvent) -> None:
        """A trial of the stage begun last was started or finished."""
        run = self._session.stages[-1]
        trial: Trial = event.trial
        if not isinstance(event, TrialFinished):
            run.running[trial.trial_id] = time.time()
            run.architectures[trial.trial_id] = trial.architecture
        elif event.from_journal:
            return
        else:
            run.running.pop(trial.trial_id, None)
            run.architectures.pop(trial.trial_id, None)
            run.num_trained += 1
            run.busy_seconds += event.result.seconds
        self._write()

    def end(self, recommended: str) -> None:
        """The stage begun last came to its end, with that trial's network."""
        self._session.stages[-1].ended_at = time.time()
        self._session.stages[-1].recommended = recommended
        self._write()

    def stop(self, error: BaseException) -> None:
        """The driver's work was ended by `error`.

        Before any stage of its own it leaves what the last driver wrote: that
        says which trials were lost.
        """
        self._session.stop_reason = _describe(error)
        if self._session.stages or not self._path.exists():
            self._write()

    def forget_stop(self) -> None:
        """Another driver has begun: what ended the last one is history."""
        self._session.stop_reason = ""
        session = read_session(self._path)
        if session is not None and session.stop_reason:
            with contextlib.suppress(OSError):
                self._path.unlink()

    def _write(self) -> None:
        self._session.updated_at = time.time()
        value = {
            "schema_version": SCHEMA_VERSION,
            **dataclasses.asdict(self._session),
        }
        with contextlib.suppress(StoreError):
            atomic_write_text(self._path, json.dumps(value) + "\n")


def _describe(error: BaseException) -> str:
    """In one line; what is a defect of this project has its type's name."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    text = " ".join(str(error).split())
    if isinstance(error, UserError):
        return f"error: {text}"
    return f"error: {type(error).__name__}: {text}"


def recommended_id(session: Session | None, stage: str) -> str:
    """Id of the trial that a stage came to in this session; empty if none."""
    runs = [] if session is None else session.stages
    found = [run.recommended for run in runs if run.stage == stage]
    return found[-1] if found else ""


def read_session(path: Path) -> Session | None:
    """The last session; None if there was none, or it can't be read."""
    try:
        value = read_json(path)
        if not isinstance(value, dict):
            return None
        if value.pop("schema_version") != SCHEMA_VERSION:
            return None
        session: Session = from_json(Session, value)
        if any(
            run.running.keys() - run.architectures for run in session.stages
        ):
            return None
        return session
    except (OSError, StoreError, ValueError, KeyError):
        return None
