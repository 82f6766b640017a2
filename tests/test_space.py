"""Decisions and search spaces as plain values."""

import json

import numpy as np
import pytest

from audiotag_nas.architecture import conv_space
from audiotag_nas.errors import ConfigError
from audiotag_nas.space import Decision, SearchSpace


def test_tokens_is_the_inverse_of_values():
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
            "names of decisions must differ",
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
            lambda: conv_space().tokens({"color": 1}),
            "not a decision of this space",
        ),
    ],
)
def test_an_error_states_the_rule_and_the_value(call, message):
    with pytest.raises(ConfigError, match=message):
        call()


def test_a_decision_is_ordinal_if_all_choices_are_numbers():
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
    assert Decision("a", (1, 2)) == Decision("a", (1, 2), ordinal=True)
    assert Decision("a", (1, 2), ordinal=np.bool_(False)).ordinal is False


def test_numpy_scalars_become_python_scalars_that_json_accepts():
    choices = (np.int64(3), np.float32(0.5), np.str_("auto"), np.bool_(False))
    decision = Decision("a", choices)
    assert decision.choices == (3, 0.5, "auto", False)
    types = [type(choice) for choice in decision.choices]
    assert types == [int, float, str, bool]
    assert decision.ordinal is False
    space = SearchSpace([decision, Decision("b", np.array([4, 8, 16]))])
    assert space.decisions[1] == Decision("b", (4, 8, 16))
    assert SearchSpace.from_json(json.loads(json.dumps(space.to_json()))) == (
        space
    )


def test_a_space_survives_json():
    space = conv_space()
    rows = json.loads(json.dumps(space.to_json()))
    assert SearchSpace.from_json(rows) == space
