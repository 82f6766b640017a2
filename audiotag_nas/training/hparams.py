"""Every trial in TensorBoard's HParams dashboard; nothing else writes there.

One experiment at the root of the log directory names all hyperparameters - the
decisions of the architecture search, the axes of the grid, and the `stage` that
tells the two apart - and the metrics. The dashboard shows one experiment for a
log directory, so the stages share it; a trial leaves the hyperparameters of the
other stage empty, and the filter on `stage` shows one of them alone.

    <log_dir>/events.out.tfevents.experiment
    <log_dir>/<stage>/<trial_id>/events.out.tfevents.trial

A trial's file is made in memory and renamed into place: a session is there
whole or not at all. One that is there is not written again, unless its trial
was trained again. Only plain TensorBoard is used, no TensorFlow.
"""

import io
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.plugins.hparams import (
    api_pb2,
    metadata,
    plugin_data_pb2,
    summary_v2,
)
from tensorboard.plugins.scalar.summary_v2 import scalar_pb
from tensorboard.plugins.text.summary_v2 import text_pb
from tensorboard.summary.writer.record_writer import RecordWriter

from audiotag_nas.files import atomic_write_bytes, store_errors
from audiotag_nas.space import Choice, SearchSpace
from audiotag_nas.trial import Trial, TrialResult, TrialStatus

Axes = SearchSpace | Mapping[str, Sequence[Choice]]

METRICS = {
    "validation_eer": "validation EER",
    "validation_loss": "validation loss",
    "num_parameters": "parameters",
    "multiply_adds": "multiply-adds",
    "latency_seconds": "latency (s)",
    "reward": "reward",
    "seconds": "seconds",
}
"""The dashboard's metrics: the scalar's tag and the column's heading."""

STAGE = "stage"
CURVES = "epochs/"
"""Prefix of the scalars that have one value an epoch."""


class HParamsWriter:
    """Writes the trials of a working directory's stages."""

    def __init__(
        self,
        log_dir: str | os.PathLike,
        *,
        search_spaces: Mapping[str, Axes],
        metrics: Mapping[str, str] | None = None,
    ) -> None:
        """Writes the experiment, unless it is there already.

        Args:
            log_dir: what `tensorboard --logdir` is given.
            search_spaces: by stage (`search`, `grid`), the decisions or axes.
            metrics: scalar tag -> heading; `METRICS` if None.

        Raises:
            StoreError: it can't be written, e.g. the disk is full.
        """
        self._log_dir = Path(log_dir)
        self._metrics = dict(METRICS if metrics is None else metrics)
        self._choices = _union(search_spaces)
        self._write_experiment(list(search_spaces))

    def session_dir(self, trial: Trial) -> Path:
        """Where a trial's session is."""
        return self._log_dir / trial.stage / trial.trial_id

    def write(
        self,
        trial: Trial,
        result: TrialResult,
        *,
        from_journal: bool = False,
        end_seconds: float = 0.0,
    ) -> bool:
        """Writes one finished trial as a session.

        Args:
            trial: its `hparams` become the hyperparameters.
            result: its metrics and seconds become the metrics, its history
                the curves; a failed one ends as a failure, with the reason in
                the Text tab.
            from_journal: it was finished before; else it was trained just now,
                and a session that is there is of an earlier training.
            end_seconds: when it ended, since the epoch; now if 0.

        Returns:
            False if its session was there already.

        Raises:
            StoreError: it can't be written, e.g. the disk is full.
        """
        path = self.session_dir(trial) / "events.out.tfevents.trial"
        if from_journal and path.exists():
            return False
        end = end_seconds if end_seconds > 0 else time.time()
        start = end - result.seconds
        events = [
            _event(start),
            _event(start, self._start(trial, start)),
            *_curve_events(result, start),
            *(
                _event(end, scalar_pb(tag, value))
                for tag, value in self._values(result).items()
            ),
        ]
        if result.reason:
            events.append(_event(end, text_pb("reason", result.reason)))
        events.append(_event(end, _session_end(result.status, end)))
        with store_errors(path):
            # First: were there no room for the new one, the old one would
            # stay, for a resume writes only what is missing.
            path.unlink(missing_ok=True)
            _write_bytes(path, _records(events))
        return True

    def _write_experiment(self, stages: list[str]) -> None:
        hparams = [summary_v2.HParam(STAGE, summary_v2.Discrete(stages, str))]
        for name, (kind, choices) in self._choices.items():
            domain = summary_v2.Discrete(sorted(choices), kind)
            hparams.append(summary_v2.HParam(name, domain))
        metrics = [
            summary_v2.Metric(tag, display_name=heading)
            for tag, heading in self._metrics.items()
        ]
        # No clock in it: the same stages give the same bytes.
        summary = summary_v2.hparams_config_pb(
            hparams, metrics, time_created_secs=0.0
        )
        path = self._log_dir / "events.out.tfevents.experiment"
        data = _records([_event(0.0), _event(0.0, summary)])
        if not path.exists() or path.read_bytes() != data:
            _write_bytes(path, data)

    def _start(self, trial: Trial, start: float) -> Any:
        values: dict[str, Choice] = {STAGE: trial.stage}
        for name, value in trial.hparams.items():
            kind = self._choices.get(name, (type(value), ()))[0]
            values[name] = kind(value)
        return summary_v2.hparams_pb(
            values, trial_id=trial.trial_id, start_time_secs=start
        )

    def _values(self, result: TrialResult) -> dict[str, float]:
        """The metrics that the trial has, by scalar tag."""
        known = {"seconds": result.seconds} | result.metrics
        if result.reward is not None:
            known["reward"] = result.reward
        return {tag: float(known[tag]) for tag in self._metrics if tag in known}


