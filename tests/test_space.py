"""The search space and architectures as plain values."""

import json
import subprocess
import sys

import numpy as np
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


def test_the_default_space_has_the_papers_21_decisions():
    space = conv_space(filters=(4, 8), heights=(1, 3, 5), widths=(3,))
    assert space.num_decisions == 21
    assert space.size == (2 * 3 * 1) ** 7
    assert [d.name for d in space.decisions[:4]] == [
        "block1_filters",
        "block1_height",
        "block1_width",
        "block2_filters",
    ]


def test_tokens_name_filters_height_and_width_block_by_block():
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


def test_a_space_may_decide_other_fields_and_leave_blocks_as_they_are():
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


def test_values_and_tokens_are_inverse():
    space = conv_space()
    tokens = tuple(range(4)) * 5 + (2,)
    assert space.tokens(space.values(tokens)) == tokens


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Decision("a", ()), "`a` must have at least one choice"),
        (lambda: Decision("a", (1, 1)), "choices must differ"),
        (lambda: Decision("a", (None,)), "Received: None"),
        (
            lambda: Decision("a", ((1, 2),)),
            r"strings or indices .* Received: \(1, 2\)",
        ),
        (lambda: Decision("a", "relu"), "tuple or list .* Received: 'relu'"),
        (lambda: Decision("a", {"relu"}), "tuple or list .* {'relu'}"),
        (lambda: Decision("a", {"b": 1}), "tuple or list .* {'b': 1}"),
        (lambda: Decision("w", 3), "`w`: choices must be .* Received: 3"),
        (lambda: Decision("w", np.array(3)), r"choices must be .* array\(3\)"),
        (lambda: Decision("w", None), "choices must be .* Received: None"),
        (lambda: Decision("a", (1.0, float("nan"))), "finite. Received: nan"),
        (lambda: Decision("a", (np.float64("inf"),)), "finite. Received: inf"),
        (lambda: Decision(3, (1, 2)), "name must be a string. Received: 3"),
        (lambda: Decision("", (1, 2)), "must not be empty"),
        (
            lambda: Decision("a", (1, 2), ordinal="no"),
            "`a`: `ordinal` must be True, False or None. Received: 'no'",
        ),
        (lambda: Decision("a", (1, 2), ordinal=1), "`ordinal` .* Received: 1"),
        (
            lambda: SearchSpace(Decision("a", (1, 2))),
            r"tuple or list of Decisions, .* Received: Decision\(name='a'",
        ),
        (
            lambda: SearchSpace({"k": (1, 2)}),
            r"tuple or list of Decisions, .* Received: {'k': \(1, 2\)}",
        ),
        (lambda: SearchSpace("ab"), "of Decisions, .* Received: 'ab'"),
        (lambda: SearchSpace(None), "of Decisions, .* Received: None"),
        (lambda: SearchSpace(()), "at least one decision"),
        (
            lambda: SearchSpace((Decision("a", (1,)), Decision("a", (2,)))),
            "names must differ",
        ),
        (lambda: conv_space().validate((0,)), "must be 21"),
        (
            lambda: conv_space().validate((9,) + (0,) * 20),
            "`block1_filters` must be from 0 to 3. Received: 9",
        ),
        (lambda: conv_space().validate((1.5,) * 21), "must be whole numbers"),
        (lambda: conv_space().validate("0" * 21), "must be whole numbers"),
        (lambda: conv_space().validate(None), "must be whole numbers"),
        (
            lambda: conv_space().tokens({"colour": 1}),
            "not a decision of this space",
        ),
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
            "there are blocks 1 to 7",
        ),
        (
            lambda: architecture_from_tokens(
                SearchSpace((Decision("colour", (1,)),)), (0,)
            ),
            "is not about an architecture",
        ),
    ],
)
def test_a_wrong_value_is_named_with_its_rule(call, message):
    with pytest.raises(ConfigError, match=message):
        call()


def test_a_decision_is_ordinal_where_all_choices_are_numbers():
    for choices, ordinal in [
        ((8, 16, 32), True),
        ((1, 0.5), True),
        (("relu", "tanh", "gelu"), False),
        ((1, 2, "auto"), False),
        ((False, True), False),
        ((0, True), False),
    ]:
        assert Decision("a", choices).ordinal is ordinal
        assert Decision("a", choices, ordinal=True).ordinal is True
        assert Decision("a", choices, ordinal=False).ordinal is False
    # What was said and what is understood are the same decision.
    assert Decision("a", (1, 2)) == Decision("a", (1, 2), ordinal=True)
    assert Decision("a", (1, 2), ordinal=np.bool_(False)).ordinal is False


def test_numpys_scalars_become_plain_choices_that_json_takes():
    choices = (np.int64(3), np.float32(0.5), np.str_("auto"), np.bool_(False))
    decision = Decision("a", choices)
    assert decision.choices == (3, 0.5, "auto", False)
    kinds = [type(choice) for choice in decision.choices]
    assert kinds == [int, float, str, bool]
    assert decision.ordinal is False
    space = SearchSpace([decision, Decision("b", np.array([4, 8, 16]))])
    assert space.decisions[1] == Decision("b", (4, 8, 16))
    assert SearchSpace.from_json(json.loads(json.dumps(space.to_json()))) == (
        space
    )


def test_json_brings_spaces_and_architectures_back():
    space = conv_space()
    rows = json.loads(json.dumps(space.to_json()))
    assert SearchSpace.from_json(rows) == space
    value = json.loads(json.dumps(CRNN_BASELINE.to_json()))
    assert Architecture.from_json(value) == CRNN_BASELINE


def test_an_architectures_id_is_the_same_in_another_process():
    code = (
        "from audiotag_nas.space import CRNN_BASELINE;"
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
