"""Fast trainings that fail in the ways that real ones can, for runner tests.

`run_trial` is a runner's target; `hparams["do"]` names what it does. Signals,
memory and processes are real.
"""

import ctypes
import math
import os
import signal
import time
from pathlib import Path

from audiotag_nas import errors
from audiotag_nas.architecture import CRNN_BASELINE
from audiotag_nas.space import Choice
from audiotag_nas.trial import Trial, TrialResult, TrialStatus
from tests.fakes import fake_reward

TARGET = "tests.fake_trainings:run_trial"


def make_trial(name: str, do: str = "complete", **values: Choice) -> Trial:
    return Trial(
        trial_id=name,
        stage="search",
        round=0,
        tokens=(2, 0, 1),
        hparams={"filters": 32, "do": do, **values},
        architecture=CRNN_BASELINE,
        seed=5,
    )


def run_trial(
    trial: Trial, *, config, features_dir: Path, trial_dir: Path, on_epoch
) -> TrialResult:
    started = time.monotonic()
    trial_dir.mkdir(parents=True, exist_ok=True)
    with open(trial_dir / "pids.txt", "a") as file:
        file.write(f"{os.getpid()}\n")
    _ACTIONS[trial.hparams.get("do", "complete")](trial, trial_dir)
    for epoch in range(1, trial.hparams.get("epochs", 1) + 1):
        on_epoch(epoch, {"validation_eer": 0.25})
    reward = fake_reward(trial.tokens)
    return TrialResult(
        trial_id=trial.trial_id,
        status=TrialStatus.COMPLETED,
        reward=reward,
        metrics={"validation_eer": 1 - reward, "pid": os.getpid()},
        history={"training_loss": [math.nan, 0.5]},
        seconds=time.monotonic() - started,
    )


def _sleep(trial: Trial, trial_dir: Path) -> None:
    time.sleep(trial.hparams["seconds"])


def _meet(trial: Trial, trial_dir: Path) -> None:
    """Ends only if `num` trainings run at the same time."""
    meeting = trial_dir.parent / "meeting"
    meeting.mkdir(exist_ok=True)
    (meeting / trial.trial_id).touch()
    deadline = time.monotonic() + 30
    while len(list(meeting.iterdir())) < trial.hparams["num"]:
        if time.monotonic() > deadline:
            raise TimeoutError("the other trainings did not start")
        time.sleep(0.01)


def _spin(trial: Trial, trial_dir: Path) -> None:
    while True:
        pass


def _raise(trial: Trial, trial_dir: Path) -> None:
    raise ValueError("this one\ncan't be trained")


def _find_damage(trial: Trial, trial_dir: Path) -> None:
    raise errors.DataError("features.tfrecord: damaged")


def _be_killed(trial: Trial, trial_dir: Path) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _be_killed_once(trial: Trial, trial_dir: Path) -> None:
    if len((trial_dir / "pids.txt").read_text().split()) == 1:
        _be_killed(trial, trial_dir)


def _read_null(trial: Trial, trial_dir: Path) -> None:
    ctypes.string_at(0)


def _log(trial: Trial, trial_dir: Path) -> None:
    """Writes TensorFlow's log lines around the trial's own output."""
    os.write(
        2,
        b"WARNING: All log messages before absl::InitializeLog() is called are "
        b"written to STDERR\n"
        b"E0000 00:00:1764077716.123456   99 util.cc:131] oneDNN supports "
        b"DT_HALF only on platforms with AVX-512.\n",
    )
    os.write(2, trial.hparams["words"].encode())
    os.write(
        2,
        b"I0000 00:00:1764077716.123456   99 cpu_feature_guard.cc:227] This "
        b"TensorFlow binary is optimized to use available CPU instructions.\n"
        b"To enable the following instructions: AVX2 FMA, in other operations, "
        b"rebuild TensorFlow with the appropriate compiler flags.\n"
        b"W0000 00:00:1764077716.123456   99 gpu_device.cc:2342] Cannot dlopen "
        b"some GPU libraries.\n"
        b"2026-01-31 12:00:00.123456: I tensorflow/core/util/port.cc:153] "
        b"oneDNN custom operations are on.\n",
    )
    _ACTIONS[trial.hparams["then"]](trial, trial_dir)


def _abort(trial: Trial, trial_dir: Path) -> None:
    os.write(2, b"F0000 kernels.cc:12] Check failed: size > 0\n")
    os.abort()


def _exit(trial: Trial, trial_dir: Path) -> None:
    os._exit(3)


def _hoard(trial: Trial, trial_dir: Path) -> None:
    hoard = []
    while True:
        hoard.append(b"x" * 2**24)  # written, so it is resident
        time.sleep(0.005)


_ACTIONS = {
    "complete": lambda trial, trial_dir: None,
    "sleep": _sleep,
    "meet": _meet,
    "spin": _spin,
    "log": _log,
    "raise": _raise,
    "find damage": _find_damage,
    "be killed": _be_killed,
    "be killed once": _be_killed_once,
    "read null": _read_null,
    "abort": _abort,
    "exit": _exit,
    "hoard": _hoard,
}
