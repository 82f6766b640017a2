"""Measures on recorded trials how well a reward predicts the final EER.

A reward is computed from the first epochs of one trial, on one or both
validation folds. The final EER of a network is its EER on the evaluation split
after a complete trial. A reward has two scores:

- Kendall's tau between the reward and -(final EER) over the networks;
- the selection regret. Of 50 random networks, the network with the highest
  reward is selected. The regret is the final EER of this network minus the
  lowest final EER of the 50. The score is the exact mean of the regret over all
  subsets of 50 networks.

The final EER is averaged over trials of the network. The target `cross` leaves
out the trial from which the reward was computed, because the reward should
predict other trials. The target `same` averages over all trials. Reward and
target then share the noise of one trial, so the scores are too good. Standard
errors come from a bootstrap over networks, with the same resamples for all
rewards. The differences between rewards are therefore paired.
"""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from scipy import special

from audiotag_nas.errors import ConfigError, DataError
from benchmarks.reward_study.kendall import kendall_tau, resampled_taus
from benchmarks.table.recorded_table import RecordedTable
from benchmarks.table.reward_forms import REWARDS

FOLDS = {"one fold": ("fold0", "fold1"), "both folds": ("validation",)}
"""Choice of folds -> its sets of clips. Scores are means over these sets."""

TARGETS = ("cross", "same")
PAPERS_REWARD = "eer"


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A number and its standard error (bootstrap over networks)."""

    value: float
    error: float


@dataclasses.dataclass(frozen=True)
class RewardScore:
    """The scores of one reward.

    Attributes:
        reward: a key of `REWARDS`.
        folds: a key of `FOLDS`.
        num_epochs: number of epochs from which the reward is computed.
        target: `cross` or `same`.
        tau: Kendall's tau; higher is better.
        tau_gain: tau minus the tau of the paper's reward with the same epochs
            and folds.
        regret: selection regret, a difference of EERs; lower is better.
        regret_gain: selection regret of the paper's reward minus `regret`.
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
    """Scores every reward at every fidelity, on one fold and on both folds.

    Args:
        table: the recorded trials.
        fidelities: numbers of epochs from which rewards are computed.
        subset_size: number of networks from which one is selected.
        num_resamples: number of bootstrap resamples.
        seed: seed of the bootstrap.

    Returns:
        The scores. A table with one seed has no scores for the target `cross`.

    Raises:
        ConfigError: a fidelity is 0 or exceeds the number of recorded epochs.
        DataError: the table has fewer networks than 2 * `subset_size`.
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
            f"the table must have at least {2 * subset_size} networks, twice "
            f"the subset size. Received: {num_networks}"
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
    """Returns the mean selection regret over all subsets of the networks.

    There are C(n, k) subsets of k of the n networks. From C(n - r, k - 1) of
    these subsets, the network with the r-th highest reward is selected.

    Args:
        rewards: array of shape (n,). Networks with equal rewards are selected
            with equal probabilities.
        final_eers: array of shape (n,).
        subset_size: number of networks in a subset, from 1 to n - 1.

    Raises:
        ConfigError: `subset_size` is out of range.
    """
    num = len(rewards)
    if not 1 <= subset_size < num:
        raise ConfigError(
            f"`subset_size` must be from 1 to {num - 1}, less than the number "
            f"of networks. Received: {subset_size}"
        )
    share = special.comb(num - 1 - np.arange(num), subset_size - 1)
    share /= special.comb(num, subset_size)
    # Each network gets the mean final EER of all networks with its reward.
    _, group = np.unique(-rewards, return_inverse=True)
    means = np.bincount(group, final_eers) / np.bincount(group)
    selected = means[np.sort(group)]
    return float(share @ selected - share @ np.sort(final_eers))


@dataclasses.dataclass(frozen=True)
class _Samples:
    """Taus and selection regrets of the table and of its resamples."""

    tau: float
    taus: npt.NDArray
    regret: float
    regrets: npt.NDArray


class _Scorer:
    """Compares rewards with one target. All rewards use the same resamples."""

    def __init__(
        self, finals: npt.NDArray, counts: npt.NDArray, subset_size: int
    ) -> None:
        self._finals = finals
        self._counts = counts
        self._subset_size = subset_size

    def samples(self, rewards: Sequence[npt.NDArray]) -> _Samples:
        """Returns the scores, averaged over sets of clips and over seeds.

        Args:
            rewards: one array of shape (networks, seeds) per set of clips.
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
            tau=kendall_tau(rewards, -finals),
            taus=resampled_taus(rewards, -finals, self._counts),
            regret=expected_regret(rewards, finals, size),
            regrets=np.array(regrets),
        )


def _targets(finals: npt.NDArray, target: str) -> npt.NDArray:
    """Returns an array (networks, seeds) with the target of each trial."""
    used = [
        np.delete(finals, seed, axis=1) if target == "cross" else finals
        for seed in range(finals.shape[1])
    ]
    return np.stack([eers.mean(axis=1) for eers in used], axis=1)


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
