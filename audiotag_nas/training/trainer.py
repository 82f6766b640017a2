"""Trains one network. No other file of the package trains a Keras model.

Adam minimizes the binary cross-entropy of the clip scores. After every epoch,
the mean equal error rate (EER) of the validation clips is computed. A training
stops early if the EER no longer improves, and the network gets the weights of
the best epoch. Wei et al. (2018) compare the validation loss of epochs. This
trainer compares the EER, because the EER is the score of the task.
"""

import collections
import dataclasses
import math
from collections.abc import Callable, Mapping

import keras
import numpy as np
import tensorflow as tf

from audiotag_nas import metrics
from audiotag_nas.config import TrainingConfig
from audiotag_nas.errors import DataError
from audiotag_nas.training import strategy as strategies
from audiotag_nas.training.rewards import PAPER_QUALITY, Quality
from audiotag_nas.trial import StopRule, is_stopped

OnEpoch = Callable[[int, dict[str, float]], None]


class TrainingDivergedError(Exception):
    """Weights or scores are no longer finite.

    A check of the scores alone would not find every NaN in the weights of a
    convolution, because ReLU and max-pooling turn NaN into 0.
    """


@dataclasses.dataclass(frozen=True)
class TrainingResult:
    """The learning curves of a training, and its best epoch.

    Attributes:
        history: name -> one number per epoch. The names are `training_loss`;
            `validation_loss`, `validation_eer`, `validation_auc` and
            `validation_binormal_eer` (means over tags); four such names for
            each other scored set; and `quality` (see `rewards`).
        best_epoch: the epoch, from 1, whose weights the network has.
        stopped_epoch: the epoch after which the stop rule ended the training;
            0 if the rule did not end the training.
    """

    history: dict[str, list[float]]
    best_epoch: int
    stopped_epoch: int = 0

    @property
    def best_eer(self) -> float:
        """The validation mean EER of the best epoch."""
        return self.history["validation_eer"][self.best_epoch - 1]

    @property
    def best_loss(self) -> float:
        """The validation loss of the best epoch."""
        return self.history["validation_loss"][self.best_epoch - 1]


@dataclasses.dataclass(frozen=True)
class ScoredData:
    """Clips that are scored after every epoch.

    Attributes:
        data: batches of (features, labels, weights). The last batch is padded
            with examples of weight 0.
        labels: array of shape (clips, tags), in the order of `data`.
    """

    data: tf.data.Dataset
    labels: np.ndarray


def train(
    build_model: Callable[[], keras.Model],
    *,
    training_data: tf.data.Dataset,
    validation: ScoredData,
    settings: TrainingConfig,
    strategy: tf.distribute.Strategy | None = None,
    on_epoch: OnEpoch | None = None,
    also_scored: Mapping[str, ScoredData] | None = None,
    quality: Quality = PAPER_QUALITY,
    stop_rule: StopRule = (),
) -> tuple[keras.Model, TrainingResult]:
    """Builds and trains a network.

    Args:
        build_model: builds the network; called in the strategy's scope.
        training_data: batches of features (batch, frames, mels) and labels
            (batch, tags). The batch size must be a multiple of the number of
            devices.
        validation: the clips whose mean EER decides which epoch is the best.
        settings: epochs, patience and learning rate.
        strategy: the devices that train the network; None means all devices.
        on_epoch: called with the epoch, from 1, and the numbers of the epoch.
        also_scored: name -> further clips to score. The scores of these clips
            have no influence on the training.
        quality: computes the network's quality from the learning curves.
        stop_rule: epochs, and the least quality after each of these epochs.
            The rule does not apply to the training's last epoch.

    Returns:
        The network with the weights of its best epoch, and the curves.

    Raises:
        TrainingDivergedError: a weight or score became NaN or infinite.
        DataError: no tag has both a positive and a negative validation clip,
            or there is no batch to train on.
    """
    check_scorable(validation.labels)
    strategy = strategies.make_strategy() if strategy is None else strategy
    with strategy.scope():
        model = build_model()
        model.compile(
            optimizer=keras.optimizers.Adam(settings.learning_rate),
            loss={"clip_scores": keras.losses.BinaryCrossentropy()},
            # XLA is slower on CPU and can't compile cuDNN's GRU.
            jit_compile=False,
        )
        # Without this call, Keras would trace the whole training step twice,
        # the first time only to build the optimizer.
        model.optimizer.build(model.trainable_variables)
    watcher = _Watcher(
        model,
        {"validation": validation, **(also_scored or {})},
        settings,
        on_epoch,
        quality,
        stop_rule,
    )
    _run_epochs(model, training_data, strategy, settings.epochs, watcher)
    model.set_weights(watcher.best_weights)
    return model, TrainingResult(
        dict(watcher.history), watcher.best_epoch, watcher.stopped_epoch
    )


