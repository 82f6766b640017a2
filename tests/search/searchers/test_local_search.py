"""Tests of local search."""

from audiotag_nas.search import Decision, SearchSpace, make_searcher
from audiotag_nas.search.points import neighbors

SPACE = SearchSpace(
    tuple(Decision(f"d{i}", tuple(range(n))) for i, n in enumerate((3, 1, 4)))
)


def test_all_neighbors_are_tried_once_before_a_restart():
    searcher = make_searcher("local_search", SPACE, seed=2)
    top = (1, 0, 2)
    searcher.tell([top], [1.0])
    asked = searcher.ask(3)
    searcher.tell(asked, [0.5, 0.4, 0.3])
    asked += searcher.ask(2)
    assert sorted(asked) == sorted(neighbors(SPACE, top))
    searcher.tell(asked[3:], [0.2, 0.1])
    # The incumbent is a local optimum. The next incumbent is the best point of
    # a new round.
    starts = searcher.ask(2)
    fresh = (0, 0, 1)
    searcher.tell([*starts, fresh], [0.0, 0.0, 0.7])
    untried = set(neighbors(SPACE, fresh)) - {*asked, *starts, top}
    assert {*searcher.ask(len(untried))} == untried


def test_the_maximum_of_an_additive_reward_is_found():
    space = SearchSpace(
        tuple(Decision(f"d{i}", tuple(range(5))) for i in range(6))
    )
    searcher = make_searcher("local_search", space, seed=0)
    for _ in range(40):
        asked = searcher.ask(4)
        searcher.tell(asked, [float(sum(tokens)) for tokens in asked])
    assert searcher.recommend() == (4,) * 6
