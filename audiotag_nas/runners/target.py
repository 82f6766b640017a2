"""Finds and calls the function that trains a trial (the target).

Only plain values are sent to other processes. The target is therefore sent as
a name, `package.module:function`.
"""

import importlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from audiotag_nas.config import ExperimentConfig
from audiotag_nas.data.storage import AnyPath
from audiotag_nas.errors import UserError
from audiotag_nas.interrupts import interrupts_kept
from audiotag_nas.runners.tensorflow_log import without_retracing_notes
from audiotag_nas.trial import Trial, TrialResult

OnTrialEpoch = Callable[[Trial, int, dict[str, float]], None]

TARGET = "audiotag_nas.training.trial_training:run_trial"
"""The name of the default target."""


def find_function(name: str) -> Callable[..., Any]:
    """Returns the function with the name `package.module:function`."""
    module, _, function = name.partition(":")
    return getattr(importlib.import_module(module), function)


def run_target(
    run_trial: Callable[..., TrialResult],
    trial: Trial,
    *,
    config: ExperimentConfig,
    features_dir: AnyPath,
    trials_dir: Path,
    on_epoch: Callable[[int, dict[str, float]], None],
) -> TrialResult:
    """Runs one trial in this process. Every runner calls this function.

    Raises:
        UserError: an error that would also stop every other trial. Any other
            exception becomes a failed result.
        KeyboardInterrupt: Ctrl-C was pressed. The exception is raised even if
            the training caught it.
    """
    started = time.monotonic()
    try:
        # Without `interrupts_kept`, TensorFlow may turn Ctrl-C into another
        # exception, which would become a failed result.
        with interrupts_kept(), without_retracing_notes():
            return run_trial(
                trial,
                config=config,
                features_dir=features_dir,
                trial_dir=trials_dir / trial.trial_id,
                on_epoch=on_epoch,
            )
    except UserError:
        raise
    except Exception as error:
        return TrialResult.of_error(
            trial.trial_id, error, seconds=time.monotonic() - started
        )
