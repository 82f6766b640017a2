"""Trains one network: the only place where a Keras model is trained.

Binary cross-entropy on the clip scores, Adam, after every epoch the mean
equal error rate (EER) of the validation clips, early stopping that restores
the best weights (Wei et al. 2018 stop on the validation loss; the score of
the task is the EER, so that is what decides here).
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
    """The weights or scores are not finite any more.

    One NaN turns convolution weights to NaN while the loss stays finite (ReLU
    and max-pool turn NaN to 0), so the weights themselves are looked at.
    """


@dataclasses.dataclass(frozen=True)
class TrainingResult:
    """What a training gave, curves by epoch.

    Attributes:
        history: one number an epoch: `training_loss`, and `validation_` with
            each of `loss`, `eer`, `auc` and `binormal_eer` (means over tags);
            the same for each set that was scored beside it; and `quality`,
            see `quality.QUALITIES`.
        best_epoch: the epoch, from 1, whose weights the network now has.
        stopped_epoch: the epoch after which the stop rule ended the training;
            0 if it did not.
    """

    history: dict[str, list[float]]
    best_epoch: int
    stopped_epoch: int = 0

    @property
    def best_eer(self) -> float:
        """The validation mean EER of the weights kept."""
        return self.history["validation_eer"][self.best_epoch - 1]

    @property
    def best_loss(self) -> float:
        """The validation loss of the weights kept."""
        return self.history["validation_loss"][self.best_epoch - 1]


@dataclasses.dataclass(frozen=True)
class ScoredData:
    """Clips that are scored after every epoch.

    Attributes:
        data: batches of (features, labels, weights), the last one padded
            with examples of weight 0.
        labels: (clips, tags), in the order of `data`.
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
        build_model: makes the network; called in the strategy's scope.
        training_data: batches of features (batch, frames, mels) and labels
            (batch, tags), each shared evenly by the replicas.
        validation: decides which epoch's weights are kept.
        settings: epochs, patience and learning rate.
        strategy: what to train on; all there is if None.
        on_epoch: called with the epoch, from 1, and its numbers.
        also_scored: more clips, by name; they decide nothing.
        quality: how good the network is by its curves.
        stop_rule: the least quality at some epochs; a training that has less
            there is ended, unless that epoch is its last anyway.

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
            # XLA is slower on CPU, and cuDNN's GRU can't be compiled by it.
            jit_compile=False,
        )
        # Unbuilt, Keras would trace the whole step once more to build it.
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
    """What Keras's `fit` does, reading the data once.

    `fit` begins by reading a batch through an iterator of its own and drops
    it. How far that one runs ahead is a matter of luck; where it gets past an
    epoch's end, all later epochs come in another order, so that the same seed
    gives another network.
    """
    num_steps = int(training_data.cardinality())
    if num_steps < 1:
        raise DataError(
            "the training data: must have one batch or more, and know how "
            f"many. Received: a cardinality of {num_steps}"
        )
    # One endless pass: to make and drop the iterators of every epoch costs
    # more than a small child's steps. The first epoch is the one that `fit`
    # would have dropped: what was recorded with it stays as it was.
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
        if not watcher.goes_on(epoch + 1, loss):
            break


def check_scorable(labels: np.ndarray, where: str = "") -> None:
    """Checks that some tag has an EER.

    Args:
        labels: (clips, tags) of the validation clips.
        where: the tags and folds they are of, for the message.

    Raises:
        DataError: no tag has both a positive and a negative clip.
    """
    if np.isnan(mean_eer(labels, labels)):
        raise DataError(
            f"the validation clips{where}: some tag must have both a clip "
            "that carries it and one that does not. Received: none does, in "
            f"{len(labels)} clips"
        )


def predict(
    model: keras.Model, data: tf.data.Dataset, *, num_clips: int
) -> np.ndarray:
    """The clip scores of the first `num_clips` examples: (clips, tags).

    On one device: `model.predict` under a strategy sets up as much for a few
    hundred clips as the scoring itself takes.
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
    """The mean EER over the tags that have one; NaN if none has."""
    return _mean_over_tags(metrics.equal_error_rate, labels, scores)


def score_numbers(labels: np.ndarray, scores: np.ndarray) -> dict[str, float]:
    """The numbers of an epoch: `loss`, `eer`, `auc` and `binormal_eer`.

    Args:
        labels: (clips, tags), 0 or 1.
        scores: (clips, tags), in [0, 1].

    Returns:
        Means over the tags that have the number; NaN if none has.
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
    """The mean over clips and tags, scores clipped as Keras clips them."""
    scores = np.clip(scores.astype(np.float64), 1e-7, 1 - 1e-7)
    losses = labels * np.log(scores) + (1 - labels) * np.log1p(-scores)
    return float(-np.mean(losses))


class _Watcher:
    """Scores the validation clips after each epoch; keeps the best weights."""

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

    def goes_on(self, epoch: int, training_loss: float) -> bool:
        """Looks at the network after an epoch, from 1: is there another?"""
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
        """Lower EER; where equal (small folds tie often), lower loss."""
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
