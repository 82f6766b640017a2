"""Searchers, the journal and the search loop; knows no audio and no Keras.

A searcher proposes points of a `SearchSpace` and learns from their rewards
(`searcher`). The loop trains these points by any `TrialRunner` (`loop`) and
keeps every result in an append-only file (`journal`). `make_searcher` imports
TensorFlow only for a searcher with a neural policy.
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
