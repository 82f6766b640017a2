"""Searchers, the journal and the search loop, independent of audio and Keras.

A searcher proposes points of a `SearchSpace` and learns from their rewards
(`searcher`). The search loop trains these points with a `TrialRunner` (`loop`)
and appends every result to a file (`journal`). `make_searcher` imports
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
