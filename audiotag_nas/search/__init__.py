"""Searchers, their journal and their loop; knows nothing of audio or Keras.

A searcher proposes points of a `SearchSpace` and learns from their rewards
(`searcher`); the loop trains what it proposes through any `TrialRunner`
(`loop`) and keeps every result in an append-only file (`journal`). TensorFlow
starts only where `make_searcher` gives a searcher that needs it.
"""

from audiotag_nas.config.searchers import searcher_settings
from audiotag_nas.search.searcher import SEARCHERS, Searcher, make_searcher
from audiotag_nas.space import Decision, SearchSpace

__all__ = [
    "SEARCHERS",
    "Decision",
    "SearchSpace",
    "Searcher",
    "make_searcher",
    "searcher_settings",
]
