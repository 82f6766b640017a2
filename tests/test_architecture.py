"""Architectures as plain values, and the search space of the paper."""

import json
import subprocess
import sys

import pytest

from audiotag_nas.architecture import (
    CRNN_BASELINE,
    Architecture,
    ConvBlock,
    architecture_from_tokens,
    conv_space,
)
from audiotag_nas.errors import ConfigError
from audiotag_nas.space import Decision, SearchSpace


def test_the_default_space_has_the_21_decisions_of_the_paper():
    space = conv_space(filters=(4, 8), heights=(1, 3, 5), widths=(3,))
    assert space.num_decisions == 21
    assert space.size == (2 * 3 * 1) ** 7
    assert [d.name for d in space.decisions[:4]] == [
        "block1_filters",
        "block1_height",
        "block1_width",
        "block2_filters",
    ]


def test_tokens_give_filters_height_and_width_of_each_block():
    space = conv_space(
        num_blocks=7, filters=(4, 8), heights=(1, 3, 5), widths=(2, 6)
    )
    tokens = [1, 2, 0] + [0, 0, 1] + [0, 1, 1] * 5
    architecture = architecture_from_tokens(space, tokens)
    assert architecture.blocks[:3] == (
        ConvBlock(8, 5, 2),
        ConvBlock(4, 1, 6),
        ConvBlock(4, 3, 6),
    )
    assert architecture.recurrent == "bgru"


def test_decisions_about_other_fields_keep_the_blocks_of_the_base():
    space = SearchSpace(
        (
            Decision("block2_width", (1, 9)),
            Decision("recurrent_units", (16, 48)),
        )
    )
    architecture = architecture_from_tokens(space, (1, 1))
    assert architecture.blocks[1] == ConvBlock(16, 3, 9)
    assert architecture.blocks[0] == CRNN_BASELINE.blocks[0]
    assert architecture.recurrent_units == 48


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ConvBlock(0, 3, 3), "`filters` must be positive"),
        (lambda: ConvBlock(4, 3.0, 3), "`height` must be an int"),
        (lambda: Architecture(()), "at least one block"),
        (
            lambda: Architecture((ConvBlock(1, 1, 1),), recurrent="lstm"),
            "`recurrent` must be one of",
        ),
        (
            lambda: architecture_from_tokens(
                SearchSpace((Decision("block9_width", (1,)),)), (0,)
            ),
            "`block9_width` must name .* of a block from 1 to 7",
        ),
        (
            lambda: architecture_from_tokens(
                SearchSpace((Decision("color", (1,)),)), (0,)
            ),
            "`color` must name a field of an architecture",
        ),
    ],
)
def test_an_error_states_the_rule_and_the_value(call, message):
    with pytest.raises(ConfigError, match=message):
        call()


def test_an_architecture_survives_json():
    value = json.loads(json.dumps(CRNN_BASELINE.to_json()))
    assert Architecture.from_json(value) == CRNN_BASELINE


def test_the_id_of_an_architecture_is_the_same_in_another_process():
    code = (
        "from audiotag_nas.architecture import CRNN_BASELINE;"
        "print(CRNN_BASELINE.architecture_id)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONHASHSEED": "77", "PYTHONPATH": "."},
    )
    assert done.stdout.strip() == CRNN_BASELINE.architecture_id
