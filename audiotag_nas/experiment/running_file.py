"""`running.json`: the present work of the driver, for `status` and other tools.

The driver is the process that trains in a working directory. A session is the
work of one driver. The journal has the finished trials. This file has the
running trials, their starting times and the load of the workers. The driver
rewrites the file at each event, but does not need it to resume a search. After
a crash, the file still lists the trials that were lost.
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
from audiotag_nas.search.events import SearchEvent, TrialFinished
from audiotag_nas.stored_json import read_json
from audiotag_nas.trial import Trial

SCHEMA_VERSION = 2


@dataclasses.dataclass
class StageRun:
    """One stage in one session. Times are seconds since 1970.

    Attributes:
        stage: name of the stage.
        num_total: number of trials to train.
        num_slots: number of workers. Each trains one trial at a time.
        started_at: time at which the runner was ready.
        ended_at: time at which the stage ended; None before.
        num_trained: trials finished in this session.
        busy_seconds: total training time of the `num_trained` trials.
        running: id of a running trial -> starting time.
        architectures: id of a running trial -> architecture.
        recommended: id of the trial that the searcher recommends; "" while
            the stage runs.
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
    """The work of one driver in the directory.

    Attributes:
        pid, host: process id and host name of the driver.
        updated_at: time of the last event.
        stages: the stages, in the order of their start.
        stop_reason: the error or interrupt that ended the session; "" if the
            driver is running, has finished or was killed.
    """

    pid: int
    host: str
    updated_at: float
    stages: list[StageRun]
    stop_reason: str = ""


class RunningFile:
    """Writes `running.json`, and ignores write errors such as a full disk.

    Attributes:
        session: the content of the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.session = Session(os.getpid(), socket.gethostname(), 0.0, [])

    def begin(self, stage: str, *, num_total: int, num_slots: int) -> None:
        """Adds a stage whose runner is ready."""
        self.session.stages.append(
            StageRun(stage, num_total, num_slots, time.time())
        )
        self._write()

    def take(self, event: SearchEvent) -> None:
        """Records that a trial of the current stage has started or ended."""
        run = self.session.stages[-1]
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
        """Records the end of the last stage, and its recommended trial."""
        self.session.stages[-1].ended_at = time.time()
        self.session.stages[-1].recommended = recommended
        self._write()

    def stop(self, error: BaseException) -> None:
        """Records the error that ended the session.

        If this session has no stages yet, an existing file is kept, because it
        may list lost trials of the previous session.
        """
        self.session.stop_reason = _describe(error)
        if self.session.stages or not self._path.exists():
            self._write()

    def forget_stop(self) -> None:
        """Removes the stop reason of the previous session."""
        self.session.stop_reason = ""
        session = read_session(self._path)
        if session is not None and session.stop_reason:
            with contextlib.suppress(OSError):
                self._path.unlink()

    def _write(self) -> None:
        self.session.updated_at = time.time()
        value = {
            "schema_version": SCHEMA_VERSION,
            **dataclasses.asdict(self.session),
        }
        with contextlib.suppress(StoreError):
            atomic_write_text(self._path, json.dumps(value) + "\n")


def _describe(error: BaseException) -> str:
    """Describes an error in one line. The type of a `UserError` is omitted."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    text = " ".join(str(error).split())
    if isinstance(error, UserError):
        return f"error: {text}"
    return f"error: {type(error).__name__}: {text}"


def recommended_id(session: Session | None, stage: str) -> str:
    """Returns the id of the trial that a stage recommends, or ""."""
    runs = [] if session is None else session.stages
    found = [run.recommended for run in runs if run.stage == stage]
    return found[-1] if found else ""


def read_session(path: Path) -> Session | None:
    """Returns the last session; None if the file is missing or invalid."""
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
