"""Prints the progress of an experiment: steps, trials, time left.

On a terminal, the current line is rewritten during a step. A log file gets
complete lines only.
"""

import math
import sys
import time
from typing import TextIO

from audiotag_nas.experiment.results import decisions_text
from audiotag_nas.search.events import TrialFinished
from audiotag_nas.terminal import escaped_text
from audiotag_nas.trial import Trial, TrialResult, TrialStatus


def is_eer(result: TrialResult) -> bool:
    """Returns True if the reward is 1 - EER."""
    eer = result.metrics.get("validation_eer", math.nan)
    return result.reward is not None and math.isclose(result.reward, 1 - eer)


def _best_text(result: TrialResult) -> str:
    if is_eer(result):
        return f"EER {result.metrics['validation_eer']:.3f}"
    return f"reward {result.reward:.3f}"


def format_seconds(seconds: float) -> str:
    """Returns e.g. `42 s`, `3 min 05 s` or `2 h 10 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


class Progress:
    """Prints progress.

    Args:
        stream: where to print; standard output if None.
        quiet: if True, nothing is printed.
    """

    def __init__(
        self, *, stream: TextIO | None = None, quiet: bool = False
    ) -> None:
        self._stream = sys.stdout if stream is None else stream
        self._quiet = quiet
        self._started = time.monotonic()
        self._step_started = self._started
        self._first_done: int | None = None

    @property
    def elapsed_seconds(self) -> float:
        return time.monotonic() - self._started

    def line(self, text: str = "") -> None:
        """Prints complete lines; control characters are escaped."""
        self._write(f"{self._clear()}{escaped_text(text)}\n")

    def step(self, title: str) -> None:
        """Prints the title of a step, with the time since the start."""
        self._step_started = time.monotonic()
        self._first_done = None
        self.line(f"{title}  [{format_seconds(self.elapsed_seconds)}]")

    def count(self, done: int, total: int) -> None:
        """Prints the progress within a step, on a terminal only."""
        if self._stream.isatty():
            self._write(
                f"{self._clear()}  {done}/{total}{self._left(done, total)}"
            )

    def epoch(
        self, trial: Trial, epoch: int, numbers: dict[str, float]
    ) -> None:
        """Prints the result of an epoch, on a terminal only."""
        if self._stream.isatty():
            total = trial.overrides.epochs or "?"
            self._write(
                f"{self._clear()}  {trial.trial_id}: epoch {epoch}/{total}, "
                f"validation EER {numbers['validation_eer']:.3f}"
            )

    def trial(self, event: TrialFinished) -> None:
        """Prints a finished trial, the best trial so far and the time left."""
        trial, result = event.trial, event.result
        if result.status is TrialStatus.FAILED:
            outcome = f"failed: {result.reason}"
        else:
            eer = result.metrics.get("validation_eer", math.nan)
            outcome = f"EER {eer:.3f}"
            if not is_eer(result):
                outcome += f"  reward {result.reward:.3f}"
            if result.stopped_epoch:
                outcome += f", stopped at epoch {result.stopped_epoch}"
        done, total = event.num_done, event.num_total
        parts = [f"  {done:>3}/{total}  {_describe(trial)}  {outcome}"]
        if event.best_trial is not None and event.best_result is not None:
            parts.append(
                f"best {_best_text(event.best_result)} "
                f"({event.best_trial.trial_id})"
            )
        if event.from_journal:
            parts.append("from the journal")
            self.line("  ".join(parts))
            return
        parts.append(format_seconds(result.seconds))
        self.line("  ".join(parts) + self._left(done, total))

    def _left(self, done: int, total: int) -> str:
        """Returns e.g. `, about 3 min 00 s left`, from the pace of this step.

        Trials from the journal do not count for the pace.
        """
        if self._first_done is None:
            self._first_done = done - 1
        paced = done - self._first_done
        if done >= total or paced < 1:
            return ""
        pace = (time.monotonic() - self._step_started) / paced
        return f", about {format_seconds(pace * (total - done))} left"

    def _clear(self) -> str:
        return "\r\x1b[K" if self._stream.isatty() else ""

    def _write(self, text: str) -> None:
        if not self._quiet:
            self._stream.write(text)
            self._stream.flush()


def _describe(trial: Trial) -> str:
    if trial.stage == "search":
        return trial.architecture.describe().partition(" |")[0]
    return decisions_text(trial)
