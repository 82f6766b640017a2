"""Tables of small perceptrons for other data, trained with scikit-learn.

A searcher that does well on the recorded table but not on these tables is
tuned to the recorded table. Each table has one network per combination of a
search space's choices. Each network is trained with two seeds on a data set of
scikit-learn, and scored on a validation split and a test split. This project's
own choice of spaces:

    digits      digit classifiers; decisions: widths, activation, weight decay,
                learning rate and batch size
    layers      digit classifiers; decisions: widths of four layers, activation
    diabetes    regressors, scored by R^2; decisions: those of `digits`, and the
                number of epochs
    cancer      classifiers, trained on few cases with noisy labels; decisions:
                those of `diabetes`, but depth and one width instead of widths

The constants of `reinforce` were chosen on several spaces, including earlier
forms of `digits`, `layers` and `diabetes`. `cancer` was added afterwards.
"""

import csv
import dataclasses
import functools
import io
import itertools
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from audiotag_nas.errors import ConfigError

NUM_SEEDS = 2
_DIGITS = 5
_WORST_R2 = -1.0
"""The score of all regressors with a lower R^2, e.g. because of divergence."""

Choices = Mapping[str, Any]
Arrays = tuple[npt.NDArray, npt.NDArray]


@dataclasses.dataclass(frozen=True)
class PerceptronTable:
    """A search space and the training of its networks.

    Attributes:
        choices: decision -> choices of the decision, with increasing numbers.
        train: function (choices, seed) -> validation score and test score.
            Higher scores are better.
    """

    choices: Mapping[str, tuple]
    train: Callable[[Choices, int], tuple[float, float]]

    def points(self) -> list[Choices]:
        """Returns every combination. The last decision changes fastest."""
        return [
            dict(zip(self.choices, values, strict=True))
            for values in itertools.product(*self.choices.values())
        ]

    def row(self, point: Choices) -> list[Any]:
        """Returns a point's row: its choices, rewards and true value.

        Each reward is the validation score with one seed. The true value is the
        mean of the test scores.
        """
        scores = [self.train(point, seed) for seed in range(NUM_SEEDS)]
        rewards = [round(validation, _DIGITS) for validation, _ in scores]
        value = float(np.mean([test for _, test in scores]))
        return [*point.values(), *rewards, round(value, _DIGITS)]


