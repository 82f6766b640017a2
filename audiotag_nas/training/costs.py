"""The costs of a network, and a penalty for high costs.

    reward = quality - sum of weight * log10(cost / the baseline's cost)

The sum has one term each for parameters, multiply-adds and latency. The weights
are in `config.search`. A cost that is ten times higher lowers the reward by the
weight of this cost. The baseline's cost shifts all rewards equally. This
formula is the project's own choice. MnasNet (Tan et al., CVPR 2019) multiplies
the reward by (latency / target)^w instead.
"""

import dataclasses
import math
import time
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from audiotag_nas.architecture import CRNN_BASELINE, Architecture
from audiotag_nas.config import (
    ExperimentConfig,
    SearchConfig,
    parse_spectrogram_size,
)
from audiotag_nas.models import build_crnn
from audiotag_nas.models.costs import NetworkCosts, network_costs

NUM_TIMED = 31
"""A network scores a clip this number of times; the median is its latency."""


@dataclasses.dataclass(frozen=True)
class Costs:
    """The costs of a network.

    Attributes:
        num_parameters: number of parameters, including moving averages.
        multiply_adds: number of multiply-adds to score one clip.
        latency_seconds: time to score one clip on the CPU; None if it was not
            measured.
    """

    num_parameters: int
    multiply_adds: int
    latency_seconds: float | None = None


@dataclasses.dataclass(frozen=True)
class SizedNetwork:
    """An architecture and its spectrogram size, e.g. `124x128`."""

    architecture: Architecture
    spectrogram_size: str


def measure_costs(
    network: SizedNetwork, config: ExperimentConfig
) -> tuple[Costs, Costs]:
    """Returns the costs of a network and the costs of the baseline network.

    Measured latencies differ from run to run. The two networks score clips
    alternately, because a busy machine then slows both networks equally.
    """
    size = config.features.spectrogram_size(config.data.clip_seconds)
    networks = (network, SizedNetwork(CRNN_BASELINE, size))
    num_tags = len(config.data.tags)
    latencies: Sequence[float | None] = (None, None)
    if config.search.latency_is_measured:
        latencies = measure_latencies(networks, num_tags=num_tags)
    costs, baseline_costs = (
        Costs(counts.num_parameters, counts.multiply_adds, latency)
        for counts, latency in zip(
            (_counts(each, num_tags) for each in networks),
            latencies,
            strict=True,
        )
    )
    return costs, baseline_costs


def cost_penalty(costs: Costs, baseline: Costs, search: SearchConfig) -> float:
    """Returns the penalty: negative if the costs are below the baseline's."""
    penalty = 0.0
    for weight, cost, reference in (
        (
            search.parameters_weight,
            costs.num_parameters,
            baseline.num_parameters,
        ),
        (
            search.multiply_adds_weight,
            costs.multiply_adds,
            baseline.multiply_adds,
        ),
        (
            search.latency_weight,
            costs.latency_seconds,
            baseline.latency_seconds,
        ),
    ):
        if weight > 0 and cost is not None and reference is not None:
            penalty += weight * math.log10(cost / reference)
    return penalty


def measure_latencies(
    networks: Sequence[SizedNetwork], *, num_tags: int
) -> list[float]:
    """Returns each network's median time, in seconds, to score a clip.

    The networks run on the CPU with this process's number of threads
    (`threads_per_trial`). The measured networks are untrained, because the
    values of weights do not change the latency.
    """
    score = [_make_scorer(network, num_tags) for network in networks]
    for score_clip in score:
        # The first call traces the network. The second call may also be slow.
        score_clip()
        score_clip()
    seconds = np.empty((NUM_TIMED, len(score)))
    for turn in range(NUM_TIMED):
        for index, score_clip in enumerate(score):
            started = time.perf_counter()
            score_clip()
            seconds[turn, index] = time.perf_counter() - started
    return [float(median) for median in np.median(seconds, axis=0)]


def _make_scorer(network: SizedNetwork, num_tags: int) -> Callable[[], object]:
    num_frames, num_mels = parse_spectrogram_size(network.spectrogram_size)
    with tf.device("CPU:0"):
        model = build_crnn(
            network.architecture,
            num_frames=num_frames,
            num_mels=num_mels,
            num_tags=num_tags,
            use_cudnn=False,
        )
        log_mel = tf.zeros([1, num_frames, num_mels])

    @tf.function(autograph=False)
    def score(features: tf.Tensor) -> tf.Tensor:
        return model(features, training=False)["clip_scores"]

    def score_clip() -> object:
        with tf.device("CPU:0"):
            return score(log_mel).numpy()

    return score_clip


def _counts(network: SizedNetwork, num_tags: int) -> NetworkCosts:
    num_frames, num_mels = parse_spectrogram_size(network.spectrogram_size)
    return network_costs(
        network.architecture,
        num_frames=num_frames,
        num_mels=num_mels,
        num_tags=num_tags,
    )
