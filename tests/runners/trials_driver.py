"""A driver of real, small trainings on a data set of tones.

`python -m tests.runners.trials_driver WORKDIR RUNNER NUM_WORKERS [JSON]`
searches with two open rounds and prints the outcome as JSON. The argument JSON
has further runner settings. Each epoch is a line of `WORKDIR/epochs.txt`.
"""

import json
import os
import sys
from pathlib import Path

from audiotag_nas.architecture import Architecture, ConvBlock
from audiotag_nas.config import (
    DataConfig,
    ExperimentConfig,
    FeatureConfig,
    GridConfig,
    TrainingConfig,
)
from audiotag_nas.runners.factory import make_runner
from audiotag_nas.runners.settings import RunnerSettings
from audiotag_nas.search import make_searcher
from audiotag_nas.search.journal import Journal
from audiotag_nas.search.lock import driver_lock
from audiotag_nas.search.loop import run_search
from audiotag_nas.space import Decision, SearchSpace, Tokens
from audiotag_nas.trial import Trial

SPACE = SearchSpace((Decision("filters", (2, 3, 5)), Decision("width", (1, 3))))
NUM_TRIALS = 4
CLIP_SECONDS = 0.5


def config() -> ExperimentConfig:
    return ExperimentConfig(
        data=DataConfig(
            tags=("low", "high", "loud"),
            clip_seconds=CLIP_SECONDS,
            min_clip_seconds=CLIP_SECONDS,
            validation_folds=(1,),
        ),
        features=FeatureConfig(
            sample_rate_hz=8000,
            frame_length=512,
            frame_step=256,
            num_mels=13,
            fmax_hz=4000.0,
        ),
        grid=GridConfig(spectrogram_size=("14x13",)),
        training=TrainingConfig(epochs=4, batch_size=4, learning_rate=0.01),
    )


def prepare(workdir: Path) -> None:
    """Prepares log-mels of low, high, soft and loud tones in two folds."""
    import numpy as np
    import soundfile

    from audiotag_nas.data import feature_writer
    from audiotag_nas.data.clip import Clip

    rng = np.random.default_rng(0)
    seconds = np.arange(4000) / 8000
    clips = []
    (workdir / "sounds").mkdir(parents=True)
    for i in range(22):
        high, loud = i % 2, i // 2 % 2
        tone = np.sin(2 * np.pi * (2500 if high else 300) * seconds)
        noise = 0.01 * rng.normal(size=4000)
        path = workdir / "sounds" / f"{i}.wav"
        soundfile.write(path, (0.5 if loud else 0.02) * tone + noise, 8000)
        tags = ["high" if high else "low"] + ["loud"] * loud
        clips.append(
            Clip(f"{i}", f"s{i}", tuple(tags), "development", i % 3 % 2, path)
        )
    size = config().features.spectrogram_size(CLIP_SECONDS)
    feature_writer.write_log_mels(
        clips,
        config().features,
        data=config().data,
        split_dir=workdir / "features" / size / "development",
    )


def prepare_elsewhere(
    config: ExperimentConfig, *, size: str, split_dir: Path, cache_dir: Path
) -> None:
    """Prepares features on a node that does not see the driver's disk."""
    made_dir = cache_dir / f"made-{os.getpid()}"
    prepare(made_dir)
    split_dir.parent.mkdir(parents=True)
    (made_dir / "features" / size / "development").rename(split_dir)


def make_trial(number: int, round_number: int, tokens: Tokens) -> Trial:
    values = SPACE.values(tokens)
    block = ConvBlock(int(values["filters"]), 3, int(values["width"]))
    architecture = Architecture((block,), recurrent_units=4)
    return Trial(
        trial_id=f"search-{number:04d}",
        stage="search",
        round=round_number,
        tokens=tokens,
        hparams=values,
        architecture=architecture,
        seed=100 + number,
    )


def main() -> None:
    workdir, runner_name, num_workers = Path(sys.argv[1]), *sys.argv[2:4]
    settings = json.loads(sys.argv[4]) if len(sys.argv) > 4 else {}
    num_trials = settings.pop("num_trials", NUM_TRIALS)
    if runner_name == "in_process":
        from audiotag_nas.training import strategy

        strategy.use_threads(config().threads_per_trial)

    def note_epoch(trial: Trial, epoch: int, numbers: dict) -> None:
        with open(workdir / "epochs.txt", "a") as file:
            file.write(f"{trial.trial_id} {epoch}\n")

    runner = make_runner(
        RunnerSettings(runner_name, num_workers=int(num_workers), **settings),
        config(),
        features_dir=workdir / "features",
        trials_dir=workdir / "trials",
        on_epoch=note_epoch,
        prepare="tests.runners.trials_driver:prepare_elsewhere",
    )
    try:
        with driver_lock(workdir):
            outcome = run_search(
                make_searcher("random", SPACE, seed=4),
                runner,
                Journal(workdir / "trials.jsonl"),
                stage="search",
                num_trials=num_trials,
                trials_per_round=2,
                make_trial=make_trial,
                failure_reward=0.0,
                max_open_rounds=2,
            )
    finally:
        runner.close()
    value = {
        "trials": [trial.to_json() for trial in outcome.trials],
        "histories": [result.history for result in outcome.results],
        "metrics": [result.metrics for result in outcome.results],
        "rewards": [result.reward for result in outcome.results],
        "reasons": [result.reason for result in outcome.results],
        "recommendation": outcome.recommendation,
    }
    print(json.dumps(value))


if __name__ == "__main__":
    main()