def _union(
    search_spaces: Mapping[str, Axes],
) -> dict[str, tuple[type, tuple[Choice, ...]]]:
    """All stages' hyperparameters: one type and the choices of each.

    Numbers of both kinds count as float, and any other mixture as text, since
    a column of the dashboard has one type.
    """
    union: dict[str, list[Choice]] = {}
    for axes in search_spaces.values():
        if isinstance(axes, SearchSpace):
            axes = {d.name: d.choices for d in axes.decisions}
        for name, choices in axes.items():
            union.setdefault(name, []).extend(choices)
    result: dict[str, tuple[type, tuple[Choice, ...]]] = {}
    for name, choices in union.items():
        kinds = {type(choice) for choice in choices}
        if len(kinds) == 1:
            kind = kinds.pop()
        else:
            kind = float if kinds == {int, float} else str
        result[name] = (kind, tuple({kind(choice) for choice in choices}))
    return result


def _curve_events(result: TrialResult, start: float) -> list[Any]:
    """One scalar an epoch and curve; epochs are spread over the seconds."""
    events = []
    for name, values in result.history.items():
        for epoch, value in enumerate(values, start=1):
            at = start + result.seconds * epoch / len(values)
            events.append(
                _event(at, scalar_pb(CURVES + name, float(value)), step=epoch)
            )
    return events


def _session_end(status: TrialStatus, end: float) -> summary_pb2.Summary:
    completed = status is TrialStatus.COMPLETED
    info = plugin_data_pb2.SessionEndInfo(
        status=api_pb2.STATUS_SUCCESS if completed else api_pb2.STATUS_FAILURE,
        end_time_secs=end,
    )
    summary = summary_pb2.Summary()
    summary.value.add(
        tag=metadata.SESSION_END_INFO_TAG,
        metadata=metadata.create_summary_metadata(
            plugin_data_pb2.HParamsPluginData(session_end_info=info)
        ),
        tensor=metadata.NULL_TENSOR,
    )
    return summary


def _event(
    wall_time: float, summary: Any = None, *, step: int = 0
) -> event_pb2.Event:
    """An event with a summary; without one, the first event of a file."""
    if summary is None:
        return event_pb2.Event(
            wall_time=wall_time, file_version="brain.Event:2"
        )
    return event_pb2.Event(wall_time=wall_time, step=step, summary=summary)


def _records(events: Sequence[event_pb2.Event]) -> bytes:
    buffer = io.BytesIO()
    writer = RecordWriter(buffer)
    for event in events:
        writer.write(event.SerializeToString())
    return buffer.getvalue()


def _write_bytes(path: Path, data: bytes) -> None:
    """Writes under a name that TensorBoard does not read, then renames."""
    atomic_write_bytes(path, data, temporary_name="unfinished")
