"""Augmentation of training batches: mixup and SpecAugment.

The functions change features (batch, frames, mel bins) and labels (batch,
tags), both float32. All random values are computed from the argument `seed`,
int64 (2,). Equal seeds therefore give equal batches.

Mixup is by Zhang et al. (mixup: Beyond Empirical Risk Minimization, ICLR 2018).
Wei et al. (DCASE workshop 2018) apply it to log-mels with one lambda for each
example. SpecAugment is by Park et al. (Interspeech 2019); in this module, it
has one mask for each axis.
"""

import numpy as np
import tensorflow as tf

# Each kind of random draw has a number. This number is folded into the seed of
# the batch, so that different kinds of draws are independent.
_PARTNERS, _LAMBDAS, _FRAMES, _BINS = range(4)


def mixup(
    features: tf.Tensor, labels: tf.Tensor, *, alpha: float, seed: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Mixes each example with a random example of its batch.

    Example i becomes `lambda_i x_i + (1 - lambda_i) x_j(i)`. Each lambda_i is
    drawn from Beta(alpha, alpha); j is a random permutation of the batch. The
    labels are mixed in the same way. If `alpha` is 0, nothing is changed.
    """
    if alpha == 0:
        return features, labels
    batch_size = tf.shape(features)[0]
    partners = tf.random.experimental.stateless_shuffle(
        tf.range(batch_size), seed=_stream(seed, _PARTNERS)
    )
    weights = sample_beta(batch_size, alpha, seed=_stream(seed, _LAMBDAS))
    return (
        _blend(features, partners, weights[:, None, None]),
        _blend(labels, partners, weights[:, None]),
    )


def sample_beta(
    num_samples: tf.Tensor | int, alpha: float, *, seed: tf.Tensor
) -> tf.Tensor:
    """Draws from Beta(alpha, alpha), float32 (num_samples,); alpha > 0.

    A beta variable is X / (X + Y) for two gamma variables. If alpha is small,
    X and Y often underflow, and the ratio would be 0 / 0. Therefore the ratio
    is computed from the logarithms of X and Y. If G ~ Gamma(alpha + 1) and U is
    uniform, then G U^(1/alpha) ~ Gamma(alpha) (Marsaglia and Tsang, A Simple
    Method for Generating Gamma Variables, ACM TOMS 2000).
    """
    gammas = tf.random.stateless_gamma(
        (2, num_samples), _stream(seed, 0), alpha + 1.0, dtype=tf.float32
    )
    uniforms = tf.random.stateless_uniform(
        (2, num_samples),
        _stream(seed, 1),
        minval=float(np.finfo(np.float32).tiny),
    )
    logs = tf.math.log(gammas) + tf.math.log(uniforms) / alpha
    return tf.sigmoid(logs[0] - logs[1])


def spec_augment(
    features: tf.Tensor,
    *,
    time_mask_frames: int,
    mel_mask_bins: int,
    seed: tf.Tensor,
) -> tf.Tensor:
    """Masks one run of frames and one run of mel bins in each example.

    The length of a run is uniform from 0 to the given maximum, and the start is
    uniform among all possible starts. Masked values become the example's mean
    over all frames and bins. Unlike a constant, this mean follows the recording
    level. A maximum of 0 masks nothing.
    """
    masked = tf.zeros(tf.shape(features), tf.bool)
    if time_mask_frames > 0:
        run = _random_runs(
            features, 1, time_mask_frames, _stream(seed, _FRAMES)
        )
        masked |= run[:, :, None]
    if mel_mask_bins > 0:
        run = _random_runs(features, 2, mel_mask_bins, _stream(seed, _BINS))
        masked |= run[:, None, :]
    means = tf.reduce_mean(features, axis=(1, 2), keepdims=True)
    return tf.where(masked, means, features)


def _stream(seed: tf.Tensor, number: int) -> tf.Tensor:
    return tf.random.experimental.stateless_fold_in(seed, number)


def _blend(
    values: tf.Tensor, partners: tf.Tensor, weights: tf.Tensor
) -> tf.Tensor:
    return weights * values + (1 - weights) * tf.gather(values, partners)


def _random_runs(
    features: tf.Tensor, axis: int, longest: int, seed: tf.Tensor
) -> tf.Tensor:
    """Returns bool (batch, size of `axis`) with one run of True per example."""
    shape = tf.shape(features)
    uniforms = tf.random.stateless_uniform((2, shape[0], 1), seed)
    lengths = tf.floor(uniforms[0] * (longest + 1))
    room = tf.cast(shape[axis], tf.float32) - lengths
    starts = tf.floor(uniforms[1] * (room + 1))
    places = tf.range(tf.cast(shape[axis], tf.float32))
    return (places >= starts) & (places < starts + lengths)
