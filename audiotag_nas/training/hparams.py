"""Writes every trial for TensorBoard's HParams dashboard.

    <log_dir>/events.out.tfevents.experiment
    <log_dir>/<stage>/<trial_id>/events.out.tfevents.trial

The event file of a trial is a session. TensorBoard shows one experiment for the
directory of `--logdir`. If this directory contains several experiment
summaries, TensorBoard takes an arbitrary one. If there is no summary,
TensorBoard collects all hyperparameters and scalars from the sessions. The
parallel coordinates draw only sessions that have a value in every displayed
column. At first, five metrics and five hyperparameters are displayed. The
hyperparameters that differ between sessions come before the others.

There is therefore one experiment summary in `<log_dir>`, and no summary in the
directory of a stage:

- `tensorboard --logdir <log_dir>` compares the stages. The summary lists the
  columns that every completed trial has: the stage, and all metrics except
  latency.
- `tensorboard --logdir <log_dir>/<stage>` shows the stage's decisions or axes
  and the metrics of its trials. TensorBoard sorts the columns by the metrics'
  tags. The tags are named so that the most important metrics come first.

The dashboard prints every number with five significant digits, e.g. 16 as
`16.000`. Hyperparameters are therefore written as text, e.g. `16`. A choice
gets one leading space per choice after it in the list, so `8` is before `16`.
HTML and SVG do not show leading spaces. Texts have three disadvantages. An axis
has equal steps instead of a linear or logarithmic scale. A filter has one box
per choice, in arbitrary order, instead of a minimum and a maximum. The CSV file
that the dashboard exports contains the leading spaces. Metrics must be numbers,
and the table shows 210240 parameters as `2.1024e+5`.

A session is never incomplete, because its file is written under another name
and then renamed. An existing session is written again only if its trial was
retrained. This module uses TensorBoard without TensorFlow.
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
    "validation_eer": "EER",
    "latency_seconds": "latency (s)",
    "multiply_adds": "multiply-adds",
    "num_parameters": "parameters",
    "reward": "reward",
    "seconds": "seconds",
    "validation_loss": "validation loss",
}
"""Name of a result's metric -> its tag in the dashboard, in the order shown."""

OPTIONAL_METRICS = ("latency_seconds",)
"""Metrics that are not measured in every completed trial."""

STAGE = "stage"
CURVES = "values per epoch/"
"""Tag prefix of the scalars that have one value per epoch. It sorts after all
`METRICS`, and the dashboard therefore does not display these scalars at first.
"""


class HParamsWriter:
    """Writes the trials of a working directory's stages."""

    def __init__(
        self, log_dir: str | os.PathLike, *, search_spaces: Mapping[str, Axes]
    ) -> None:
        """Writes the experiment summary into `log_dir` if it is missing.

        Args:
            log_dir: the directory for `tensorboard --logdir`.
            search_spaces: the decisions or axes of each stage (`search`,
                `grid`).

        Raises:
            StoreError: the file can't be written, e.g. the disk is full.
        """
        self._log_dir = Path(log_dir)
        self._labels = {
            stage: _stage_labels(axes) for stage, axes in search_spaces.items()
        }
        self._write_experiment(list(search_spaces))

    def session_dir(self, trial: Trial) -> Path:
        """Returns the directory of a trial's session."""
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
            trial: the trial, whose `hparams` become the hyperparameters.
            result: the trial's result. Its metrics and seconds become metrics,
                and its history becomes curves. The reason of a failed trial
                is shown in the Text tab.
            from_journal: True if the trial finished in an earlier process.
                False replaces an existing session, which is then from an
                earlier training.
            end_seconds: when the trial ended, in seconds since 1970; 0 means
                now.

        Returns:
            False if an existing session was kept, otherwise True.

        Raises:
            StoreError: the session can't be written, e.g. the disk is full.
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
                for tag, value in _metric_values(result).items()
            ),
        ]
        if result.reason:
            events.append(_event(end, text_pb("reason", result.reason)))
        events.append(_event(end, _session_end(result.status, end)))
        with store_errors(path):
            # The old session is removed first, so that it does not remain if
            # the disk is full. A resumed command writes only missing sessions.
            path.unlink(missing_ok=True)
            _write_bytes(path, _records(events))
        return True

    def _write_experiment(self, stages: list[str]) -> None:
        hparams = [summary_v2.HParam(STAGE, summary_v2.Discrete(stages, str))]
        metrics = [
            summary_v2.Metric(tag)
            for name, tag in METRICS.items()
            if name not in OPTIONAL_METRICS
        ]
        # The time is 0, because the same stages must give the same bytes.
        summary = summary_v2.hparams_config_pb(
            hparams, metrics, time_created_secs=0.0
        )
        path = self._log_dir / "events.out.tfevents.experiment"
        data = _records([_event(0.0), _event(0.0, summary)])
        if not path.exists() or path.read_bytes() != data:
            _write_bytes(path, data)

    def _start(self, trial: Trial, start: float) -> Any:
        labels = self._labels.get(trial.stage, {})
        values = {STAGE: trial.stage}
        for name, value in trial.hparams.items():
            values[name] = labels.get(name, {}).get(value, _text(value))
        return summary_v2.hparams_pb(
            values, trial_id=trial.trial_id, start_time_secs=start
        )


def _stage_labels(axes: Axes) -> dict[str, dict[Choice, str]]:
    """Returns a dictionary: decision's name -> choice -> text of the choice."""
    if isinstance(axes, SearchSpace):
        axes = {d.name: d.choices for d in axes.decisions}
    return {name: _choice_labels(choices) for name, choices in axes.items()}


def _choice_labels(choices: Sequence[Choice]) -> dict[Choice, str]:
    """Returns texts whose alphabetic order is the order of the choices.

    Numbers are ordered by value. A space sorts before every visible character.
    """
    numbers = [c for c in choices if isinstance(c, int | float)]
    is_numeric = len(numbers) == len(choices)
    ordered = list(dict.fromkeys(sorted(numbers) if is_numeric else choices))
    return {
        choice: " " * (len(ordered) - 1 - rank) + _text(choice)
        for rank, choice in enumerate(ordered)
    }


def _text(choice: Choice) -> str:
    """Returns a choice as text. Whole numbers get no decimal point."""
    if isinstance(choice, float) and choice.is_integer():
        return str(int(choice))
    return str(choice)


def _metric_values(result: TrialResult) -> dict[str, float]:
    """Returns a dictionary: tag of a metric -> value of the metric."""
    known = {"seconds": result.seconds} | result.metrics
    if result.reward is not None:
        known["reward"] = result.reward
    return {
        tag: float(known[name])
        for name, tag in METRICS.items()
        if name in known
    }


def _curve_events(result: TrialResult, start: float) -> list[Any]:
    """Returns an event for each epoch of each curve, at equal steps of time."""
    events = []
    for name, values in result.history.items():
        for epoch, value in enumerate(values, start=1):
            if value is None:  # the value was not finite
                continue
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
    """Returns an event with `summary`; if None, the first event of a file."""
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
    """Writes a file under a name that TensorBoard ignores, then renames it."""
    atomic_write_bytes(path, data, temporary_name="unfinished")