def table_csv(table: PerceptronTable, rows: list[list[Any]]) -> str:
    """Returns the text of a CSV file for `read_csv_problem`."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    rewards = [f"reward_{seed + 1}" for seed in range(NUM_SEEDS)]
    writer.writerow([*table.choices, *rewards, "value"])
    writer.writerows(rows)
    return text.getvalue()


def _fit_and_score(
    make_network: Callable[..., Any],
    splits: tuple[Arrays, Arrays, Arrays],
    seed: int,
    **settings: Any,
) -> tuple[float, float]:
    train, validation, test = splits
    network = make_network(random_state=seed, **settings)
    with warnings.catch_warnings():
        # Some trainings diverge or do not converge in the given epochs.
        warnings.simplefilter("ignore")
        network.fit(*train)
        return network.score(*validation), network.score(*test)


def _splits(
    features: npt.NDArray,
    targets: npt.NDArray,
    *,
    num_train: int,
    num_validation: int,
) -> tuple[Arrays, Arrays, Arrays]:
    """Returns splits for training, validation and test, with a fixed seed."""
    order = np.random.default_rng(0).permutation(len(targets))
    parts = np.split(order, [num_train, num_train + num_validation])
    train, validation, test = ((features[p], targets[p]) for p in parts)
    return train, validation, test


def _digit_trainer(*, num_train: int) -> Callable[..., tuple[float, float]]:
    """Returns a function (seed, settings) -> scores of a digit classifier."""
    from sklearn.datasets import load_digits
    from sklearn.neural_network import MLPClassifier

    features, targets = load_digits(return_X_y=True)
    splits = _splits(
        features / 16, targets, num_train=num_train, num_validation=300
    )
    return functools.partial(_fit_and_score, MLPClassifier, splits)


def _digits() -> PerceptronTable:
    fit_and_score = _digit_trainer(num_train=500)

    def train(point: Choices, seed: int) -> tuple[float, float]:
        return fit_and_score(
            seed,
            hidden_layer_sizes=_widths(point["units1"], point["units2"]),
            activation=point["activation"],
            alpha=point["alpha"],
            learning_rate_init=point["rate"],
            batch_size=point["batch"],
            max_iter=8,
        )

    return PerceptronTable(
        {
            "units1": (4, 8, 16, 32, 64),
            "units2": (0, 8, 16, 32),
            "activation": ("relu", "tanh", "logistic"),
            "alpha": (0.0, 0.01, 0.1, 1.0),
            "rate": (0.001, 0.003, 0.01, 0.03, 0.1),
            "batch": (8, 32, 128),
        },
        train,
    )


def _layers() -> PerceptronTable:
    fit_and_score = _digit_trainer(num_train=400)
    names = ("layer1", "layer2", "layer3", "layer4")

    def train(point: Choices, seed: int) -> tuple[float, float]:
        return fit_and_score(
            seed,
            hidden_layer_sizes=_widths(*(point[name] for name in names)),
            activation=point["activation"],
            learning_rate_init=0.01,
            batch_size=32,
            max_iter=10,
        )

    return PerceptronTable(
        {
            **dict.fromkeys(names, (4, 8, 16, 32, 64)),
            "activation": ("relu", "tanh", "logistic"),
        },
        train,
    )


def _diabetes() -> PerceptronTable:
    from sklearn.datasets import load_diabetes
    from sklearn.neural_network import MLPRegressor

    features, targets = load_diabetes(return_X_y=True)
    splits = _splits(
        features / features.std(axis=0),
        (targets - targets.mean()) / targets.std(),
        num_train=200,
        num_validation=100,
    )

    def train(point: Choices, seed: int) -> tuple[float, float]:
        try:
            validation, test = _fit_and_score(
                MLPRegressor,
                splits,
                seed,
                hidden_layer_sizes=_widths(point["units1"], point["units2"]),
                activation=point["activation"],
                alpha=point["alpha"],
                learning_rate_init=point["rate"],
                batch_size=point["batch"],
                max_iter=point["epochs"],
            )
        except ValueError:  # the weights are not finite
            return _WORST_R2, _WORST_R2
        return max(validation, _WORST_R2), max(test, _WORST_R2)

    return PerceptronTable(
        {
            "units1": (2, 4, 8, 16, 32),
            "units2": (0, 4, 8, 16),
            "activation": ("relu", "tanh", "logistic"),
            "alpha": (0.0, 0.1, 1.0, 10.0),
            "rate": (0.001, 0.003, 0.01, 0.03),
            "batch": (8, 32),
            "epochs": (5, 15),
        },
        train,
    )


def _cancer() -> PerceptronTable:
    from sklearn.datasets import load_breast_cancer
    from sklearn.neural_network import MLPClassifier

    features, targets = load_breast_cancer(return_X_y=True)
    features = (features - features.mean(axis=0)) / features.std(axis=0)
    train_split, validation, test = _splits(
        features, targets, num_train=150, num_validation=200
    )
    is_wrong = np.random.default_rng(1).random(len(train_split[1])) < 0.15
    noisy = np.where(is_wrong, 1 - train_split[1], train_split[1])
    splits = ((train_split[0], noisy), validation, test)

    def train(point: Choices, seed: int) -> tuple[float, float]:
        return _fit_and_score(
            MLPClassifier,
            splits,
            seed,
            hidden_layer_sizes=(point["units"],) * point["depth"],
            activation=point["activation"],
            alpha=point["alpha"],
            learning_rate_init=point["rate"],
            batch_size=point["batch"],
            max_iter=point["epochs"],
        )

    return PerceptronTable(
        {
            "units": (2, 4, 8, 16, 32),
            "depth": (1, 2, 3),
            "activation": ("relu", "tanh", "logistic"),
            "alpha": (0.0, 0.1, 1.0, 10.0),
            "rate": (0.001, 0.003, 0.01, 0.03),
            "batch": (8, 32),
            "epochs": (5, 10, 20),
        },
        train,
    )


def _widths(*units: int) -> tuple[int, ...]:
    """Returns the widths of hidden layers, without layers of 0 units."""
    return tuple(num for num in units if num)


_MAKE: dict[str, Callable[[], PerceptronTable]] = {
    "digits": _digits,
    "layers": _layers,
    "diabetes": _diabetes,
    "cancer": _cancer,
}

TABLES = tuple(_MAKE)


@functools.cache
def make_table(name: str) -> PerceptronTable:
    """Returns the table named `name`, after loading its data set.

    Raises:
        ConfigError: the name is unknown.
    """
    if name not in _MAKE:
        raise ConfigError(
            f"a table must be one of {list(TABLES)}. Received: {name!r}"
        )
    return _MAKE[name]()


def train_row(name: str, point: Choices) -> list[Any]:
    """Trains the network of a point and returns its row of the table."""
    return make_table(name).row(point)
