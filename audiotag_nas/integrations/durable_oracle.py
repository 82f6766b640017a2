"""A `keras_tuner.Oracle` that can continue after an exception or a kill."""

import json
import os
from collections.abc import Callable
from typing import Any

try:
    import keras_tuner
except ModuleNotFoundError as missing:
    if missing.name != "keras_tuner":
        raise
    raise ModuleNotFoundError(
        "ReinforceOracle needs keras-tuner: pip install "
        "'audiotag-nas[keras-tuner]'",
        name="keras_tuner",
    ) from None

from audiotag_nas.errors import StoreError
from audiotag_nas.files import atomic_write_text

COMPLETED = "COMPLETED"


class DurableOracle(keras_tuner.Oracle):
    """Writes files atomically, and releases its lock after an exception.

    A method of keras-tuner that raises an exception does not release the lock.
    All other threads then wait forever.
    """

    trials: dict[str, Any]

    def create_trial(self, tuner_id: str) -> Any:
        return self._guarded(super().create_trial, tuner_id)

    def update_trial(
        self, trial_id: str, metrics: dict[str, float], step: int = 0
    ) -> Any:
        return self._guarded(super().update_trial, trial_id, metrics, step)

    def end_trial(self, trial: Any) -> None:
        self._guarded(super().end_trial, trial)

    def _guarded(self, method: Callable, *args: Any) -> Any:
        result, error = self._caught(method, *args)
        if error is not None:
            raise error
        return result

    @keras_tuner.synchronized
    def _caught(self, method: Callable, *args: Any) -> tuple[Any, Any]:
        try:
            return method(*args), None
        except Exception as error:
            return None, error

    def save(self) -> None:
        self._write("oracle.json", self.get_state())

    def _save_trial(self, trial: Any) -> None:
        self._write(f"trial_{trial.trial_id}/trial.json", trial.get_state())

    def _write(self, name: str, state: dict[str, Any]) -> None:
        """Writes one of the project's files completely or not at all."""
        atomic_write_text(
            os.path.join(self._project_dir, name), json.dumps(state)
        )

    def reload(self) -> None:
        """Loads a saved project, even if its process was killed.

        Raises:
            StoreError: the file of at least one trial is missing.
        """
        super().reload()
        missing = [i for i in self.start_order if i not in self.trials]
        if missing:
            raise StoreError(
                f"{self._project_dir}: trial {missing[0]} has no trial.json."
            )
        # The trials are sorted by their start. A trial that is not yet in
        # oracle.json is dropped, and will be made again.
        self.trials = {i: self.trials[i] for i in self.start_order}
        for trial_id in list(self._retry_queue):
            trial = self.trials[trial_id]
            if trial.status == COMPLETED and trial_id not in self.end_order:
                # The trial had ended, but oracle.json was not yet written.
                self._retry_queue.remove(trial_id)
                self._run_times[trial_id] += 1
                self.end_order.append(trial_id)
            else:
                # The trial's metrics before the interruption must not be
                # averaged with those of the repeated run.
                trial.metrics = type(trial.metrics)()
