"""Compares penalties with numbers by hand, and measures real latencies."""

import math

import pytest

from audiotag_nas.architecture import CRNN_BASELINE, Architecture, ConvBlock
from audiotag_nas.config import (
    DataConfig,
    ExperimentConfig,
    FeatureConfig,
    SearchConfig,
)
from audiotag_nas.models.costs import network_costs
from audiotag_nas.training.costs import (
    Costs,
    SizedNetwork,
    cost_penalty,
    measure_costs,
)

TINY = Architecture((ConvBlock(3, 3, 1), ConvBlock(2, 1, 3)), recurrent_units=4)
BASELINE = Costs(2000, 50_000, 0.004)


@pytest.mark.parametrize(
    ("weights", "costs", "penalty"),
    [
        ({}, Costs(20_000, 500_000, 0.04), 0.0),
        ({"parameters_weight": 0.03}, Costs(20_000, 7, 0.04), 0.03),
        ({"multiply_adds_weight": 0.02}, Costs(7, 500, None), -0.04),
        ({"latency_weight": 0.5}, Costs(7, 7, 0.008), 0.5 * math.log10(2)),
        (
            {"parameters_weight": 0.25, "multiply_adds_weight": 0.5},
            Costs(200, 5_000_000, None),
            -0.25 + 0.5 * 2,
        ),
    ],
)
def test_a_tenfold_cost_is_worth_its_weight(weights, costs, penalty):
    search = SearchConfig(**weights)
    assert cost_penalty(costs, BASELINE, search) == pytest.approx(penalty)


def test_costs_are_against_the_baseline_on_the_configs_clips():
    # The config has 31 x 13, but the trial has the grid's size of 61 x 16.
    config = ExperimentConfig(
        data=DataConfig(clip_seconds=1.0, min_clip_seconds=1.0),
        features=FeatureConfig(num_mels=13).resized("31x13", 1.0),
        search=SearchConfig(measure_latency=True),
    )
    network, baseline = measure_costs(SizedNetwork(TINY, "61x16"), config)
    for costs, architecture, frames, mels in (
        (network, TINY, 61, 16),
        (baseline, CRNN_BASELINE, 31, 13),
    ):
        counted = network_costs(
            architecture, num_frames=frames, num_mels=mels, num_tags=7
        )
        assert costs.multiply_adds == counted.multiply_adds
        assert costs.num_parameters == counted.num_parameters
    assert network.latency_seconds > 0
    assert baseline.latency_seconds > 0


def test_no_latency_is_measured_unless_it_is_asked_for():
    config = ExperimentConfig()
    costs, baseline = measure_costs(SizedNetwork(TINY, "124x128"), config)
    assert costs.latency_seconds is None
    assert baseline.latency_seconds is None