def _run_epochs(
    model: keras.Model,
    training_data: tf.data.Dataset,
    strategy: tf.distribute.Strategy,
    num_epochs: int,
    watcher: "_Watcher",
) -> None:
    """Trains as Keras's `fit` does, but reproducibly.

    `fit` reads its first batch through a separate iterator, which reads ahead
    by a random number of batches. If the separate iterator passes the end of an
    epoch, the order of examples changes in all later epochs. The same seed then
    gives another network.
    """
    num_steps = int(training_data.cardinality())
    if num_steps < 1:
        raise DataError(
            "the training data: must have a known number of batches, at least "
            f"1. Received: a cardinality of {num_steps}"
        )
    # One endless iterator serves all epochs, because making an iterator takes
    # longer than an epoch of a small network. The first epoch of the data is
    # skipped here because `fit` skips it. Results that were recorded with `fit`
    # thus remain reproducible.
    batches = iter(
        strategy.experimental_distribute_dataset(
            training_data.map(_name_labels).repeat().skip(num_steps)
        )
    )

    @tf.function(reduce_retracing=True, autograph=False)
    def step(batches: tf.distribute.DistributedIterator) -> None:
        strategy.run(model.train_step, args=(next(batches),))

    for epoch in range(num_epochs):
        model.reset_metrics()
        for _ in range(num_steps):
            step(batches)
        loss = float(model.get_metrics_result()["loss"])
        if not watcher.should_continue(epoch + 1, loss):
            break


def check_scorable(labels: np.ndarray, where: str = "") -> None:
    """Checks that at least one tag has an EER.

    Args:
        labels: labels of the validation clips, of shape (clips, tags).
        where: text with the tags and folds for the error message.

    Raises:
        DataError: no tag has both a positive and a negative clip.
    """
    if np.isnan(mean_eer(labels, labels)):
        raise DataError(
            f"the validation clips{where}: at least one tag must have both a "
            "clip that carries it and a clip that does not. Received: no such "
            f"tag, in {len(labels)} clips"
        )


def predict(
    model: keras.Model, data: tf.data.Dataset, *, num_clips: int
) -> np.ndarray:
    """Returns the scores, (clips, tags), of the first `num_clips` examples.

    The scores are computed on one device. Under a strategy, the setup of
    `model.predict` would take as long as the scoring of a few hundred clips.
    """
    return _score(_scorer(model), data, num_clips)


def _scorer(model: keras.Model) -> Callable[[tf.Tensor], tf.Tensor]:
    @tf.function(reduce_retracing=True, autograph=False)
    def score(features: tf.Tensor) -> tf.Tensor:
        return model(features, training=False)["clip_scores"]

    return score


def _score(
    scorer: Callable[[tf.Tensor], tf.Tensor],
    data: tf.data.Dataset,
    num_clips: int,
) -> np.ndarray:
    batches = [scorer(features).numpy() for features, *_ in data]
    return np.concatenate(batches)[:num_clips]


def mean_eer(labels: np.ndarray, scores: np.ndarray) -> float:
    """Returns the mean over all tags with an EER; NaN if no tag has an EER."""
    return _mean_over_tags(metrics.equal_error_rate, labels, scores)


