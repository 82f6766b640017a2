"""How well a reward tells good networks: measured on the recorded trainings.

A reward sees the first epochs of one training on one validation fold or two.
What it should tell is the network's *final EER*: that of the evaluation split
with the weights that a whole training keeps. Two questions are put to it:

- Kendall's tau between reward and final EER over the networks;
- the regret of the pick: of 50 networks drawn at random, by how much the
  final EER of the one with the best reward exceeds the lowest. It is the mean
  over all such draws, computed exactly.

Against the network's mean over all its trainings (`same`), the reward shares
the chance of its own training with the final EER, which flatters it; against
its *other* trainings (`cross`) it does not, and that is what a searcher needs.
Standard errors are of a bootstrap over networks, the same for all rewards, so
that two of them are compared in pairs.
"""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from scipy import special

from audiotag_nas.errors import ConfigError, DataError
from benchmarks.reward_study.noise import rank_correlation
from benchmarks.table.recorded_table import RecordedTable
from benchmarks.table.reward_forms import REWARDS

FOLDS = {"one fold": ("fold0", "fold1"), "both folds": ("validation",)}
"""What a reward may see -> the sets; where there are two, it sees either one,
and the mean of both is told."""

TARGETS = ("cross", "same")
PAPERS_REWARD = "eer"


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A number and its standard error (bootstrap over networks)."""

    value: float
    error: float


@dataclasses.dataclass(frozen=True)
class RewardScore:
    """How well one reward does.

    Attributes:
        reward: of `REWARDS`.
        folds: of `FOLDS`.
        num_epochs: that it sees.
        target: `cross` or `same`.
        tau: Kendall's, higher is better.
        tau_gain: over the paper's reward at the same epochs and folds.
        regret: of the pick, in EER; lower is better.
        regret_gain: what it is lower by than the paper's.
    """

    reward: str
    folds: str
    num_epochs: int
    target: str
    tau: Estimate
    tau_gain: Estimate
    regret: Estimate
    regret_gain: Estimate


def measure_rewards(
    table: RecordedTable,
    *,
    fidelities: Sequence[int],
    subset_size: int = 50,
    num_resamples: int = 200,
    seed: int = 0,
) -> list[RewardScore]:
    """Every reward at every fidelity, on one fold and on both.

    Args:
        table: the trainings.
        fidelities: numbers of epochs.
        subset_size: networks of which the best-looking is picked.
        num_resamples: of the bootstrap.
        seed: of the bootstrap.

    Returns:
        Against the other seeds' trainings (`cross`) only where there are any.

    Raises:
        ConfigError: a fidelity beyond the epochs recorded.
        DataError: fewer networks than twice `subset_size`.
    """
    wrong = [n for n in fidelities if not 1 <= n <= table.num_epochs]
    if wrong:
        raise ConfigError(
            f"a fidelity must be from 1 to {table.num_epochs} epochs. "
            f"Received: {wrong[0]}"
        )
    num_networks = table.num_points
    if num_networks < 2 * subset_size:
        raise DataError(
            f"at least {2 * subset_size} networks must be recorded to pick "
            f"from {subset_size}. Received: {num_networks}"
        )
    counts = np.random.default_rng(seed).multinomial(
        num_networks, np.full(num_networks, 1 / num_networks), num_resamples
    )
    scores = []
    for target in TARGETS if table.num_seeds > 1 else ("same",):
        scorer = _Scorer(
            _targets(table.final_eers(), target), counts, subset_size
        )
        for (folds, sets), num_epochs in itertools.product(
            FOLDS.items(), fidelities
        ):
            samples = {
                name: scorer.samples(
                    [
                        table.quality(name, num_epochs=num_epochs, clips=clips)
                        for clips in sets
                    ]
                )
                for name in REWARDS
            }
            scores += _compare(samples, folds, num_epochs, target)
    return scores


def expected_regret(
    rewards: npt.NDArray, final_eers: npt.NDArray, subset_size: int
) -> float:
    """The mean regret of the pick over all subsets of the networks.

    Args:
        rewards: (n,); of equal ones any is picked.
        final_eers: (n,).
        subset_size: networks in a subset, fewer than n.

    Returns:
        The mean over all subsets of the picked network's final EER less the
        subset's lowest. The r-th best of n is the best of a subset of k in
        C(n - r, k - 1) of the C(n, k) subsets.

    Raises:
        ConfigError: not fewer networks than there are.
    """
    num = len(rewards)
    if not 1 <= subset_size < num:
        raise ConfigError(
            f"networks to pick from must be from 1 to {num - 1}, fewer than "
            f"are recorded. Received: {subset_size}"
        )
    share = special.comb(num - 1 - np.arange(num), subset_size - 1)
    share /= special.comb(num, subset_size)
    # Equal rewards share their members' mean.
    _, group = np.unique(-rewards, return_inverse=True)
    means = np.bincount(group, final_eers) / np.bincount(group)
    picked = means[np.sort(group)]
    return float(share @ picked - share @ np.sort(final_eers))


@dataclasses.dataclass(frozen=True)
class _Samples:
    """A point estimate and those of the resamples, of tau and of regret."""

    tau: float
    taus: npt.NDArray
    regret: float
    regrets: npt.NDArray


class _Scorer:
    """Scores rewards against one kind of target, by the same resamples."""

    def __init__(
        self, finals: npt.NDArray, counts: npt.NDArray, subset_size: int
    ) -> None:
        self._finals = finals
        self._counts = counts
        self._subset_size = subset_size

    def samples(self, rewards: Sequence[npt.NDArray]) -> _Samples:
        """The mean over sets and seeds.

        Args:
            rewards: for each set, (networks, seeds).
        """
        parts = [
            self._score(values[:, seed], self._finals[:, seed])
            for values in rewards
            for seed in range(values.shape[1])
        ]
        return _Samples(
            tau=float(np.mean([part.tau for part in parts])),
            taus=np.mean([part.taus for part in parts], axis=0),
            regret=float(np.mean([part.regret for part in parts])),
            regrets=np.mean([part.regrets for part in parts], axis=0),
        )

    def _score(self, rewards: npt.NDArray, finals: npt.NDArray) -> _Samples:
        size = self._subset_size
        regrets = []
        for weights in self._counts:
            index = np.repeat(np.arange(len(rewards)), weights)
            regrets.append(expected_regret(rewards[index], finals[index], size))
        return _Samples(
            tau=rank_correlation(rewards, -finals),
            taus=weighted_taus(rewards, -finals, self._counts),
            regret=expected_regret(rewards, finals, size),
            regrets=np.array(regrets),
        )


def weighted_taus(
    x: npt.NDArray, y: npt.NDArray, counts: npt.NDArray
) -> npt.NDArray:
    """Kendall's tau-b of each resample, without drawing it.

    Args:
        x, y: (n,).
        counts: (resamples, n), how often each point was drawn.

    Returns:
        (resamples,): what `scipy.stats.kendalltau` gives for the points drawn,
        in a hundredth of the time.
    """
    # Sums of up to n^2 signs are exact in float32 for n below 4096.
    weights = counts.astype(np.float32)
    signs_x, signs_y = (
        np.sign(v[:, None] - v[None, :]).astype(np.float32) for v in (x, y)
    )

    def total(pairs: npt.NDArray) -> npt.NDArray:
        return np.einsum("ri,ri->r", weights @ pairs, weights).astype(float)

    untied = total(np.abs(signs_x)) * total(np.abs(signs_y))
    return total(signs_x * signs_y) / np.sqrt(untied)


def _targets(finals: npt.NDArray, target: str) -> npt.NDArray:
    """(networks, seeds): what a training of that seed is to tell."""
    seeds = range(finals.shape[1])
    told = [
        np.delete(finals, seed, axis=1) if target == "cross" else finals
        for seed in seeds
    ]
    return np.stack([each.mean(axis=1) for each in told], axis=1)


def _compare(
    samples: Mapping[str, _Samples], folds: str, num_epochs: int, target: str
) -> list[RewardScore]:
    papers = samples[PAPERS_REWARD]

    def estimate(value: float, resampled: npt.NDArray) -> Estimate:
        return Estimate(value, float(np.std(resampled, ddof=1)))

    return [
        RewardScore(
            reward=name,
            folds=folds,
            num_epochs=num_epochs,
            target=target,
            tau=estimate(each.tau, each.taus),
            tau_gain=estimate(each.tau - papers.tau, each.taus - papers.taus),
            regret=estimate(each.regret, each.regrets),
            regret_gain=estimate(
                papers.regret - each.regret, papers.regrets - each.regrets
            ),
        )
        for name, each in samples.items()
    ]
