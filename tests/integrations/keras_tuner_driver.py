"""A complete keras-tuner process that searches a small real model.

`python -m tests.integrations.keras_tuner_driver DIRECTORY NUM_TRIALS [KILL_AT]`
kills itself by SIGKILL during trial number KILL_AT (from 0).
"""

import json
import os
import signal
import sys

import keras
import keras_tuner
import numpy as np

from audiotag_nas.integrations.keras_tuner_oracle import ReinforceOracle


def build_model(hp: keras_tuner.HyperParameters) -> keras.Model:
    """A model with every kind of hyperparameter; 5 features, 3 classes."""
    keras.utils.set_random_seed(7)
    model = keras.Sequential([keras.Input((5,))])
    if hp.Boolean("normalize"):
        model.add(keras.layers.BatchNormalization())
    for layer in range(hp.Int("layers", 1, 2)):
        model.add(
            keras.layers.Dense(
                hp.Int(f"units_{layer}", 4, 12, step=4),
                activation=hp.Choice("activation", ["relu", "elu", "tanh"]),
            )
        )
    model.add(keras.layers.Dropout(hp.Float("dropout", 0.0, 0.3, step=0.1)))
    model.add(keras.layers.Dense(hp.Fixed("classes", 3), activation="softmax"))
    model.compile(
        keras.optimizers.Adam(
            hp.Float("rate", 1e-3, 0.1, step=10, sampling="log")
        ),
        "sparse_categorical_crossentropy",
        run_eagerly=True,  # tracing would take longer than training
    )
    return model


class Kill(keras.callbacks.Callback):
    """Kills this process by SIGKILL during a training."""

    def __init__(self, num_trainings: int) -> None:
        super().__init__()
        self._left = [num_trainings]

    def __deepcopy__(self, memo: dict) -> "Kill":
        return self  # keras-tuner copies callbacks; this one counts

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        if self._left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def on_train_end(self, logs: dict | None = None) -> None:
        self._left[0] -= 1


def search(
    directory: str, num_trials: int, kill_at: int = -1
) -> keras_tuner.Tuner:
    """Searches until the project has `num_trials` trials."""
    random = np.random.default_rng(3)
    features = random.normal(size=(48, 5)).astype("float32")
    labels = (features[:, 0] > 0).astype(int) + (features[:, 1] > 0.5)
    tuner = keras_tuner.Tuner(
        oracle=ReinforceOracle(
            "val_loss", max_trials=num_trials, seed=0, trials_per_round=2
        ),
        hypermodel=build_model,
        directory=directory,
        project_name="project",
    )
    tuner.search(
        features[:32],
        labels[:32],
        validation_data=(features[32:], labels[32:]),
        epochs=2,
        verbose=0,
        callbacks=[Kill(kill_at)],
    )
    return tuner


def outcome(tuner: keras_tuner.Tuner) -> list:
    """Id, values and score of each trial, in the order of their start."""
    oracle = tuner.oracle
    return [
        [
            trial_id,
            oracle.trials[trial_id].hyperparameters.values,
            oracle.trials[trial_id].score,
        ]
        for trial_id in oracle.start_order
    ]


def main() -> None:
    directory, *numbers = sys.argv[1:]
    print(json.dumps(outcome(search(directory, *map(int, numbers)))))


if __name__ == "__main__":
    main()
