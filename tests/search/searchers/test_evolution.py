"""Tests of regularized evolution."""

import pytest

from audiotag_nas.errors import ConfigError
from audiotag_nas.search import Decision, SearchSpace, make_searcher

SPACE = SearchSpace(
    tuple(Decision(f"d{i}", tuple(range(n))) for i, n in enumerate((3, 1, 4)))
)


def distance(left, right):
    return sum(a != b for a, b in zip(left, right, strict=True))


def test_the_best_of_the_population_is_mutated_and_the_oldest_discarded():
    searcher = make_searcher(
        "evolution",
        SPACE,
        seed=1,
        population=3,
        sample=60,  # misses the best of 3 once in 4e10 draws
    )
    old, better, worse = (0, 0, 0), (2, 0, 1), (1, 0, 3)
    searcher.tell([old, better, worse], [0.9, 0.6, 0.1])
    for point in searcher.ask(10):
        assert distance(point, old) == 1
    searcher.tell([worse], [0.2])  # the fourth point replaces `old`
    for point in searcher.ask(10):
        assert distance(point, better) == 1
    assert searcher.recommend() == old


def test_an_error_names_the_setting():
    with pytest.raises(
        ConfigError, match=r"^evolution\.sample: .*Received: 0$"
    ):
        make_searcher("evolution", SPACE, sample=0)
