"""Searchers beside the default one, which is in `search.reinforce`."""
