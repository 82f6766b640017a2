"""Mixup and SpecAugment against their definitions and SciPy."""

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from audiotag_nas.data import augment

SEED = tf.constant([11, 13], tf.int64)


def one_hot_batch(batch_size: int = 9) -> tuple[np.ndarray, np.ndarray]:
    """Features and labels that reveal the partner and the lambda."""
    labels = np.eye(batch_size, dtype=np.float32)
    features = np.zeros((batch_size, 5, batch_size + 2), np.float32)
    features[:, :, :batch_size] = labels[:, None, :] * 10
    return features, labels


def test_features_and_labels_are_mixed_by_the_same_partner_and_lambda():
    features, labels = one_hot_batch()
    mixed, mixed_labels = augment.mixup(features, labels, alpha=1.5, seed=SEED)
    for frame in range(5):
        np.testing.assert_allclose(
            mixed[:, frame, :9], 10 * mixed_labels, rtol=1e-6
        )
    np.testing.assert_allclose(tf.reduce_sum(mixed_labels, 1), 1, rtol=1e-6)


def test_partners_are_a_permutation_and_lambdas_differ():
    _, labels = one_hot_batch()
    _, mixed = augment.mixup(
        np.zeros((9, 1, 1), np.float32), labels, alpha=1.5, seed=SEED
    )
    mixed = mixed.numpy()
    own = np.diag(mixed)
    others = mixed - np.diag(own)
    partners = np.where(others.any(axis=1), others.argmax(axis=1), np.arange(9))
    assert sorted(partners) == list(range(9))
    assert (partners != np.arange(9)).sum() >= 5
    moved = own[partners != np.arange(9)]
    assert len(np.unique(moved)) == len(moved)


def test_alpha_zero_is_the_identity():
    features, labels = one_hot_batch()
    mixed, mixed_labels = augment.mixup(features, labels, alpha=0.0, seed=SEED)
    np.testing.assert_array_equal(mixed, features)
    np.testing.assert_array_equal(mixed_labels, labels)


@pytest.mark.parametrize("alpha", [0.2, 0.3, 1.5])
def test_lambdas_follow_the_beta_distribution(alpha):
    draws = augment.sample_beta(20000, alpha, seed=SEED).numpy()
    beta = scipy.stats.beta(alpha, alpha)
    # The tolerance is four standard errors.
    assert abs(draws.mean() - 0.5) < 4 * beta.std() / np.sqrt(20000)
    assert draws.var() == pytest.approx(beta.var(), rel=0.05)
    # Near 1, float32 has too few values for a smaller statistic.
    assert scipy.stats.kstest(draws, beta.cdf).statistic < 0.05
    inner = np.linspace(0.01, 0.99, 50)
    np.testing.assert_allclose(
        np.searchsorted(np.sort(draws), inner) / 20000,
        beta.cdf(inner),
        atol=0.015,
    )


def test_the_smallest_alpha_gives_0_or_1_equally_often_and_no_nan():
    draws = augment.sample_beta(4000, 1e-4, seed=SEED).numpy()
    assert np.isfinite(draws).all()
    assert 0.45 < (draws > 0.999).mean() < 0.55
    assert 0.45 < (draws < 0.001).mean() < 0.55


def test_the_result_depends_only_on_the_seed():
    features, labels = one_hot_batch()
    again = [
        augment.mixup(features, labels, alpha=0.3, seed=SEED)[1].numpy()
        for _ in range(2)
    ]
    other = augment.mixup(features, labels, alpha=0.3, seed=SEED + 1)[1]
    np.testing.assert_array_equal(again[0], again[1])
    assert not np.array_equal(other, again[0])


def test_a_mask_is_one_run_of_bounded_length_with_the_mean_of_the_clip():
    rng = np.random.default_rng(0)
    clips = rng.standard_normal((200, 17, 11)).astype(np.float32)
    clips += np.arange(200)[:, None, None]
    masked = augment.spec_augment(
        clips, time_mask_frames=4, mel_mask_bins=0, seed=SEED
    ).numpy()
    changed = masked != clips
    frames = changed.all(axis=2)
    np.testing.assert_array_equal(frames, changed.any(axis=2))
    lengths = frames.sum(axis=1)
    assert set(lengths) == {0, 1, 2, 3, 4}
    # Each example has at most one start, because it has a single run.
    rises = np.diff(frames.astype(int), axis=1, prepend=0) == 1
    np.testing.assert_array_equal(rises.sum(axis=1), lengths > 0)
    assert frames[:, 0].any()
    assert frames[:, -1].any()
    means = np.broadcast_to(clips.mean(axis=(1, 2))[:, None, None], clips.shape)
    np.testing.assert_allclose(masked[changed], means[changed], rtol=1e-5)


def test_time_and_mel_masks_are_drawn_independently():
    clips = np.random.default_rng(1).standard_normal((60, 17, 17))
    masked = augment.spec_augment(
        clips.astype(np.float32), time_mask_frames=6, mel_mask_bins=6, seed=SEED
    ).numpy()
    changed = masked != clips.astype(np.float32)
    num_frames = changed.all(axis=2).sum(axis=1)
    num_bins = changed.all(axis=1).sum(axis=1)
    assert num_frames.max() == 6
    assert num_bins.max() == 6
    assert not np.array_equal(num_frames, num_bins)


def test_no_mask_is_the_identity():
    clips = np.random.default_rng(2).standard_normal((3, 7, 5))
    clips = clips.astype(np.float32)
    np.testing.assert_array_equal(
        augment.spec_augment(
            clips, time_mask_frames=0, mel_mask_bins=0, seed=SEED
        ),
        clips,
    )
