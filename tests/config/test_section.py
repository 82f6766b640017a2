"""Sections: what a field accepts, and how its rule reads."""

import dataclasses

import pytest

from audiotag_nas.config.section import Rule, Section, setting
from audiotag_nas.errors import ConfigError


@pytest.mark.parametrize(
    ("rule", "text", "accepted", "refused"),
    [
        (Rule(), "", (0, -1.5, "", True), ()),
        (Rule(at_least=2), "at least 2", (2, 3), (1, -2)),
        (Rule(above=0), "above 0", (1e-9, 5), (0, -1)),
        (
            Rule(above=0, below=0.5),
            "above 0 and below 0.5",
            (0.1, 0.49),
            (0, 0.5, 1),
        ),
        (
            Rule(at_least=-1e15, at_most=1e15),
            "at least -1e+15 and at most 1e+15",
            (-1e15, 0, 1e15),
            (1e16, -1e16),
        ),
        (Rule(at_most=768000), "at most 768000", (768000,), (768001,)),
        (Rule(choices=("a", "b")), "one of a, b", ("a",), ("c", "")),
        (Rule(not_empty=True), "not empty", ("x",), ("",)),
    ],
)
def test_a_rule_accepts_what_its_text_says(rule, text, accepted, refused):
    assert str(rule) == text
    assert all(map(rule.accepts, accepted))
    assert not any(map(rule.accepts, refused))


def test_a_rule_of_several_values_holds_for_each_and_wants_different_ones():
    rule = Rule(at_least=1)
    assert rule.accepts((1, 2))
    for values in ((), (1, 1), (1, 0)):
        assert not rule.accepts(values)


@dataclasses.dataclass
class Inner(Section):
    """Inner."""

    sizes: tuple[int, ...] = setting((8, 16), "Sizes.", at_least=1)


@dataclasses.dataclass
class Outer(Section):
    """Outer."""

    rate: float = setting(0.5, "Rate.", above=0, at_most=1)
    inner: Inner = dataclasses.field(default_factory=Inner)


def test_the_fields_of_nested_sections_are_listed_with_their_rules():
    outer = Outer(rate=0.25)
    rate, sizes = outer.settings("config")
    assert (rate.path, rate.value, rate.default) == ("config.rate", 0.25, 0.5)
    assert rate.allowed == "a finite number, above 0 and at most 1"
    assert (sizes.path, sizes.help) == ("config.inner.sizes", "Sizes.")
    assert sizes.allowed == (
        "different values, at least one, each an int, at least 1"
    )


def test_a_check_names_the_nested_field_the_rule_and_the_value():
    outer = Outer()
    outer.check("config")
    outer.inner.sizes = (4, 0)
    with pytest.raises(ConfigError) as caught:
        outer.check("config")
    assert str(caught.value) == (
        "config.inner.sizes: must be different values, at least one, each at "
        "least 1. Received: (4, 0)"
    )
    assert Outer().inner.sizes == (8, 16)