def score_numbers(labels: np.ndarray, scores: np.ndarray) -> dict[str, float]:
    """Returns an epoch's `loss`, `eer`, `auc` and `binormal_eer`.

    Args:
        labels: array of shape (clips, tags) with values 0 and 1.
        scores: array of shape (clips, tags) with values in [0, 1].

    Returns:
        For each number, the mean over the tags for which the number is
        defined; NaN if there is no such tag.
    """
    return {
        "loss": binary_cross_entropy(labels, scores),
        "eer": mean_eer(labels, scores),
        "auc": _mean_over_tags(metrics.roc_auc, labels, scores),
        "binormal_eer": _mean_over_tags(
            metrics.binormal_equal_error_rate, labels, scores
        ),
    }


def _mean_over_tags(
    measure: Callable[[np.ndarray, np.ndarray], float],
    labels: np.ndarray,
    scores: np.ndarray,
) -> float:
    values = [
        measure(labels[:, tag], scores[:, tag])
        for tag in range(labels.shape[1])
    ]
    defined = [value for value in values if not math.isnan(value)]
    return float(np.mean(defined)) if defined else math.nan


def binary_cross_entropy(labels: np.ndarray, scores: np.ndarray) -> float:
    """Returns the mean over clips and tags. Like Keras, clips the scores."""
    scores = np.clip(scores.astype(np.float64), 1e-7, 1 - 1e-7)
    losses = labels * np.log(scores) + (1 - labels) * np.log1p(-scores)
    return float(-np.mean(losses))


class _Watcher:
    """Scores clips after each epoch, and keeps the best epoch's weights."""

    def __init__(
        self,
        model: keras.Model,
        scored: Mapping[str, ScoredData],
        settings: TrainingConfig,
        on_epoch: OnEpoch | None,
        quality: Quality,
        stop_rule: StopRule,
    ) -> None:
        self._model = model
        self._scored = scored
        self._settings = settings
        self._on_epoch = on_epoch
        self._quality = quality
        self._stop_rule = stop_rule
        self._scorer: Callable[[tf.Tensor], tf.Tensor] | None = None
        self.history: dict[str, list[float]] = collections.defaultdict(list)
        self.best_epoch = 0
        self.stopped_epoch = 0
        self.best_weights: list[np.ndarray] = []

    def should_continue(self, epoch: int, training_loss: float) -> bool:
        """Records an epoch, and returns True if the training continues."""
        weights = self._model.get_weights()
        if not all(np.isfinite(weight).all() for weight in weights):
            raise TrainingDivergedError(
                f"a weight is not finite after epoch {epoch}"
            )
        numbers = {"training_loss": training_loss}
        for name, scored in self._scored.items():
            numbers |= {
                f"{name}_{measure}": value
                for measure, value in self._score(scored, epoch).items()
            }
        for name, value in numbers.items():
            self.history[name].append(value)
        numbers["quality"] = self._quality(self.history)
        self.history["quality"].append(numbers["quality"])
        if self._is_best():
            self.best_epoch = epoch
            self.best_weights = weights
        if self._on_epoch is not None:
            self._on_epoch(epoch, numbers)
        if epoch - self.best_epoch >= self._settings.patience:
            return False
        if epoch < self._settings.epochs and is_stopped(
            self._stop_rule, epoch, numbers["quality"]
        ):
            self.stopped_epoch = epoch
        return not self.stopped_epoch

    def _score(self, scored: ScoredData, epoch: int) -> dict[str, float]:
        if self._scorer is None:
            self._scorer = _scorer(self._model)
        scores = _score(self._scorer, scored.data, len(scored.labels))
        if not np.isfinite(scores).all():
            raise TrainingDivergedError(
                f"a score is not finite after epoch {epoch}"
            )
        return score_numbers(scored.labels, scores)

    def _is_best(self) -> bool:
        """True if the last epoch has the best EER; the loss breaks ties."""
        ranks = list(
            zip(
                self.history["validation_eer"],
                self.history["validation_loss"],
                strict=True,
            )
        )
        return self.best_epoch == 0 or ranks[-1] < ranks[self.best_epoch - 1]


@tf.autograph.experimental.do_not_convert
def _name_labels(
    features: tf.Tensor, labels: tf.Tensor
) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
    return features, {"clip_scores": labels}
